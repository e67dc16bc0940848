"""The log pane: follows, stands still, keeps the place, selects; fed as a stream feeds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.panes.log_lines import Line
from tui.panes.log_pane import LogPane


class Shown(App[None]):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def compose(self) -> ComposeResult:
        yield LogPane(self.limit)


def with_pane(test: Callable[[LogPane, Pilot[None]], Awaitable[None]], limit: int = 1000) -> None:
    async def run() -> None:
        app = Shown(limit)
        async with app.run_test(size=(60, 12)) as pilot:
            pane = app.query_one(LogPane)
            pane.focus()
            await pilot.pause()
            await test(pane, pilot)

    asyncio.run(run())


def lines(start: int, end: int, text: str = "line") -> list[Line]:
    return [Line(f"2026-03-04T05:06:07.{i:09}Z", f"{text} {i}") for i in range(start, end)]


def row(pane: LogPane, y: int) -> str:
    return "".join(segment.text for segment in pane.render_line(y)).rstrip()


def last(pane: LogPane) -> str:
    return row(pane, pane.size.height - pane.scrollbar_size_horizontal - 1)


def test_it_follows_until_the_reader_scrolls_up_and_again_at_the_end() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed(lines(0, 500))
        await pilot.pause()
        assert pane.follow and "line 499" in "".join(row(pane, y) for y in range(pane.size.height))
        await pilot.press("up", "up", "up")
        await pilot.pause()
        assert not pane.follow
        top = row(pane, 0)
        pane.feed(lines(500, 620))
        await pilot.pause()
        assert (row(pane, 0), pane.unseen) == (top, 120)
        pane.set_follow(True)
        pane.feed(lines(620, 630))
        assert pane.follow and pane.unseen == 0
        assert any("line 629" in row(pane, y) for y in range(pane.size.height))

    with_pane(test)


def test_the_place_is_kept_while_old_lines_go() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed(lines(0, 1000))
        pane.scroll_to(y=500, animate=False, immediate=True)
        await pilot.pause()
        assert "line 500" in row(pane, 0) and not pane.follow
        for start in range(1000, 1300, 50):
            pane.feed(lines(start, start + 50))
        await pilot.pause()
        assert "line 500" in row(pane, 0)
        assert pane.log_lines.let_go == 300 and pane.unseen == 300

    with_pane(test)


def test_the_horizontal_place_is_kept_while_the_end_is_followed() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed(lines(0, 50, "x" * 300))
        await pilot.pause()
        pane.scroll_to(x=40, animate=False, immediate=True)
        await pilot.pause()
        assert pane.follow
        pane.feed(lines(50, 90, "x" * 300))
        await pilot.pause()
        assert round(pane.scroll_x) == 40 and pane.follow

    with_pane(test)


def test_the_filter_keeps_the_line_at_the_top() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed([Line("", f"{'odd' if i % 2 else 'even'} {i}") for i in range(400)])
        pane.scroll_to(y=201, animate=False, immediate=True)
        await pilot.pause()
        pane.narrow("odd")
        assert "odd 201" in row(pane, 0)
        pane.narrow("")
        assert "odd 201" in row(pane, 0)

    with_pane(test)


def test_wrapping_shows_all_of_a_line_and_fits_a_new_width() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed([Line("", "".join(chr(97 + i % 26) for i in range(130)))])
        pane.set_wrapped(True)
        await pilot.pause()
        joined = "".join(row(pane, y).strip() for y in range(5))
        assert joined.startswith("abcdefghij") and len(joined) == 130
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert len("".join(row(pane, y).strip() for y in range(6))) == 130

    with_pane(test)


def test_times_are_shown_in_utc_and_as_they_are_where_they_are_none() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed([Line("2026-03-04T07:06:07.123456789+02:00", "hello"), Line("not a time", "x")])
        pane.set_times(1)
        assert "03-04 05:06:07.123 hello" in row(pane, 0)
        assert "not a time" in row(pane, 1)
        pane.set_times(0)
        assert row(pane, 0).strip() == "hello"

    with_pane(test)


def test_find_goes_through_the_hits() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed([Line("", "needle" if i in (5, 50, 500) else f"hay {i}") for i in range(900)])
        pane.scroll_to(y=0, animate=False, immediate=True)
        await pilot.pause()
        seen = []
        for _ in range(4):
            assert pane.find("NEEDLE", 1)
            seen.append(round(pane.scroll_y))
        assert seen == [5, 50, 500, 5]
        assert not pane.find("absent", 1)

    with_pane(test)


def test_a_selection_is_copied_without_gutter_and_without_wraps() -> None:
    async def test(pane: LogPane, pilot: Pilot[None]) -> None:
        pane.feed([Line("", "first line"), Line("", "z" * 90), Line("", "third")])
        pane.set_wrapped(True)
        await pilot.pause()
        await pilot.mouse_down(pane, offset=(2, 0))
        await pilot.hover(pane, offset=(7, 3))
        await pilot.mouse_up(pane, offset=(7, 3))
        await pilot.pause()
        assert pane.screen.get_selected_text() == f"first line\n{'z' * 90}\nthird"

    with_pane(test)
