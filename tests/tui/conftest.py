"""Every console of a test keeps its files to itself, and does not sit at the end of an SSH connection."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of this test."""
    folder = tmp_path / "state"
    monkeypatch.setenv("KWINNOW_STATE", str(folder))
    for name in ("SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")  # no clipboard tool of this machine is touched
    return folder
