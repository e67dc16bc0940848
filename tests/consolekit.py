"""Consoles on the recorded examples: healthy, made ill by edits, or with sources that a test holds the thread of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.pilot import Pilot

from checks.cases import FLANNEL_2022, Case, Change, drafted
from facts.examples import path_of
from facts.session import Session
from targets.recording import Recording
from tui.app import KwinnowApp
from tui.opening import Opened, Options

SIZES = [(120, 40), (80, 24)]
HEADER = Recording(path_of(FLANNEL_2022)).header
CONTEXT, SERVER = HEADER.context, HEADER.server


def session_with(*changes: Change, stack: str = FLANNEL_2022) -> Session:
    """The stack's example with these edits made; everything is answered already."""
    return drafted(Case("console", stack, changes)).session


def console(*changes: Change, stack: str = FLANNEL_2022, session: Session | None = None) -> KwinnowApp:
    """A console whose investigation opens on that session, as it would on a live cluster."""
    made = session or session_with(*changes, stack=stack)

    def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
        return Opened(made, options)

    return KwinnowApp(Options(), opening)


async def until(pilot: Pilot[None], holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the console work until `holds`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"still not so: {screen_text(pilot.app)}"
        await pilot.pause(0.02)


def until_holds(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Let other threads work until `holds`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "still not so"
        threading.Event().wait(0.002)


async def judged(pilot: Pilot[None], app: KwinnowApp) -> None:
    """Wait for the final report, and until it is painted."""
    await until(pilot, lambda: app.work is not None and app.work.report is not None and not app.work.running)
    await until(pilot, lambda: app.work is not None and app.work.news.empty() and not app._stale)
    await pilot.pause()


def screen_text(app: object) -> str:
    """What is on screen, as text."""
    strips = app.screen._compositor.render_strips()  # type: ignore[attr-defined]
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
