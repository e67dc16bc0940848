"""The table: cursor by key, headings passed over, columns that fit, the mouse."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import App, ComposeResult

from tui.panes.table import Column, Row, Table

COLUMNS = (Column("Name", most=20), Column("Wide only", width=10, least=60), Column("Rest", share=1))


def rows(*names: str) -> list[Row]:
    return [Row(n, (Text(n), Text("w"), Text(f"about {n}")), heading=n.startswith("#")) for n in names]


class Shown(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.chosen = 0

    def compose(self) -> ComposeResult:
        yield Table(COLUMNS, empty="nothing here")

    def on_table_chosen(self) -> None:
        self.chosen += 1


def text_of(table: Table, y: int) -> str:
    return "".join(segment.text for segment in table.render_line(y)).rstrip()


def test_the_cursor_stays_with_its_row_when_others_come_and_go() -> None:
    async def run() -> None:
        app = Shown()
        async with app.run_test(size=(80, 10)) as pilot:
            table = app.query_one(Table)
            table.show(rows("a", "b", "c"))
            table.focus()
            await pilot.press("down")
            assert table.cursor == "b"
            table.show(rows("0", "a", "b", "c"))
            assert (table.cursor, table.index) == ("b", 2)
            table.show(rows("0", "a", "c"))
            assert table.cursor == "c", "the row that took its place"
            table.show([])
            assert table.cursor == "" and "nothing here" in text_of(table, 2)

    asyncio.run(run())


def test_headings_are_passed_over() -> None:
    async def run() -> None:
        app = Shown()
        async with app.run_test(size=(80, 10)) as pilot:
            table = app.query_one(Table)
            table.show(rows("#one", "a", "#two", "b", "#three"))
            table.focus()
            assert table.cursor == "a"
            await pilot.press("down")
            assert table.cursor == "b"
            await pilot.press("down", "down")
            assert table.cursor == "b"
            await pilot.press("home")
            assert table.cursor == "a"

    asyncio.run(run())


def test_the_row_under_the_cursor_is_always_on_screen() -> None:
    async def run() -> None:
        app = Shown()
        async with app.run_test(size=(40, 6)) as pilot:
            table = app.query_one(Table)
            table.show(rows(*(f"row {i:03}" for i in range(200))))
            table.focus()
            await pilot.press("end")
            assert "row 199" in text_of(table, 5)
            await pilot.press("pageup", "pageup", "up")
            shown = [text_of(table, y) for y in range(1, 6)]
            assert any(table.cursor in line for line in shown), (table.cursor, shown)
            assert text_of(table, 0).startswith(" Name"), "the head line never scrolls away"

    asyncio.run(run())


def test_columns_give_way_to_a_narrow_pane() -> None:
    async def run() -> None:
        for width, wide in ((100, True), (40, False)):
            app = Shown()
            async with app.run_test(size=(width, 6)):
                table = app.query_one(Table)
                table.show(rows("a"))
                assert ("Wide only" in text_of(table, 0)) is wide
                assert "about a" in text_of(table, 1)

    asyncio.run(run())


def test_a_click_moves_and_a_double_click_chooses() -> None:
    async def run() -> None:
        app = Shown()
        async with app.run_test(size=(80, 10)) as pilot:
            table = app.query_one(Table)
            table.show(rows("a", "b", "c"))
            await pilot.click(Table, offset=(3, 3))
            assert (table.cursor, app.chosen) == ("c", 0)
            await pilot.double_click(Table, offset=(3, 3))
            await pilot.pause()
            assert app.chosen == 1, "once, although the first of the two clicks is on the current row"

    asyncio.run(run())


def test_text_is_never_taken_for_markup() -> None:
    async def run() -> None:
        app = Shown()
        async with app.run_test(size=(80, 10)):
            table = app.query_one(Table)
            table.show([Row("x", (Text("[bold]x[/bold]"), Text(), Text("[@click=app.quit]y[/]")))])
            assert "[bold]x[/bold]" in text_of(table, 1) and "[@click=app.quit]y[/]" in text_of(table, 1)

    asyncio.run(run())
