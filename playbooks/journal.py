"""What a run of a step has done so far: one JSON line a transition, on disk before the next thing happens.

A run that was killed at any point leaves its last line here; whoever goes on reads it and verifies first.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from targets.decoding import decoded
from targets.redact import redact_value


class Mark(StrEnum):
    """The transitions, in order. `ACTING` without `ACTED` means: nobody knows; verify."""

    PLANNED = "planned"
    ACTING = "acting"
    ACTED = "acted"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    DROPPED = "dropped"  # nothing was done: refused, or somebody else had done it before


CLOSED = frozenset({Mark.DONE, Mark.UNDONE, Mark.DROPPED})


class Entry(msgspec.Struct, omit_defaults=True):
    run: str
    at: datetime
    mark: Mark
    step: str
    context: str
    server: str
    node: str
    who: str
    parameters: dict[str, Any] = {}
    before: Any = None  # what the undo needs
    why: str = ""


def append_line(path: Path, value: object) -> None:
    """Append one JSON line, durable when this returns. The file is readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = msgspec.json.encode(redact_value(msgspec.to_builtins(value))) + b"\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _wait_for_others(file)
        if _torn(file):  # by a power cut: the torn line stays alone, and ours is whole
            line = b"\n" + line
        os.write(file, line)  # one write: lines of two processes do not mix
        os.fsync(file)
    finally:
        os.close(file)


def _wait_for_others(file: int) -> None:
    """Hold the file alone until it is closed: half of another's line must not pass for a torn one."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _torn(file: int) -> bool:
    """Whether the file's last line has no end."""
    size = os.lseek(file, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) != b"\n"


def read_entries(text: bytes) -> list[Entry]:
    """All whole lines. One that a kill or a power cut tore is left out: it never took effect."""
    found: list[Entry] = []
    for line in text.split(b"\n"):
        try:
            found.append(decoded(line, Entry))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def last_run(entries: list[Entry]) -> list[Entry]:
    """Of the entries of one step on one node those of the latest run that may have done something."""
    dropped = {e.run for e in entries if e.mark is Mark.DROPPED}
    mine = [e for e in entries if e.run not in dropped]
    return [e for e in mine if e.run == mine[-1].run] if mine else []


class Journal:
    """The journal of one user on this machine."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"

    def add(self, entry: Entry) -> None:
        append_line(self.path, entry)

    def entries(self) -> list[Entry]:
        """All whole lines, oldest first."""
        return read_entries(self.path.read_bytes()) if self.path.exists() else []

    def last_run(self, step: str, node: str, server: str) -> list[Entry]:
        """The entries of the latest run of that step on that node of that cluster that may have done something."""
        return last_run([e for e in self.entries() if (e.step, e.node, e.server) == (step, node, server)])

    def open_run(self, step: str, node: str, server: str) -> list[Entry]:
        """The entries of the latest run, if it was broken off or failed; else none."""
        last = self.last_run(step, node, server)
        return last if last and last[-1].mark not in CLOSED else []


def now() -> datetime:
    return datetime.now(UTC)
