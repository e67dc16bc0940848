"""Every fact, by importing the modules that declare them."""

from __future__ import annotations

import importlib
import pkgutil

import facts.cluster
import facts.derived
import facts.node
from facts.fact import QUESTIONS, Question


def load() -> list[Question]:
    """All questions, by name."""
    importlib.import_module("facts.access")
    for package in (facts.cluster, facts.node, facts.derived):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if not module.ispkg:
                importlib.import_module(module.name)
    return sorted(QUESTIONS.values(), key=lambda q: q.name)
