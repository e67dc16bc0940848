"""The service step on a node that runs it: start mode and start, failure half-way, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from desks import NODE, Desk, edit, machine, service

from checks.ids import CheckId
from lab.practice import Practice
from playbooks.journal import Mark

pytestmark = pytest.mark.pwsh
Sit = Callable[[str], Desk]
CONTAINERD: CheckId = "runtime.containerd.stopped"
KUBELET: CheckId = "kubelet.not-running"


def ready(practice: Practice) -> str:
    practice.tick()
    conditions = practice.world.get("v1", "Node", NODE)["status"]["conditions"]
    return next(str(c["status"]) for c in conditions if c["type"] == "Ready")


def until_ready(practice: Practice, wanted: str) -> None:
    """The node tells the lab of a change in a thread of its own."""
    end = time.monotonic() + 30
    while ready(practice) != wanted:
        assert time.monotonic() < end, f"Ready is not {wanted}"


def test_the_node_is_ready_again_once_its_kubelet_runs(practice: Practice, sit: Sit) -> None:
    practice.plant(KUBELET)
    before = service(practice, "kubelet")
    assert before[0] == "Stopped" and ready(practice) != "True"
    anna = sit("anna@desk")
    assert anna.fix(KUBELET).mark is Mark.DONE
    assert service(practice, "kubelet") == ("Running", "Auto")
    until_ready(practice, "True")
    assert anna.undo(KUBELET).mark is Mark.UNDONE
    assert service(practice, "kubelet") == before


def test_an_act_that_fails_half_way_loses_nothing_of_what_there_was(practice: Practice, sit: Sit) -> None:
    """Setting the start mode works, starting does not; the second try does; the undo goes back before both."""
    practice.plant(CONTAINERD)
    before = service(practice, "containerd")
    assert before == ("Stopped", "Manual")
    program = r"C:\Program Files\containerd\containerd.exe"
    held = machine(practice).files[program]
    edit(practice, lambda node: node.files.pop(program))
    anna = sit("anna@desk")
    failed = anna.fix(CONTAINERD)
    assert (
        failed.mark is Mark.FAILED and "containerd" in failed.why and "PowerShell on win-1 says" in failed.why
    )
    assert service(practice, "containerd") == ("Stopped", "Auto")
    assert anna.audited()[-1]["outcome"] == "failed" and "PowerShell" in anna.audited()[-1]["why"]

    edit(practice, lambda node: node.files.update({program: held}))
    plan = anna.plan(CONTAINERD)
    assert plan.goes_on is not None and plan.goes_on.mark is Mark.FAILED
    assert anna.runner.run(plan).mark is Mark.DONE
    assert service(practice, "containerd") == ("Running", "Auto")
    assert anna.undo(CONTAINERD).mark is Mark.UNDONE
    assert service(practice, "containerd") == before
