"""What the practice cluster offers, as lists, and how a name that somebody types finds its entry."""

from __future__ import annotations

import difflib
from typing import Any

from lab.faults import CONDITIONS, FAULTS, QUESTIONS, Condition, Fault, Question
from lab.world.scenarios import TITLES

DEFAULT = "flannel-2022"
Plantable = Fault | Question | Condition


def catalogue() -> dict[str, list[Any]]:
    """The lists of `kwinnow lab --list --json`.

    `id` is the bare catalogue id of the true cause; `plant` is the name to plant, which carries a variant where one
    entry has several causes. Planting a bare id plants its first variant that fits the scenario.
    """
    return {
        "scenarios": list(TITLES),
        "faults": [
            {
                "id": f.entry,
                "variant": f.variant,
                "plant": f.id,
                "title": f.title,
                "source": f.source,
                "scenarios": list(f.scenarios),
                "node": f.node,
            }
            for f in FAULTS.values()
        ],
        "questions": [
            {
                "id": q.entry,
                "plant": f"ask:{q.id}",
                "ask": q.ask,
                "source": q.source,
                "scenarios": list(q.scenarios),
            }
            for q in QUESTIONS.values()
        ],
        "conditions": [
            {"id": c.id, "plant": c.id, "title": c.title, "expect": c.expect} for c in CONDITIONS.values()
        ],
    }


def _candidates(name: str) -> list[Plantable]:
    """Everything that `name` may mean, best first."""
    asked = name.removeprefix("ask:")
    exact: list[Plantable] = []
    if asked == name and name in FAULTS:
        exact.append(FAULTS[name])
    if asked == name and name in CONDITIONS:
        exact.append(CONDITIONS[name])
    if asked in QUESTIONS:
        exact.append(QUESTIONS[asked])
    if exact:
        return exact
    faults: list[Plantable] = [f for f in FAULTS.values() if f.entry == name]
    return faults + [q for q in QUESTIONS.values() if q.entry == asked]


def resolve(name: str, scenario: str = "") -> Plantable:
    """The fault, question or condition called `name` (for `scenario`, if several share the id).

    KeyError, with the nearest names, if there is none.
    """
    found = _candidates(name)
    if not found:
        known = [*FAULTS, *QUESTIONS, *CONDITIONS, *(f.entry for f in FAULTS.values())]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
        raise KeyError(f"There is nothing called {name} to plant.{hint}")
    for one in found:
        if isinstance(one, Condition) or not scenario or scenario in one.scenarios:
            return one
    return found[0]


def fitting_scenario(names: list[str]) -> str:
    """The scenario in which all of `names` can be planted: the default one if it fits. ValueError if there is none."""
    for scenario in (DEFAULT, *TITLES):
        found = [resolve(name, scenario) for name in names]
        if all(isinstance(f, Condition) or scenario in f.scenarios for f in found):
            return scenario
    raise ValueError(f"No scenario takes all of {', '.join(names)}.")
