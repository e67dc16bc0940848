"""The firewall step on a node that runs it: done, broken off, taken up again, taken back; by one person and by two."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from desks import FIREWALL, NODE, Desk, machine, node_file, node_marks, open_on_node, put, rule

from checks.finding import Outcome, OutcomeKind
from lab.practice import Practice
from playbooks import node_side
from playbooks.engine import Plan
from playbooks.journal import Mark
from playbooks.lock import Held
from playbooks.step import NotPossible, steps
from playbooks.undo import plan_last_undo
from targets.errors import PermissionDenied

pytestmark = pytest.mark.pwsh
Sit = Callable[[str], Desk]
T = TypeVar("T")


def lock_of(who: str, seconds: int) -> str:
    """The node's lock, taken 100 s ago."""
    now = int(time.time())
    return json.dumps({"who": who, "run": "r", "step": FIREWALL, "since": now - 100, "until": now + seconds})


def test_done_here_and_undone_by_another_person(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    anna, ben = sit("anna@desk"), sit("ben@desk")
    done = anna.fix()
    assert (done.mark, done.outcome and done.outcome.kind) == (Mark.DONE, OutcomeKind.PASSED)
    assert rule(practice) == "enabled" and node_marks(practice) == ["acting", "acted"]
    assert node_file(practice, "lock.json") == "", "the node's lock was given back"

    undone = ben.undo()  # whose own journal knows nothing of it
    assert (undone.mark, undone.outcome and undone.outcome.kind) == (Mark.UNDONE, OutcomeKind.FOUND)
    assert rule(practice) == "absent" and node_marks(practice) == ["acting", "acted", "undoing", "undone"]
    with pytest.raises(NotPossible, match="undone already, by ben@desk"):
        anna.undo()
    lines = anna.audited() + ben.audited()
    assert [(x["who"], x["act"], x["outcome"]) for x in lines] == [
        ("anna@desk", "act", "done"),
        ("ben@desk", "undo", "undone"),
    ]


def test_of_two_who_planned_at_once_the_second_changes_nothing_and_the_undo_is_the_firsts(
    practice: Practice, sit: Sit
) -> None:
    practice.plant(FIREWALL)
    anna, ben = sit("anna@desk"), sit("ben@desk")
    first, second = anna.plan(), ben.plan()
    assert anna.runner.run(first).mark is Mark.DONE
    late = ben.runner.run(second)
    assert (late.mark, late.outcome and late.outcome.kind) == (Mark.DROPPED, OutcomeKind.PASSED)
    assert "in the meantime" in late.why and ben.marks()[-1] == "dropped"
    assert node_marks(practice) == ["acting", "acted", "acting", "dropped"]
    taken_back = plan_last_undo(ben.runner, steps(), NODE)
    assert isinstance(taken_back, Plan) and taken_back.run == first.run
    assert ben.undo().mark is Mark.UNDONE and rule(practice) == "absent"


def test_killed_after_the_act_the_run_is_closed_and_can_be_undone(practice: Practice, sit: Sit) -> None:
    practice.plant(f"{FIREWALL}:disabled")
    anna = sit("anna@desk")
    anna.dies_at(Mark.ACTED, anna.fix)
    assert anna.marks() == ["planned", "acting"] and rule(practice) == "enabled"

    left = anna.runner.plan(steps()[FIREWALL], NODE, settle=False)
    assert isinstance(left, Outcome) and anna.marks() == ["planned", "acting"], "a dry run writes nothing"
    found = anna.runner.plan(steps()[FIREWALL], NODE)
    assert isinstance(found, Outcome) and found.kind is OutcomeKind.PASSED
    assert any("stopped at “acting”" in line for line in anna.told)
    assert anna.marks() == ["planned", "acting", "acted", "done"]
    assert anna.undo().mark is Mark.UNDONE
    assert rule(practice) == "disabled", "as it was before the act, not absent"


def test_killed_in_the_undo_the_undo_is_finished(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    anna = sit("anna@desk")
    anna.fix()
    anna.dies_at(Mark.UNDONE, anna.undo)
    assert (rule(practice), anna.marks()[-1]) == ("absent", "undoing")
    assert anna.undo().mark is Mark.UNDONE and anna.marks()[-1] == "undone"
    assert node_marks(practice)[-1] == "undone" and node_marks(practice).count("undoing") == 1


def test_killed_before_the_node_was_asked_the_same_run_goes_on(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    anna = sit("anna@desk")
    anna.dies_at(Mark.ACTING, anna.fix)
    assert anna.marks() == ["planned"]
    plan = anna.plan()
    assert plan.goes_on is not None and plan.run == plan.goes_on.run
    assert anna.runner.run(plan).mark is Mark.DONE
    assert len({e.run for e in anna.journal.entries()}) == 1


def test_the_nodes_own_lock(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    anna = sit("anna@desk")
    put(practice, "lock.json", lock_of("ben@desk", 200))
    plan = anna.plan()
    with pytest.raises(Held, match=r"ben@desk is at work on win-1 since 20.* UTC: cni\.flannel"):
        anna.runner.run(plan)
    assert rule(practice) == "absent" and node_marks(practice) == []
    assert anna.marks()[-1] == "dropped" and anna.audited()[-1]["outcome"] == "refused"
    with pytest.raises(NotPossible, match="could be undone"):
        anna.undo()
    put(practice, "lock.json", lock_of("ben@desk", -1))  # it ran out
    assert anna.runner.run(anna.plan()).mark is Mark.DONE


@pytest.mark.skipif(os.name == "nt", reason="the lab's engine runs on POSIX systems")
def test_a_process_that_still_acts_is_not_overtaken(
    practice: Practice, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its console was killed; the process on the node was not."""
    import fcntl

    practice.plant(FIREWALL)
    put(practice, "lock.json", lock_of("anna@desk", 200))
    put(practice, "acting", "")
    anna = sit("anna@desk")
    plan = anna.plan()
    monkeypatch.setattr(node_side, "WAIT_SECONDS", 1)
    with open_on_node(practice, "acting") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Held, match="another console of yours"):
            anna.runner.run(plan)
    assert rule(practice) == "absent"
    assert anna.fix().mark is Mark.DONE


def test_ones_own_lock_is_taken_over_and_no_lease_is_needed(practice: Practice, sit: Sit) -> None:
    class NoLeases:
        """Rights to nothing."""

        def get(self, path: str, as_type: type[T]) -> T:
            raise PermissionDenied("anna may not get leases.", verb="get", resource="leases")

        create = request = get  # type: ignore[assignment]

    practice.plant(FIREWALL)
    anna = sit("anna@desk")
    anna.runner.locking = NoLeases()  # type: ignore[assignment]
    put(practice, "lock.json", lock_of("anna@desk", 200))
    assert anna.fix().mark is Mark.DONE
    assert any("may not get leases" in line and "Only the lock on win-1" in line for line in anna.told)


def test_what_cannot_be_written_down_is_not_done(pwsh: str, tmp_path: Path) -> None:
    with Practice("flannel-2022") as own:  # the folder in the way would stay
        own.plant(FIREWALL)
        put(own, r"journal.jsonl\in-the-way", "a folder where the journal should be")
        anna = Desk(own, tmp_path)
        ended = anna.fix()
        assert ended.mark is Mark.FAILED and "PowerShell on win-1 says" in ended.why
        assert rule(own) == "absent" and anna.audited()[-1]["outcome"] == "failed"


def test_done_and_still_found_has_failed(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    anna = sit("anna@desk")
    plan = anna.plan()
    wrong = Plan(
        plan.step, NODE, plan.context, plan.server, plan.finding, plan.parameters | {"port": 4788}, plan.run
    )
    ended = anna.runner.run(wrong)
    assert ended.mark is Mark.FAILED and ended.outcome is not None
    assert "It was done, and the check does not pass" in ended.why and "4789" in ended.why


def test_a_rule_that_blocks_is_not_mended_by_one_that_allows(practice: Practice, sit: Sit) -> None:
    practice.plant(f"{FIREWALL}:blocked")
    anna = sit("anna@desk")
    before = msgspec.json.encode(machine(practice))
    with pytest.raises(NotPossible, match=r"Block VXLAN \(Hardening-4789\).*a block wins"):
        anna.plan()
    assert msgspec.json.encode(machine(practice)) == before and anna.marks() == []
