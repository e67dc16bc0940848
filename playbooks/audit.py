"""The append-only record of everything that was changed, and by whom."""

from __future__ import annotations

import getpass
import hashlib
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from playbooks.journal import append_line, now


class AuditLine(msgspec.Struct, omit_defaults=True):
    at: datetime
    who: str
    context: str
    server: str
    node: str
    step: str
    act: str  # act or undo
    script_sha256: str
    parameters: dict[str, Any]
    outcome: str  # done, failed, undone, refused
    why: str = ""


def who() -> str:
    """user@host of the person at this console."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


class Audit:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.jsonl"

    def add(self, line: AuditLine) -> None:
        append_line(self.path, line)


def audit_line(
    *,
    by: str,
    context: str,
    server: str,
    node: str,
    step: str,
    act: str,
    script: str,
    parameters: dict[str, Any],
    outcome: str,
    why: str = "",
) -> AuditLine:
    digest = hashlib.sha256(script.encode()).hexdigest()
    return AuditLine(now(), by, context, server, node, step, act, digest, parameters, outcome, why)
