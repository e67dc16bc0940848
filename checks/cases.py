"""Edits of a healthy example, for the cases that stand beside checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from checks.check import Case
from facts.answers import Answer, Answers
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022, STACKS, example
from facts.fact import QUESTIONS, Fact, Failed, NotApplicable, Origin
from facts.needs import needs_of_fact, per_node
from facts.session import Session

F = TypeVar("F", bound=Fact)
T = TypeVar("T")
ALL = "*"


@dataclass
class Draft:
    """An example that may be changed. `node` is the node that edits without a name change: the first."""

    session: Session
    node: str

    def get(self, fact: type[F], node: str = "") -> F:
        """The answer of a known fact, for use in an edit."""
        value = self.session.get(fact, node or self.node)
        assert isinstance(value, fact), f"{QUESTIONS[fact].name} of {node or self.node} is {value}"
        return value

    def put(self, fact: type[Fact], value: Fact | Failed | NotApplicable, node: str = "") -> None:
        where = (node or self.node) if per_node(fact) else ""
        old = self.session.answer(fact, where)
        self.session.answers.put(fact, where, Answer(value, old.source, old.at, old.ms))
        self._forget_derived(fact)

    def _forget_derived(self, fact: type[Fact]) -> None:
        """What follows from a changed fact is worked out anew."""
        for other, question in QUESTIONS.items():
            if question.origin is not Origin.DERIVED or other is fact:
                continue
            if any(n.fact is fact for n in needs_of_fact(other)):
                self.session.answers.forget(other)
                self._forget_derived(other)


Change = Callable[[Draft], None]


def change(fact: type[F], edit: Callable[[F], F | Failed | NotApplicable], node: str = "") -> Change:
    """Replace a fact's answer by what `edit` makes of it; node="*" does it on every Windows node."""

    def apply(draft: Draft) -> None:
        for name in draft.session.windows_nodes() if node == ALL else [node or draft.node]:
            draft.put(fact, edit(draft.get(fact, name)), name)

    return apply


def fields(fact: type[F], node: str = "", **values: object) -> Change:
    """Replace single fields of a fact's answer."""
    return change(fact, lambda value: msgspec.structs.replace(value, **values), node)


def fails(fact: type[Fact], why: str = "it hangs", kind: str = "deadline", node: str = "") -> Change:
    """The question for `fact` could not be answered."""

    def apply(draft: Draft) -> None:
        for name in draft.session.windows_nodes() if node == ALL else [node or draft.node]:
            draft.put(fact, Failed(kind, why), name)

    return apply


def drafted(case: Case) -> Draft:
    """The case's example with its changes made."""
    source = example(case.example)
    copy = Session(source.cluster, source.nodes)
    copy.answers = Answers(dict(source.answers.by_key))
    draft = Draft(copy, copy.windows_nodes()[0])
    for edit in case.changes:
        edit(draft)
    return draft


def without(items: Iterable[T], unwanted: Callable[[T], bool]) -> tuple[T, ...]:
    """`items` without those that `unwanted` picks."""
    return tuple(i for i in items if not unwanted(i))


__all__ = [
    "ALL",
    "CLASSIC_2019",
    "FLANNEL_2019",
    "FLANNEL_2022",
    "STACKS",
    "Case",
    "Change",
    "Draft",
    "change",
    "drafted",
    "fails",
    "fields",
    "without",
]
