"""The log screen: fed by a stream as from a cluster; what it says of gaps, losses and ends; its keys."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from consolekit import console, judged, screen_text, until
from textual.pilot import Pilot

from checks.workload.edits import new_pod, waits_for_init
from targets.errors import PermissionDenied
from targets.pod_logs import LogChoice, Row
from targets.stream import Feed, Stream
from tui.app import KwinnowApp
from tui.panes.log_pane import LogPane
from tui.screens.logs import LogsScreen
from tui.screens.overlays import ChooseScreen

END: list[Row] = []


class Source:
    """Rows that a test hands over."""

    def __init__(self) -> None:
        self.given: queue.SimpleQueue[list[Row] | PermissionDenied] = queue.SimpleQueue()
        self.stopped = False

    def batches(self) -> Iterator[list[Row]]:
        while True:
            batch = self.given.get()
            if isinstance(batch, PermissionDenied):
                raise batch
            if batch is END:
                return
            yield batch

    def stop(self) -> None:
        self.stopped = True
        self.given.put(END)


class Opened:
    """The streams that a screen opened, with what it asked for."""

    def __init__(self, limit: int = 50_000) -> None:
        self.choices: list[LogChoice] = []
        self.sources: list[Source] = []
        self.feeds: list[Feed[Row]] = []
        self.limit = limit

    def start(self, choice: LogChoice) -> Stream[Row]:
        source, feed = Source(), Feed[Row](self.limit)
        self.choices.append(choice)
        self.sources.append(source)
        self.feeds.append(feed)
        return Stream(source, feed).start()

    def say(self, *texts: str, kind: str = "line") -> None:
        rows = [Row("2026-03-04T05:06:07.1Z", text, kind) for text in texts]  # type: ignore[arg-type]
        self.sources[-1].given.put(rows)


def with_log(
    test: Callable[[KwinnowApp, Pilot[None], LogsScreen, Opened], Awaitable[None]],
    size: tuple[int, int] = (100, 24),
    limit: int = 50_000,
) -> None:
    async def run() -> None:
        app = console()
        opened = Opened(limit)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            screen = LogsScreen(LogChoice("shop", "web-1", "web"), opened.start, "win-1")
            await app.push_screen(screen)
            await pilot.pause()
            await test(app, pilot, screen, opened)
            if isinstance(app.screen, LogsScreen):
                await pilot.press("escape", "escape")
            await until(pilot, lambda: opened.sources[-1].stopped)

    asyncio.run(run())


def test_lines_come_notices_are_marked_and_the_end_is_told() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say("hello", "\x1b[2J[bold]not markup[/bold]")
        opened.say("The log stream ended. Waiting for more.", kind="notice")
        await until(pilot, lambda: "Waiting for more" in screen_text(app))
        assert "[bold]not markup[/bold]" in screen_text(app) and "▼ following" in screen_text(app)
        opened.sources[-1].given.put(
            PermissionDenied("Reading logs is not allowed.", "Ask for get on pods/log.")
        )
        await until(pilot, lambda: "■ ended" in screen_text(app))
        assert "Ask for get on pods/log." in screen_text(app)

    with_log(test)


def test_scrolling_up_stands_still_and_counts_what_comes() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say(*(f"line {i}" for i in range(300)))
        await until(pilot, lambda: "line 299" in screen_text(app))
        await pilot.press("k", "k")
        await until(pilot, lambda: "standing still" in screen_text(app))
        opened.say(*(f"line {i}" for i in range(300, 342)))
        await until(pilot, lambda: "↓ 42 new below" in screen_text(app))
        assert "line 341" not in screen_text(app)
        await pilot.press("G")
        await until(pilot, lambda: "line 341" in screen_text(app) and "following" in screen_text(app))

    with_log(test)


def test_what_came_too_fast_is_counted_on_screen() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.feeds[-1].put([Row("", f"x {i}") for i in range(25)])  # more than it holds, between two ticks
        await until(pilot, lambda: "⚠ 15 lost" in screen_text(app))
        assert "x 24" in screen_text(app)

    with_log(test, limit=10)


def test_filter_search_wrap_and_times() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say(*(f"{'odd' if i % 2 else 'even'} {i}" for i in range(200)), "ω" * 150)
        await until(pilot, lambda: "ωωω" in screen_text(app))
        await pilot.press("slash", *"odd", "enter")
        await until(pilot, lambda: "odd 199" in screen_text(app) and "even 198" not in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "even 198" in screen_text(app))
        await pilot.press("f", *"even 42", "enter")
        await until(pilot, lambda: "even 42" in screen_text(app) and "standing still" in screen_text(app))
        await pilot.press("escape", "G", "w", "t")
        await until(pilot, lambda: "times UTC  wrap" in screen_text(app))
        assert "03-04 05:06:07.100" in screen_text(app)
        assert screen_text(app).count("ω") == 150, "no letter lies beneath the scroll bar"
        assert app.screen.query_one(LogPane).max_scroll_x == 0

    with_log(test)


def test_a_window_without_lines_says_so() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say("old", "older")
        await until(pilot, lambda: "2 lines, last 500 lines" in screen_text(app))
        await pilot.press("2", "y")
        await until(pilot, lambda: "There is no line to copy" in screen_text(app))
        assert "no line yet: last minute" in screen_text(app)
        opened.say("new")
        await until(pilot, lambda: "1 line, last minute" in screen_text(app))

    with_log(test)


def test_going_on_without_a_search_asks_for_one_in_sight() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say(*(f"GET {i}" for i in range(100)))
        await until(pilot, lambda: "GET 99" in screen_text(app))
        await pilot.press("g", "slash", *"GET", "enter", "n")
        await until(pilot, lambda: "find go to lines that contain" in screen_text(app))
        await pilot.press(*"get 4")
        await until(pilot, lambda: "find get 4" in screen_text(app).splitlines()[-3])
        assert "filter / GET" in screen_text(app).splitlines()[-2], "each in a line of its own"
        await pilot.press("enter", "n")
        await until(pilot, lambda: "find get 4" in screen_text(app).splitlines()[1])
        assert app.focused is screen.pane
        await pilot.press("escape", "N", "escape", "G")
        await until(pilot, lambda: "following" in screen_text(app))
        assert "find" not in screen_text(app), "Esc ends the search, and keys are for the log again"

    with_log(test)


def test_windows_and_the_log_before_the_restart_are_asked_anew() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        for key, tail, since in (("1", None, None), ("3", None, 300), ("6", None, 3600), ("0", 500, None)):
            await pilot.press(key)
            assert (opened.choices[-1].tail, opened.choices[-1].since) == (tail, since)
        await pilot.press("p")
        assert opened.choices[-1].previous
        assert all(s.stopped for s in opened.sources[:-1]), "one stream at a time"

    with_log(test)


def test_what_is_shown_is_saved_and_copied(state: Path) -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say("keep this", "not that")
        await until(pilot, lambda: "not that" in screen_text(app))
        await pilot.press("slash", *"keep", "enter", "s")
        (file,) = (state / "logs").iterdir()
        assert file.read_text("utf-8") == "2026-03-04T05:06:07.1Z keep this\n"
        assert file.stat().st_mode & 0o077 == 0
        await pilot.press("y")
        assert app.clipboard == "2026-03-04T05:06:07.1Z keep this\n"
        await until(pilot, lambda: "Copied 1 line by OSC 52" in screen_text(app))

    with_log(test)


def test_marks_lead_back() -> None:
    async def test(app: KwinnowApp, pilot: Pilot[None], screen: LogsScreen, opened: Opened) -> None:
        opened.say(*(f"line {i:03}" for i in range(400)))
        await until(pilot, lambda: "line 399" in screen_text(app))
        await pilot.press("g", "m", "G", "apostrophe")
        await until(pilot, lambda: "● line 000" in screen_text(app))

    with_log(test)


def test_the_containers_of_a_node_are_offered() -> None:
    async def run() -> None:
        app = console(new_pod("late"), waits_for_init("late", "hub.corp.example/wait:1", "ErrImagePull"))
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await pilot.press("j", "j", "l")
            await until(pilot, lambda: isinstance(app.screen, ChooseScreen))
            await pilot.pause()
            text = screen_text(app)
            assert "Logs: pods on win-1" in text and "shop/win-web" in text and "✔ running" in text
            assert "✖ ErrImagePull" in text, "an init container has a state as well"
            assert "coredns" not in text, "pods of other nodes are left out"

    asyncio.run(run())
