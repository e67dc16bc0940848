"""A log that keeps coming: follows the end, stands still when the reader scrolls up, keeps the place.

An own ScrollView, because textual's RichLog renders each line when it comes and stutters above 1,000 lines a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tui.panes.log_lines import LIMIT, Line, LogLines, Piece

TIMES = ("none", "UTC", "local")
STAMP = 19  # cells of "11-25 03:21:05.123 "
GUTTER = 2
# klog's E0101, logfmt's level=error, JSON's "level":"error", plain words in capitals
_ERROR = re.compile(r'^[EF]\d{4} |level"?[=:]"?(error|fatal|panic)|\b(ERROR|FATAL|PANIC|panic:)')
_WARN = re.compile(r'^W\d{4} |level"?[=:]"?warn|\bWARN(ING)?\b')


class LogPane(ScrollView, can_focus=True):
    """Rows of a log. `follow` says whether the end is followed, `unseen` how many rows came below the screen."""

    DEFAULT_CSS = (
        "LogPane { overflow: scroll scroll; }"  # with auto, the end is not reached before the bar shows
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--error",
        "log--warn",
        "log--notice",
        "log--time",
        "log--hit",
    }

    class Changed(Message):
        """What the status line says may have changed."""

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.log_lines = LogLines(limit)
        self.follow = True
        self.unseen = 0
        self.wrapped = False
        self.times = 0  # index into TIMES
        self.word = ""  # searched for
        self._own_move = False

    # ---- data ----------------------------------------------------------------------------------------------

    def feed(self, batch: Sequence[Line]) -> None:
        """Append lines; the reader's place stays where it is, or the end is followed."""
        came, went = self.log_lines.add(batch)
        if went and not self.follow:
            self._place(y=max(0, round(self.scroll_y) - went))
        self._measure()
        if self.follow:
            self._end()
        else:
            self.unseen += came
        self.post_message(self.Changed())
        self.refresh()

    def clear(self) -> None:
        """Another log begins."""
        lines = self.log_lines
        self.log_lines = LogLines(lines.limit, lines.needle, lines.width)
        self.follow, self.unseen = True, 0
        self._measure()
        self._end()
        self.refresh()

    @property
    def _room(self) -> int:
        """Cells of a row that are painted: without the scroll bar, which `size` counts too."""
        return self.scrollable_content_region.width

    def _measure(self) -> None:
        width = self._room if self.wrapped else self.log_lines.widest + GUTTER + self._stamp_width
        self.virtual_size = Size(max(width, 1), max(len(self.log_lines.pieces), 1))

    def _place(self, *, y: float) -> None:
        """Move without taking it for the reader's wish."""
        self._own_move = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._own_move = False

    def _end(self) -> None:
        self._place(y=self.max_scroll_y)
        self.unseen = 0

    @property
    def _stamp_width(self) -> int:
        return STAMP if self.times else 0

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling up stops the following, coming back to the end takes it up again."""
        super().watch_scroll_y(old_value, new_value)
        if self._own_move:
            return
        self.follow = round(new_value) >= self.max_scroll_y
        if self.follow:
            self.unseen = 0
        self.post_message(self.Changed())

    def on_resize(self) -> None:
        self._shape()

    # ---- what the reader wants -----------------------------------------------------------------------------

    def set_follow(self, wish: bool) -> None:
        self.follow = wish
        if wish:
            self._end()
        self.post_message(self.Changed())

    def set_wrapped(self, wish: bool) -> None:
        self.wrapped = wish
        self._shape()

    def set_times(self, times: int) -> None:
        self.times = times % len(TIMES)
        self._shape()

    def narrow(self, needle: str) -> None:
        """Show only lines that contain `needle` (! before it: that do not)."""
        with_place = self._top_number()
        self.log_lines.narrow(needle)
        self._settle(with_place)

    def _shape(self) -> None:
        top = self._top_number()
        room = self._room - GUTTER - self._stamp_width
        self.log_lines.wrap(max(room, 10) if self.wrapped else 0)
        self._settle(top)

    def _settle(self, top: int) -> None:
        """After the pieces were cut anew: the same line at the top, or the end."""
        self._measure()
        if self.follow:
            self._end()
        else:
            self._place(y=min(self.log_lines.index_of(top), self.max_scroll_y))
        self.post_message(self.Changed())
        self.refresh()

    def _top_number(self) -> int:
        pieces, at = self.log_lines.pieces, round(self.scroll_y)
        return pieces[at].number if at < len(pieces) else 0

    def find(self, word: str, by: int) -> bool:
        """Go to the next line with `word`; False if there is none."""
        self.word = word
        self.refresh()
        start = round(self.scroll_y) - (1 if by > 0 and word and not self._shown_hit() else 0)
        at = self.log_lines.hit(word, start, by) if word else None
        if at is None:
            return not word
        self._go(at)
        return True

    def _shown_hit(self) -> bool:
        top = self._top_number()
        lines = self.log_lines
        return bool(lines.lines) and self.word.lower() in lines.line(max(top, lines.first)).text.lower()

    def _go(self, at: int) -> None:
        self.follow = False
        self._place(y=min(at, self.max_scroll_y))
        self.follow = round(self.scroll_y) >= self.max_scroll_y and at >= self.max_scroll_y
        self.post_message(self.Changed())

    def mark(self) -> bool:
        """Mark the line at the top, or take its mark away; says which."""
        marks, top = self.log_lines.marks, self._top_number()
        marks ^= {top}
        self.refresh()
        return top in marks

    def next_mark(self) -> bool:
        at = self.log_lines.next_mark(round(self.scroll_y))
        if at is not None:
            self._go(at)
        return at is not None

    # ---- painting ------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        across, down = round(self.scroll_x), round(self.scroll_y)
        width, base = self.size.width, self.rich_style
        if down + y >= len(self.log_lines.pieces):
            return Strip.blank(width, base)
        index = down + y
        segments = self._segments(self.log_lines.pieces[index], base)
        selection = self.text_selection
        span = selection.get_span(index) if selection is not None else None
        if span is not None:
            segments = self._selected(segments, span)
        strip = Strip(segments)
        return strip.crop_extend(across, across + width, base).apply_offsets(across, index)

    def _segments(self, piece: Piece, base: Style) -> list[Segment]:
        line = self.log_lines.line(piece.number)
        style = base + self._style(line)
        text = line.text[piece.start : piece.end]
        mark = "●" if piece.number in self.log_lines.marks and piece.start == 0 else " "
        segments = [Segment(f"{mark} ", base)]
        if self.times:
            stamp = _stamp(line.time, self.times) if piece.start == 0 else ""
            segments.append(
                Segment(f"{stamp:{STAMP}}", base + self.get_component_rich_style("log--time", partial=True))
            )
        if not self.word:
            return [*segments, Segment(text, style)]
        hit = style + self.get_component_rich_style("log--hit", partial=True)
        at = 0
        for found in re.finditer(re.escape(self.word), text, re.IGNORECASE):
            segments += [Segment(text[at : found.start()], style), Segment(found.group(), hit)]
            at = found.end()
        return [*segments, Segment(text[at:], style)]

    def _style(self, line: Line) -> Style:
        if line.notice:
            return self.get_component_rich_style("log--notice", partial=True)
        if _ERROR.search(line.text):
            return self.get_component_rich_style("log--error", partial=True)
        if _WARN.search(line.text):
            return self.get_component_rich_style("log--warn", partial=True)
        return Style()

    def _selected(self, segments: list[Segment], span: tuple[int, int]) -> list[Segment]:
        start, end = span
        ink = self.screen.get_component_rich_style("screen--selection")
        shown: list[Segment] = []
        at = 0
        for segment in segments:
            text, style = segment.text, segment.style or Style()
            a = min(max(start - at, 0), len(text))
            b = len(text) if end == -1 else min(max(end - at, a), len(text))
            shown += [Segment(text[:a], style), Segment(text[a:b], style + ink), Segment(text[b:], style)]
            at += len(text)
        return shown

    # ---- selecting -----------------------------------------------------------------------------------------

    @property
    def allow_select(self) -> bool:
        return True

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under the selection; a wrapped line comes back as one."""
        pieces = self.log_lines.pieces
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else len(pieces) - 1
        parts: list[str] = []
        for index in range(max(first, 0), min(last + 1, len(pieces))):
            row = "".join(s.text for s in self._segments(pieces[index], Style()))
            start, end = selection.get_span(index) or (0, 0)
            lead = (
                GUTTER
                if index == first
                else GUTTER
                if pieces[index].start == 0
                else GUTTER + self._stamp_width
            )
            parts.append(row[max(start, lead) : None if end == -1 else end])
            if index < last and index + 1 < len(pieces) and pieces[index + 1].start == 0:
                parts.append("\n")
        return "".join(parts), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


def _stamp(time: str, kind: int) -> str:
    """RFC 3339 as a short stamp, in UTC or in the time of this machine; as it is if it is none."""
    try:
        moment = datetime.fromisoformat(_microseconds(time))
    except ValueError:
        return time[: STAMP - 1]
    moment = moment.astimezone() if TIMES[kind] == "local" else moment.astimezone(UTC)
    return f"{moment:%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"


def _microseconds(time: str) -> str:
    """Runtimes write nanoseconds; Python reads microseconds."""
    return re.sub(r"(\.\d{6})\d+", r"\1", time)
