"""A step: a check, and the act that makes it pass.

The check is the goal and the proof. The act is one PowerShell script, shown before it runs; what it returns under
`before` is what its undo needs. Values reach the scripts as parameters, never as script text. An undo goes by what a
journal says: a step declares the shape of its parameters and of `before`, and nothing else is sent.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from checks.check import Check
from checks.check import load as load_checks
from checks.finding import Finding
from checks.ids import CheckId
from facts.collector.wire import script_text
from facts.session import Session
from playbooks.node_side import noted
from targets.decoding import converted

PACKAGE = "playbooks.remedies"
Parameters = Mapping[str, Any]
Prepare = Callable[[Session, str, Finding], Parameters]


class NotPossible(Exception):
    """This step cannot mend this finding, and why: one sentence."""


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step sends to its scripts, or keeps for its undo: the values that are allowed, and no others."""

    def fits(self, check: CheckId) -> bool:
        """Whether a step with this goal may send it."""
        return True


class Step(msgspec.Struct, frozen=True):
    """One act with its undo. `prepare` works the parameters out, or raises NotPossible."""

    check: CheckId
    title: str
    blast_radius: str  # what else feels it
    script: str  # file beside the step
    undo: str  # file beside the step; empty: there is none
    undo_says: str  # what the undo does, or why there is none
    undo_blast_radius: str  # what else feels the undo; empty: there is none
    prepare: Prepare
    takes: type[Data]  # the parameters
    leaves: type[Data]  # `before`
    seconds: float = 90.0

    def believable(self, parameters: object, before: object) -> None:
        """NotPossible where a journal says what this step never writes there."""
        try:
            converted(before, self.leaves)
            if not converted(parameters, self.takes).fits(self.check):
                raise NotPossible(
                    f"The journal says what {self.check} never does: {parameters}. Nothing is undone."
                )
        except msgspec.ValidationError as error:
            raise NotPossible(
                f"The journal says what {self.check} never writes down: {error}. Nothing is undone."
            ) from error

    def own_text(self) -> str:
        """The act's own part of what is sent."""
        return script_text(self.script, PACKAGE)

    def own_undo_text(self) -> str:
        """The same of the undo; empty where there is none."""
        return script_text(self.undo, PACKAGE) if self.undo else ""

    def text(self) -> str:
        """The exact PowerShell of the act, with that of the node's lock and journal around it."""
        return noted(self.own_text())

    def undo_text(self) -> str:
        """The same of the undo; empty where there is none."""
        return noted(self.own_undo_text()) if self.undo else ""


_STEPS: dict[CheckId, Step] = {}


def step(
    *checks: CheckId,
    title: str,
    blast_radius: str,
    script: str,
    undo: str = "",
    undo_says: str,
    undo_blast_radius: str | Mapping[CheckId, str] = "",
    takes: type[Data],
    leaves: type[Data],
    seconds: float = 90.0,
) -> Callable[[Prepare], Prepare]:
    """Declare a step for each of `checks`; the function prepares its parameters.

    What an undo touches may differ from goal to goal, as much as what each of them has made work.
    """

    def declare(prepare: Prepare) -> Prepare:
        for check in checks:
            if check in _STEPS:
                raise ValueError(f"Two steps have {check} as their goal.")
            back = undo_blast_radius if isinstance(undo_blast_radius, str) else undo_blast_radius[check]
            _STEPS[check] = Step(
                check, title, blast_radius, script, undo, undo_says, back, prepare, takes, leaves, seconds
            )
        return prepare

    return declare


@cache
def steps() -> dict[CheckId, Step]:
    """Every step, by the check that is its goal.

    ValueError for a goal that is no check of single nodes, and for an act that does not write down what there was.
    """
    package = importlib.import_module(PACKAGE)
    for module in pkgutil.iter_modules(package.__path__, f"{PACKAGE}."):
        importlib.import_module(module.name)
    checks = load_checks()
    for made in _STEPS.values():
        sound(made, checks)
    return dict(_STEPS)


def sound(made: Step, checks: Mapping[CheckId, Check]) -> None:
    """ValueError says what is wrong with a step."""
    if made.check not in checks:
        raise ValueError(f"The step “{made.title}” has {made.check} as its goal, which is no check.")
    if not checks[made.check].node_scope:
        raise ValueError(
            f"{made.check} judges the cluster; a step acts on one node and needs a check of nodes."
        )
    if "Save-Before" not in script_text(made.script, PACKAGE):
        raise ValueError(f"{made.script} does not call Save-Before before it changes anything.")
    if bool(made.undo) != bool(made.undo_blast_radius) or made.undo_blast_radius == made.blast_radius:
        raise ValueError(f"{made.check} must say what its undo touches, in words of its own.")
