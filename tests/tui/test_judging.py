"""A fleet is judged while it answers: each node when it is through, in the end as if all had been at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from consolekit import session_with, until_holds

import tui.judging
from checks.check import Check, load
from checks.edits import service
from checks.engine import Report, judge, one
from checks.finding import Outcome
from tui.investigation import Knows
from tui.judging import EVERYTHING, Judging


@dataclass
class Counted:
    """How often each check was made on each node."""

    made: Counter[tuple[str, str]] = field(default_factory=Counter)

    def one(self, check: Check, knows: Knows, node: str) -> Outcome:
        self.made[check.id, node] += 1
        return one(check, knows, node)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    found = Counted()
    monkeypatch.setattr(tui.judging, "one", found.one)
    yield found


def test_a_node_that_is_through_costs_its_own_checks_and_not_those_of_the_others(counted: Counted) -> None:
    session = session_with(service("containerd", state="Stopped", pid=0, node="win-1"))
    reports: list[Report] = []
    judging = Judging(reports.append)
    with judging.beside(session):
        for at, node in enumerate(("win-1", "win-2", "win-1"), 1):
            judging.through(session, node)
            until_holds(lambda at=at: len(reports) == at)  # type: ignore[misc]
            assert node in judging.done
    per_node = {c.id for c in load().values() if c.node_scope}
    made = {(i, n): k for (i, n), k in counted.made.items() if i in per_node}
    assert {k for (_, n), k in made.items() if n == "win-1"} == {2}, (
        "at first with all, then when it came again"
    )
    assert {k for (_, n), k in made.items() if n == "win-2"} == {2}, "at first with all, then when it came"
    assert reports[-1] == judging.whole(session) == judge(session), "with the same order"


def test_other_answers_of_the_cluster_have_everything_judged_again(counted: Counted) -> None:
    session = session_with()
    reports: list[Report] = []
    judging = Judging(reports.append)
    with judging.beside(session):
        judging.through(session, EVERYTHING)
        until_holds(lambda: len(reports) == 1)
        judging.through(session, EVERYTHING)
        until_holds(lambda: len(reports) == 2)
    assert set(counted.made.values()) == {2} and judging.done == set()


def test_a_node_that_was_given_up_says_nothing_about_a_later_run() -> None:
    former, session = session_with(), session_with()
    judging = Judging(lambda _: None)
    with judging.beside(session):
        judging.through(former, "win-1")
        judging.through(session, "win-2")
        until_holds(lambda: "win-2" in judging.done)
    assert judging.done == {"win-2"}
