"""What a fact is, and the three ways to come by one.

A fact is a frozen struct: the class is the schema of the answer. It is declared with one of three decorators, and
the decorator is the only registration:

* `@asked_of_node("hns.ps1")`: a PowerShell script in `facts/node/scripts/`; its JSON answer is decoded as the class,
  or handed to the class's `read(cls, answer, …)` if it has one (the annotation of `answer` is then the schema).
  A classmethod `parameters(cls, …)` may compute values for the script; its annotations are facts that it needs.
* `@asked_of_cluster`: a classmethod `ask(cls, cluster)`.
* `@derived`: a classmethod `derive(cls, …)` whose annotations are the facts that it needs.

`ask`, `read`, `parameters` and `derive` may return `NotApplicable(why)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import msgspec


class Fact(msgspec.Struct, frozen=True):
    """A typed answer to one question. Frozen: nobody downstream can change what was seen."""


class NotApplicable(msgspec.Struct, frozen=True):
    """The question does not arise here, and why: no Docker on a containerd node, no flannel in the cluster."""

    why: str


class Failed(msgspec.Struct, frozen=True):
    """The question could not be answered. The same for every reader.

    `kind` is the TargetError's kind, or "derived" where a fact that this one needs has failed. `code` says more
    where the wire knows more ("refused", "rejected", …).
    """

    kind: str
    why: str
    hint: str = ""
    code: str = ""
    stage: str = ""


class Origin(Enum):
    """Where the answers to a fact's question come from."""

    NODE = "node"
    CLUSTER = "cluster"
    DERIVED = "derived"
    SESSION = "session"  # made by the session itself: Access, Now, ThisNode


class Question(msgspec.Struct, frozen=True):
    """How to come by a fact."""

    fact: type[Fact]
    name: str  # snake_case, unique: the word of `kwinnow facts`
    origin: Origin
    script: str = ""
    seconds: float = 10.0
    minimum: bool = False  # also answered in Constrained Language Mode


QUESTIONS: dict[type[Fact], Question] = {}
F = TypeVar("F", bound=type[Fact])


def name_of(fact: type[Fact]) -> str:
    """The fact's name as people type it: `CniFiles` → `cni_files`."""
    text = fact.__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(text))


def _register(question: Question) -> None:
    twin = next((q for q in QUESTIONS.values() if q.name == question.name), None)
    if twin is not None:
        raise TypeError(f"Two facts are called {question.name}: {twin.fact} and {question.fact}.")
    if not inspect.getdoc(question.fact):
        raise TypeError(f"The fact {question.name} has no docstring.")
    QUESTIONS[question.fact] = question


def asked_of_node(script: str, *, seconds: float = 10.0, minimum: bool = False) -> Callable[[F], F]:
    """A fact that a PowerShell script on the node answers within `seconds`."""

    def declare(fact: F) -> F:
        _register(Question(fact, name_of(fact), Origin.NODE, script, seconds, minimum))
        return fact

    return declare


def asked_of_cluster(fact: F) -> F:
    """A fact that the Kubernetes API answers."""
    _register(Question(fact, name_of(fact), Origin.CLUSTER))
    return fact


def derived(fact: F) -> F:
    """A fact that follows from others."""
    _register(Question(fact, name_of(fact), Origin.DERIVED))
    return fact


def made_by_session(fact: F) -> F:
    """A fact that the session makes while it works: nobody is asked."""
    _register(Question(fact, name_of(fact), Origin.SESSION))
    return fact


def fact_named(name: str) -> type[Fact]:
    """The fact called `name`; KeyError if there is none."""
    return next(q.fact for q in QUESTIONS.values() if q.name == name)


def method(fact: type[Fact], name: str) -> Callable[..., Any] | None:
    """The fact's own classmethod `name`, if it has one."""
    return getattr(fact, name, None) if name in vars(fact) else None
