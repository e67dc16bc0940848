"""Journal and audit log on this machine: whole lines, for the owner's eyes, without secrets."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from playbooks.audit import Audit, audit_line
from playbooks.journal import Entry, Journal, Mark, append_line, now, read_entries

CANARY = "abcdef.0123456789abcdef"  # the shape of a bootstrap token


def entry(mark: Mark, run: str = "r1", **more: Any) -> Entry:
    return Entry(run, now(), mark, "a.step", "ctx", "https://api", "win-1", "anna@desk", **more)


def marks(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(e.run, e.mark.value) for e in entries]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    Journal(folder).add(entry(Mark.PLANNED))
    Audit(folder).add(line({}))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("journal.jsonl", "audit.jsonl"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def line(parameters: dict[str, Any], why: str = "") -> Any:
    return audit_line(
        by="anna@desk",
        context="ctx",
        server="https://api",
        node="win-1",
        step="a.step",
        act="act",
        script="Get-Date",
        parameters=parameters,
        outcome="failed",
        why=why,
    )


def test_no_secret_gets_into_them(tmp_path: Path) -> None:
    parameters = {"token": "hunter2-secret", "arguments": f"kubeadm join --token {CANARY}"}
    why = f"Authorization: Bearer {CANARY}{CANARY} and password=hunter2-secret"
    Journal(tmp_path).add(
        entry(Mark.FAILED, parameters=parameters, before={"password": "hunter2-secret"}, why=why)
    )
    Audit(tmp_path).add(line(parameters, why))
    for path in tmp_path.glob("*.jsonl"):
        text = path.read_text()
        assert "hunter2" not in text and "0123456789abcdef" not in text, path.name
        assert "redacted" in text


def test_a_torn_last_line_is_left_out_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(entry(Mark.PLANNED))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[: len(whole) // 2])
    assert marks(journal.entries()) == [("r1", "planned")]
    journal.add(entry(Mark.ACTING))
    assert marks(journal.entries()) == [("r1", "planned"), ("r1", "acting")]
    assert read_entries(b"\xff\xfe\n\n[]\n") == []


WRITER = """
import sys
from pathlib import Path
from playbooks.journal import append_line
for i in range(200):
    append_line(Path(sys.argv[1]), {"writer": sys.argv[2], "i": i, "pad": "x" * 500})
"""


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    append_line(path, {"writer": "first", "i": 0})
    first = path.read_bytes()
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "ab"]
    assert [p.wait(60) for p in processes] == [0, 0]
    text = path.read_bytes()
    assert text.startswith(first), "append only"
    import json

    seen = [(x["writer"], x["i"]) for x in map(json.loads, text.splitlines())]
    assert sorted(seen[1:]) == sorted((name, i) for name in "ab" for i in range(200))


@pytest.mark.parametrize(
    ("written", "still_open"),
    [
        ((Mark.PLANNED,), True),
        ((Mark.PLANNED, Mark.ACTING), True),
        ((Mark.ACTING, Mark.ACTED), True),
        ((Mark.ACTED, Mark.FAILED), True),
        ((Mark.ACTED, Mark.DONE), False),
        ((Mark.DONE, Mark.UNDOING), True),
        ((Mark.UNDOING, Mark.UNDONE), False),
        ((Mark.PLANNED, Mark.DROPPED), False),
    ],
)
def test_which_runs_are_open(tmp_path: Path, written: tuple[Mark, ...], still_open: bool) -> None:
    journal = Journal(tmp_path)
    for mark in written:
        journal.add(entry(mark))
    assert bool(journal.open_run("a.step", "win-1", "https://api")) is still_open
    assert journal.open_run("a.step", "win-2", "https://api") == []
    assert journal.open_run("a.step", "win-1", "https://other") == []


def test_a_run_that_did_nothing_does_not_hide_the_one_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for mark, run in ((Mark.ACTED, "r1"), (Mark.DONE, "r1"), (Mark.PLANNED, "r2"), (Mark.DROPPED, "r2")):
        journal.add(entry(mark, run))
    assert marks(journal.last_run("a.step", "win-1", "https://api")) == [("r1", "acted"), ("r1", "done")]
