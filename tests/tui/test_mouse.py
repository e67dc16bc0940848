"""The mouse: a click chooses a row, a double click opens it, the wheel scrolls lists and logs, hints are buttons."""

from __future__ import annotations

import asyncio

import pytest
from consolekit import SIZES, console, judged, screen_text, until
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot
from textual.widget import Widget

from checks.edits import not_ready, service
from targets.pod_logs import LogChoice, Row
from targets.stream import Stream
from tui.panes.log_pane import LogPane
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen
from tui.screens.logs import LogsScreen
from tui.screens.overlays import ReaderScreen
from tui.screens.why import WhyScreen

ILL = (service("containerd", state="Stopped", pid=0, node="win-1"), not_ready("container runtime is down"))


async def wheel(pilot: Pilot[None], widget: Widget, event: type[MouseScrollDown | MouseScrollUp]) -> None:
    """One notch of the wheel over the middle of a widget."""
    x, y = widget.region.width // 2, widget.region.height // 2
    made = event(widget, x, y, 0, 0, 0, False, False, False, widget.region.x + x, widget.region.y + y)
    pilot.app.screen._forward_event(made)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_clicks_choose_open_and_press_hints(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            table = app.screen.query_one(Table)
            at = [r.key for r in table.rows].index("win-1")
            await pilot.click(Table, offset=(3, at + 1))
            assert table.cursor == "win-1"
            last = screen_text(app).splitlines()[-1]
            await pilot.click("Keys", offset=(last.index("f Findings") + 3, 0))
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            await pilot.pause()
            table = app.screen.query_one(Table)
            cause = next(
                i for i, r in enumerate(table.rows) if r.key.startswith("runtime.containerd.stopped")
            )
            before = len(table.rows)
            await pilot.double_click(Table, offset=(10, cause + 1))
            await until(pilot, lambda: len(table.rows) > before)
            await pilot.double_click(Table, offset=(10, cause + 2))
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))

    asyncio.run(run())


def test_the_wheel_scrolls_a_list() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await app.push_screen(WhyScreen("win-2"))
            await pilot.pause()
            table = app.screen.query_one(Table)
            cursor = table.cursor
            await wheel(pilot, table, MouseScrollDown)
            await until(pilot, lambda: table.scroll_y > 0)
            assert table.cursor == cursor, "looking is not choosing"
            await wheel(pilot, table, MouseScrollUp)
            await until(pilot, lambda: table.scroll_y == 0)

    asyncio.run(run())


class Many:
    """A log that has been."""

    def batches(self) -> list[list[Row]]:
        return [[Row("", f"line {i}") for i in range(500)]]

    def stop(self) -> None:
        """Nothing runs."""


def test_the_wheel_leaves_the_end_of_a_log_and_it_stands_still() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await app.push_screen(
                LogsScreen(LogChoice("shop", "web", "web"), lambda _: Stream(Many()).start())  # type: ignore[arg-type]
            )
            await until(pilot, lambda: "line 499" in screen_text(app))
            await wheel(pilot, app.screen.query_one(LogPane), MouseScrollUp)
            await until(pilot, lambda: "line 499" not in screen_text(app))
            assert app.screen.query_one(LogPane).follow is False

    asyncio.run(run())
