"""Copying that works where the person sits: OSC 52 over SSH, else a native tool, and always a file.

OSC 52 has no answer: a terminal that does not know it drops the text without a word. So the file is always named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tui.places import kept_folder

NATIVE: tuple[tuple[str, ...], ...] = (
    ("wl-copy",),
    ("xclip", "-selection", "clipboard"),
    ("xsel", "--clipboard", "--input"),
    ("pbcopy",),
    ("clip.exe",),
)


@dataclass(frozen=True)
class Copied:
    """What was done, as a sentence for the person."""

    lines: int
    how: str
    file: Path | None

    def __str__(self) -> str:
        where = f"; also in {self.file}" if self.file else ""
        return f"Copied {self.lines} line{'s' * (self.lines != 1)} {self.how}{where}"


def remote(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this terminal is at the other end of an SSH connection."""
    return any(environ.get(name) for name in ("SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"))


def copy(
    text: str, osc52: Callable[[str], None], name: str, environ: Mapping[str, str] = os.environ
) -> Copied:
    """Copy `text`. `osc52` writes the terminal sequence (textual's App.copy_to_clipboard); `name` names the file."""
    file = _save(text, name)
    lines = len(text.splitlines())
    if not remote(environ):
        for tool in NATIVE:
            if shutil.which(tool[0]) and _piped(tool, text):
                return Copied(lines, f"with {tool[0]}", file)
    osc52(text)
    return Copied(lines, "by OSC 52 (the terminal must allow it)", file)


def _piped(tool: tuple[str, ...], text: str) -> bool:
    try:
        done = subprocess.run(
            tool,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _save(text: str, name: str) -> Path | None:
    folder = kept_folder() / "copied"
    safe = "".join(c if c.isalnum() or c in "-._" else "-" for c in name)[:80]
    file = folder / f"{datetime.now():%Y%m%d-%H%M%S}-{safe}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(text, "utf-8")
        file.chmod(0o600)
    except OSError:
        return None
    return file
