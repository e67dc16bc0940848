"""What lies over a screen: a page to read, a list to choose from, a password to type."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.commands import CHOOSE, READER, bindings
from tui.panes.hanging import Hanging
from tui.panes.keys import Keys
from tui.panes.table import Column, Row, Table


class ReaderScreen(ModalScreen[None]):
    """Some text, to scroll and to copy. `shown` is how it is laid out, where that is not the text itself."""

    NAME = READER
    BINDINGS = bindings(READER)

    def __init__(self, title: str, text: Text, copied: str = "", shown: Hanging | None = None) -> None:
        super().__init__(classes="overlay")
        self.heading, self.text, self.copied, self.shown = title, text, copied, shown

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="tall") as box:
            box.border_title = Text(self.heading)
            with VerticalScroll():
                yield Static(self.text if self.shown is None else self.shown)
        yield Keys(self.NAME)

    def action_close(self) -> None:
        self.dismiss()

    def action_copy(self) -> None:
        from tui.app import KwinnowApp

        assert isinstance(self.app, KwinnowApp)
        self.app.copy_text(self.copied or self.text.plain, self.heading)

    def action_move(self, where: str) -> None:
        scroll = self.query_one(VerticalScroll)
        if where in ("top", "bottom"):
            scroll.scroll_to(y=0 if where == "top" else scroll.max_scroll_y, animate=False)
        else:
            scroll.scroll_relative(y=1 if where == "down" else -1, animate=False)


class ChooseScreen(ModalScreen[str]):
    """Pick one row; the result is its key. `act` is told when one was picked."""

    NAME = CHOOSE
    BINDINGS = bindings(CHOOSE)

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Row],
        act: Callable[[str], None],
        hint: str = "",
        at: str = "",
    ) -> None:
        super().__init__(classes="overlay")
        self.heading, self.columns, self.listed, self.act, self.hint = title, columns, rows, act, hint
        self.at = at  # the row that the cursor stands on at first

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Text(self.heading)
            yield Table(self.columns, empty="There are none.")
            yield Static(Text(self.hint), id="hint")
        yield Keys(self.NAME)

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.show(self.listed)
        if self.at:
            table.put(self.at)
        table.styles.height = min(20, len(self.listed) + 3)
        table.focus()

    def action_choose(self) -> None:
        key = self.query_one(Table).cursor
        if key:
            self.dismiss(key)
            self.act(key)

    def on_table_chosen(self) -> None:
        self.action_choose()

    def action_close(self) -> None:
        self.dismiss()

    def action_move(self, where: str) -> None:
        self.query_one(Table).move(where)


class PasswordScreen(ModalScreen[None]):
    """Asks for a password that a thread waits for. Esc gives none."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "close", "No password")]

    def __init__(self, user: str, reply: queue.SimpleQueue[str]) -> None:
        super().__init__(classes="overlay")
        self.user, self.reply = user, reply

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(f"Password of {self.user}, for the way into the Windows nodes"))
            yield Input(password=True)
            yield Static(Text("Enter takes it, Esc goes on without. It is kept in memory only."), id="hint")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.reply.put(event.value)
        self.dismiss()

    def action_close(self) -> None:
        self.reply.put("")
        self.dismiss()
