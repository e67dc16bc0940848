"""The real program in a real terminal: keys as a person presses them, the screen as tmux sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from consolekit import CONTEXT

from facts.examples import FLANNEL_2022, path_of

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed: apt install tmux")
ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(
        self, folder: Path, size: tuple[int, int], command: list[str], environ: dict[str, str]
    ) -> None:
        self._socket = str(
            folder / f"t{uuid.uuid4().hex[:6]}"
        )  # short: a socket's path has 107 characters at most
        self._environ = environ  # of the server, and so of what runs in it
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *command)
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *words: str) -> str:
        assert TMUX is not None
        command = [TMUX, "-S", self._socket, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env=self._environ
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, holds: Callable[[str], bool], seconds: float = 60.0) -> str:
        """The screen once it is so. tmux has nothing to wait on, so it is asked again and again."""
        end = time.monotonic() + seconds
        while True:
            text = self.text()
            if holds(text):
                return text
            assert time.monotonic() < end, f"still not so:\n{text}"

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture(params=[(120, 40), (80, 24)], ids=["120x40", "80x24"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "tui.cli", "console", "--open", str(path_of(FLANNEL_2022))]
    environ = {
        "PYTHONPATH": str(ROOT),
        "KWINNOW_STATE": str(tmp_path / "state"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
        "PATH": os.defpath,
    }
    made = Terminal(tmp_path, request.param, command, environ)
    yield made
    made.close()


def test_a_person_walks_through_the_console_and_leaves(terminal: Terminal) -> None:
    fleet = terminal.until(lambda text: "win-2" in text and "asking" not in text and "✔ none" in text)
    assert CONTEXT in fleet.splitlines()[0] and "recording" in fleet.splitlines()[0]
    terminal.press("j", "j")
    terminal.press("Enter")
    node = terminal.until(lambda text: "The API says" in text)
    assert "node › win-1" in node and "kubelet" in node
    terminal.press("Escape")
    terminal.until(lambda text: "First cause" in text)
    terminal.press("f")
    terminal.until(lambda text: "findings › win-1" in text and "Nothing found" in text)
    terminal.press("?")
    terminal.until(lambda text: "Help: findings" in text)
    terminal.press("q")
    terminal.until(lambda text: "Help: findings" not in text)
    terminal.press("q")
    terminal.until(lambda text: "Pane is dead" in text or not text.strip())


def test_without_a_terminal_it_says_what_to_do_instead() -> None:
    command = [sys.executable, "-m", "tui.cli", "console"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 2
    assert "kwinnow check" in done.stderr and "Traceback" not in done.stderr
