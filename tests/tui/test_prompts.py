"""What is typed into is seen, and what is said in passing hides neither rows nor what is typed into."""

from __future__ import annotations

import asyncio

import pytest
from consolekit import SIZES, console, judged, screen_text, until
from textual.widgets._toast import Toast

from tui.panes.table import Table
from tui.screens.overlays import ReaderScreen


@pytest.mark.parametrize("size", SIZES)
def test_the_filter_is_seen_while_it_is_typed_and_while_it_is_kept(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            await pilot.press("slash", *"win")
            await until(pilot, lambda: "filter / win" in screen_text(app).splitlines()[-2])
            await pilot.press("enter")
            await pilot.pause()
            assert "filter / win" in screen_text(app).splitlines()[-2]
            assert "q Quit" in screen_text(app).splitlines()[-1]
            await pilot.press("escape")
            await until(pilot, lambda: "filter" not in screen_text(app).splitlines()[-2])

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_a_message_stands_above_the_keys_and_only_the_last_one(size: tuple[int, int]) -> None:
    long = (
        "Copied 12 lines by OSC 52 (the terminal must allow it); also in ~/.local/state/kwinnow/copied/x.md"
    )

    async def run() -> None:
        app = console()
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            before = screen_text(app).splitlines()
            app.notify("An earlier one.")
            app.notify(long, markup=False)
            await until(pilot, lambda: "x.md" in screen_text(app))
            lines = screen_text(app).splitlines()
            assert lines[:-3] == before[:-3] and lines[-1] == before[-1], "two lines at most, above the keys"
            assert "An earlier one." not in screen_text(app)
            await pilot.press("slash", *"win")
            await until(pilot, lambda: "filter / win" in screen_text(app))
            assert "x.md" in screen_text(app) and "filter / win" in screen_text(app).splitlines()[-2]
            await until(pilot, lambda: not app.screen.query(Toast), seconds=10)

    asyncio.run(run())


def test_a_message_leaves_the_heading_of_the_help_alone() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await judged(pilot, app)
            assert app.screen.query_one(Table).rows
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen) and "Help" in screen_text(app))
            before = screen_text(app).splitlines()
            await pilot.press("y")
            await until(pilot, lambda: "Copied" in screen_text(app))
            changed = [
                i
                for i, (a, b) in enumerate(zip(before, screen_text(app).splitlines(), strict=True))
                if a != b
            ]
            assert min(changed) > 12 and max(changed) == 22, "beneath the middle, above the keys"

    asyncio.run(run())
