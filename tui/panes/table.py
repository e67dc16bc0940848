"""A table over plain data: rows are told apart by key, only what is on screen is rendered, the cursor keeps its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.look import word

GAP = 2


@dataclass(frozen=True)
class Column:
    """`width` cells, or as wide as its content needs (0); `share` of what is left; gone below `least` cells of pane."""

    title: str
    width: int = 0
    share: int = 0
    least: int = 0
    most: int = 60


@dataclass(frozen=True)
class Row:
    """`cells` in the order of the columns. A `heading` row is passed over by the cursor; only its first cell counts."""

    key: str
    cells: tuple[Text, ...]
    heading: bool = False


class Table(ScrollView, can_focus=True):
    """Rows, a cursor, and a filter's worth of nothing else. A click moves the cursor, a double click chooses."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--head", "table--cursor", "table--heading"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Up", show=False),
        Binding("down", "step(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or that row has changed."""

    class Chosen(Message):
        """The row under the cursor was chosen by mouse."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.empty = empty
        self.rows: tuple[Row, ...] = ()
        self.cursor = ""  # the key of its row
        self._at: dict[str, int] = {}
        self._needed: list[int] = []

    # ---- data ----------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Row]) -> None:
        """Take these rows. The cursor stays on its key, or goes to the row that took its place."""
        new = tuple(rows)
        if new == self.rows:
            return
        before = self._at.get(self.cursor, 0)
        self.rows = new
        self._at = {row.key: i for i, row in enumerate(new)}
        self._needed = [
            max((cell_len(r.cells[c].plain) for r in new if not r.heading and c < len(r.cells)), default=0)
            for c in range(len(self.columns))
        ]
        self.virtual_size = Size(self.size.width or 1, len(new) + 1)
        if self.cursor not in self._at:
            self._go(min(before, len(new) - 1), 1)
        self.post_message(self.Moved())
        self.refresh()

    @property
    def index(self) -> int:
        """Where the cursor is; -1 without rows."""
        return self._at.get(self.cursor, -1)

    def _go(self, index: int, direction: int) -> None:
        """Put the cursor on the first row from `index` on, in `direction`, that can hold it (else the other way)."""
        for step in (direction, -direction):
            at = index
            while 0 <= at < len(self.rows):
                if not self.rows[at].heading:
                    self.cursor = self.rows[at].key
                    return
                at += step
        self.cursor = ""

    def _move(self, index: int, direction: int) -> None:
        before = self.cursor
        self._go(max(0, min(index, len(self.rows) - 1)), direction)
        if self.index >= 0:
            self._reveal(self.index)
        if self.cursor != before:
            self.post_message(self.Moved())
        self.refresh()

    def _reveal(self, index: int) -> None:
        """The head line covers the first line of the pane, so a row must stand below it."""
        top, room = round(self.scroll_y), self.size.height - 1
        if index < top or index <= 1:  # a heading above the first row comes into view with it
            self._scroll(index if index > 1 else 0)
        elif index >= top + room:
            self._scroll(index - room + 1)

    def _scroll(self, y: int) -> None:
        # Forced, because textual ignores it while the scrollbar is not on screen yet.
        self.scroll_to(y=y, animate=False, immediate=True, force=True)

    def put(self, key: str) -> None:
        """Put the cursor on the row with this key, if there is one."""
        if key in self._at:
            self._move(self._at[key], 1)

    def action_step(self, by: int) -> None:
        self._move(self.index + by, by)

    def action_page(self, by: int) -> None:
        self._move(self.index + by * max(1, self.size.height - 2), by)

    def action_edge(self, by: int) -> None:
        self._move(0 if by < 0 else len(self.rows) - 1, -by)

    def move(self, where: str) -> None:
        """down, up, top or bottom."""
        {
            "down": self.action_step,
            "up": self.action_step,
            "top": self.action_edge,
            "bottom": self.action_edge,
        }[where](1 if where in ("down", "bottom") else -1)

    # ---- mouse ---------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        line = event.y + round(self.scroll_y) - 1
        if event.y == 0 or not 0 <= line < len(self.rows) or self.rows[line].heading:
            return
        self._move(line, 1)
        if (
            event.chain % 2 == 0
        ):  # not for a click on the current row too: a double click would choose it twice
            self.post_message(self.Chosen())

    # ---- painting ------------------------------------------------------------------------------------------

    def widths(self, room: int) -> list[int]:
        """Cells for each column in `room` cells; 0 for one that is left out."""
        widths: list[int] = []
        for column, needed in zip(self.columns, self._needed or [0] * len(self.columns), strict=True):
            if room < column.least:
                widths.append(0)
            else:
                fits = max(needed, cell_len(column.title))
                widths.append(column.width or min(column.most, fits, max(8, room * 35 // 100)))
        shares = [c.share if w else 0 for c, w in zip(self.columns, widths, strict=True)]
        if sum(shares):
            fixed = sum(w + GAP for w, s in zip(widths, shares, strict=True) if w and not s)
            left = max(0, room - fixed - GAP * sum(1 for s in shares if s))
            widths = [left * s // sum(shares) if s else w for w, s in zip(widths, shares, strict=True)]
        return widths

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        if self.index >= 0:  # where there was no room yet, or there is less of it now
            self.call_after_refresh(lambda: self._reveal(self.index))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            style = self.get_component_rich_style("table--head")
            return self._line([Text(c.title) for c in self.columns], style, width)
        index = y + round(self.scroll_y) - 1
        base = self.rich_style
        if index >= len(self.rows):
            if not self.rows and y == 2 and self.empty:
                return self._line_of(word(f"  {self.empty}", "dim"), base, width)
            return Strip.blank(width, base)
        row = self.rows[index]
        if row.heading:
            return self._line_of(row.cells[0], self.get_component_rich_style("table--heading"), width)
        if row.key == self.cursor:
            base = self.get_component_rich_style("table--cursor")
        return self._line(row.cells, base, width)

    def _line_of(self, text: Text, base: Style, width: int) -> Strip:
        segments = [Segment(" ", base), *self._segments(text, width - 1, base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _line(self, cells: Sequence[Text], base: Style, width: int) -> Strip:
        segments = [Segment(" ", base)]
        for text, cells_wide in zip(cells, self.widths(width - 1), strict=False):
            if cells_wide:
                segments += [*self._segments(text, cells_wide, base), Segment(" " * GAP, base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _segments(self, text: Text, width: int, base: Style) -> list[Segment]:
        shown = Text().append_text(text)  # a base style would be lost where there are no spans
        shown.truncate(max(0, width), overflow="ellipsis", pad=True)
        shown.end = ""
        return [
            Segment(s.text, base + (s.style or Style())) for s in shown.render(self.app.console) if s.text
        ]
