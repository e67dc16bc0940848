"""`kwinnow fix` killed with -9 at any point of its journal: the next run goes on, and the undo takes it back."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.practice import Practice
from lab.windows.engine import find_pwsh

pytestmark = [
    pytest.mark.pwsh,
    pytest.mark.skipif(
        find_pwsh() is None, reason="needs the PowerShell engine: KWINNOW_PWSH or pwsh on PATH"
    ),
    pytest.mark.skipif(os.name != "posix", reason="kill -9 is for POSIX systems"),
]
STEP, NODE, RULE = "cni.flannel.firewall-4789", "win-1", "OverlayTraffic4789UDP"
# The lines of a whole run: planned, acting, acted, done. The act is done between the second and the third.
POINTS = [(when, line) for line in (1, 2, 3, 4) for when in ("before", "after")]
DYING = """
import os, signal, sys
from playbooks.journal import Journal

when, point = sys.argv[1], int(sys.argv[2])
write, seen = Journal.add, []

def add(self, entry):
    seen.append(entry)
    here = len(seen) == point
    if here and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, entry)
    if here and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

Journal.add = add
sys.argv = ["kwinnow", *sys.argv[3:]]
from tui.cli import main
main()
"""


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with Practice("flannel-2022") as made:
        yield made


class Desk:
    """A person's machine: its state folder, and kwinnow run on it."""

    def __init__(self, practice: Practice, state: Path) -> None:
        self.environment = {**practice.environment(), "KWINNOW_STATE": str(state)}
        self.journal = state / "journal.jsonl"
        self.words = ["fix", STEP, "--node", NODE, "--yes"]

    def start(self, *program: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *program],
            env=self.environment,
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def fix(self, *more: str) -> tuple[int, str]:
        """Exit code and what it told."""
        with self.start("-m", "tui.cli", *self.words, *more) as run:
            _, told = run.communicate(timeout=120)
        return run.returncode, told

    def marks(self) -> list[str]:
        """The journal's transitions. Every line is whole: what was written before a kill is written."""
        text = self.journal.read_text() if self.journal.exists() else ""
        assert text == "" or text.endswith("\n")
        return [json.loads(line)["mark"] for line in text.splitlines()]


def rules(practice: Practice) -> int:
    """How many enabled rules of the step's name the node has."""
    found = [r for r in practice.world.windows[NODE].firewall.rules if r.name == RULE]
    return sum(r.enabled for r in found)


def go_on(practice: Practice, desk: Desk) -> None:
    """After a kill: run again, then undo, and look at the node each time."""
    before = desk.marks()
    code, told = desk.fix()
    assert code == 0, told
    assert rules(practice) == 1, told
    assert desk.marks()[-1] == "done"
    assert ("was not finished" in told) is bool(before and before[-1] != "done"), told
    code, told = desk.fix("--undo")
    assert (code, desk.marks()[-1], rules(practice)) == (0, "undone", 0), told


def one_round(practice: Practice, desk: Desk, point: tuple[str, int] | None) -> None:
    """Kill at a point of the journal, or (None) at any moment; then go on."""
    program = ["-c", DYING, point[0], str(point[1])] if point else ["-m", "tui.cli"]
    practice.plant(STEP)
    try:
        with desk.start(*program, *desk.words) as run:
            try:
                _, told = run.communicate(timeout=120 if point else random.uniform(0.5, 12.0))
            except subprocess.TimeoutExpired:
                run.kill()
        if point:
            assert run.returncode == -signal.SIGKILL, told
            assert len(desk.marks()) == (point[1] if point[0] == "after" else point[1] - 1)
        go_on(practice, desk)
    finally:
        practice.unplant(STEP)


def test_killed_in_the_middle_of_the_act(practice: Practice, tmp_path: Path) -> None:
    """The journal's last line says that it is being done: nobody knows; verify."""
    one_round(practice, Desk(practice, tmp_path), ("after", 2))


@pytest.mark.soak
def test_killed_anywhere(practice: Practice, tmp_path: Path) -> None:
    """Every point of the journal, then random moments."""
    points: list[tuple[str, int] | None] = [*POINTS, *[None] * 100]
    for number, point in enumerate(points):
        one_round(practice, Desk(practice, tmp_path / str(number)), point)
