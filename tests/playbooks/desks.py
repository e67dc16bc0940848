"""Persons at desks of their own who mend nodes of one practice cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from practicekit import session_on

from checks.ids import CheckId
from facts.session import Session
from lab.practice import Practice
from lab.world.machine import File, Machine
from playbooks.audit import Audit
from playbooks.engine import StepRunner
from playbooks.journal import Entry, Journal, Mark
from playbooks.lock import Locking
from playbooks.plan import Ended, Plan
from playbooks.step import steps

NODE = "win-1"
FIREWALL: CheckId = "cni.flannel.firewall-4789"
RULE = "OverlayTraffic4789UDP"
FOLDER = "C:\\ProgramData\\kwinnow"
OURS = "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


class Killed(BaseException):
    """What ends a run in the middle, as nothing in the product catches it."""


class DyingJournal(Journal):
    """Dies instead of writing one mark."""

    dies_at: Mark | None = None

    def add(self, entry: Entry) -> None:
        if entry.mark is self.dies_at:
            raise Killed(entry.mark)
        super().add(entry)


@dataclass
class Desk:
    """A person's session, journal and audit log."""

    practice: Practice
    folder: Path
    me: str = "anna@desk"
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session: Session = session_on(self.practice, seconds=120.0)
        self.journal = DyingJournal(self.folder)
        locking = cast(Locking, self.session.cluster)
        self.runner = StepRunner(
            self.session, locking, self.journal, Audit(self.folder), self.told.append, self.me
        )

    def plan(self, check: CheckId = FIREWALL) -> Plan:
        plan = self.runner.plan(steps()[check], NODE)
        assert isinstance(plan, Plan), plan
        return plan

    def fix(self, check: CheckId = FIREWALL) -> Ended:
        return self.runner.run(self.plan(check))

    def undo(self, check: CheckId = FIREWALL) -> Ended:
        return self.runner.undo(steps()[check], NODE)

    def dies_at(self, mark: Mark, act: Callable[[], object]) -> None:
        """Run `act` and let it be killed just before that mark is written."""
        self.journal.dies_at = mark
        try:
            act()
        except Killed:
            return
        finally:
            self.journal.dies_at = None
        raise AssertionError(f"{mark} was never written")

    def marks(self) -> list[str]:
        return [e.mark.value for e in self.journal.entries()]

    def audited(self) -> list[dict[str, Any]]:
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def machine(practice: Practice) -> Machine:
    """The node as it is once every process on it has ended."""
    node = practice.nodes[NODE]
    end = time.monotonic() + 60
    while running := list(node._running):
        assert time.monotonic() < end, "a process on the node does not end"
        for run in running:
            run.wait(10)
    return node.machine


def rule(practice: Practice) -> str:
    """The step's firewall rule on the node: absent, enabled, disabled."""
    found = [r for r in machine(practice).firewall.rules if r.name == RULE]
    return "absent" if not found else "enabled" if found[0].enabled else "disabled"


def service(practice: Practice, name: str) -> tuple[str, str]:
    """State and start mode."""
    found = machine(practice).services[name]
    return found.state, found.start_mode


def edit(practice: Practice, change: Callable[[Machine], object]) -> None:
    """Change the node, and the world with it: the next heartbeat would put back what only the node knows."""

    def apply(found: Machine) -> None:
        change(found)

    practice.nodes[NODE].edit(apply)
    practice._changed(NODE, practice.nodes[NODE].machine)


def put(practice: Practice, name: str, text: str) -> None:
    """Lay a file into kwinnow's folder on the node, as another desk's act leaves it."""

    def change(node: Machine) -> None:
        node.acls[FOLDER] = OURS
        node.files[f"{FOLDER}\\{name}" if name else FOLDER] = File(text)

    edit(practice, change)


def open_on_node(practice: Practice, name: str) -> IO[bytes]:
    """A file of kwinnow's folder on the node, as another process has it open."""
    state = practice.nodes[NODE]._state
    assert state is not None
    return (state.folder / "tree/C/ProgramData/kwinnow" / name).open("r+b")


def node_file(practice: Practice, name: str) -> str:
    found = machine(practice).files.get(f"{FOLDER}\\{name}")
    return found.text if found else ""


def node_marks(practice: Practice) -> list[str]:
    """The marks of the node's own journal."""
    lines = node_file(practice, "journal.jsonl").split("\n")
    return [json.loads(line)["mark"] for line in lines if line]
