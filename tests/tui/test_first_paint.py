"""What the console imports before it is on screen."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("kubernetes", "winrm", "requests", "urllib3", "spnego", "cryptography", "keyring", "yaml")

SCRIPT = """
import asyncio, json, sys
from tui.app import KwinnowApp
from tui.opening import Options

seen = []

class Watched(KwinnowApp):
    def _begin(self):  # called after the first paint
        seen.extend(sys.modules)

async def run():
    app = Watched(Options())
    async with app.run_test(size=(80, 24)) as pilot:
        while not seen:
            await pilot.pause()
        strips = app.screen._compositor.render_strips()
        text = "".join(s.text for strip in strips for s in strip)
    print(json.dumps({"modules": seen, "painted": "q Quit" in text and "kwinnow" in text}))

asyncio.run(run())
"""


def test_neither_kubernetes_nor_winrm_is_imported_before_the_first_paint() -> None:
    # tui.opening is imported for Options by the command line too: it must not pull the wires in.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["painted"]
    assert set(HEAVY).isdisjoint(m.partition(".")[0] for m in told["modules"])


def test_nothing_below_the_console_imports_textual() -> None:
    script = (
        "import sys, checks.check, facts.catalogue, playbooks.step, tui.investigation, tui.sides, tui.seen\n"
        "checks.check.load(); facts.catalogue.load(); playbooks.step.steps()\n"
        "print([m for m in sys.modules if m.partition('.')[0] == 'textual'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"
