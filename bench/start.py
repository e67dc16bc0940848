"""How long it takes until something is there: `kwinnow --help`, and the console's first paint."""

from __future__ import annotations

import subprocess
import sys

from bench.pairs import Ratio, Work, side_by_side

# The painted app ends itself in the callback that Textual runs after the first refresh.
EMPTY = """
import asyncio
from textual.app import App

class Empty(App):
    def on_mount(self):
        self.call_after_refresh(self.exit)

asyncio.run(Empty().run_async(headless=True, size=(80, 24)))
"""
CONSOLE = """
import asyncio
from tui.app import KwinnowApp
from tui.opening import Options

class Console(KwinnowApp):
    def _begin(self):  # what follows the first paint
        self.exit()

asyncio.run(Console(Options()).run_async(headless=True, size=(80, 24)))
"""


def _run(*words: str) -> Work:
    def work() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return work


def measure(pairs: int) -> list[Ratio]:
    """Whole processes, warm disk."""
    nothing = _run("-c", "pass")
    found = []
    for what, other, base in (
        ("start: kwinnow --help ÷ python -c pass", _run("-m", "tui.cli", "--help"), nothing),
        ("first paint: kwinnow's console ÷ an empty Textual app", _run("-c", CONSOLE), _run("-c", EMPTY)),
    ):
        other()
        base()
        found.append(side_by_side(what, base, other, pairs))
    return found
