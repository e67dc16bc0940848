"""The lines of a log as a pane needs them: a ring, a filter, wrapping. Pure: no widget, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from rich.cells import cell_len, chop_cells

from targets.clean import clean

LIMIT = 50_000
TAB = 8


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line, harmless to paint. `time` is RFC 3339 or empty; a notice is about the log, not of it."""

    time: str
    text: str
    notice: bool = False


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What one row of the pane shows: characters `start` to `end` of the line number `number`."""

    number: int
    start: int
    end: int


def harmless(text: str) -> str:
    """A line without control sequences, its tabs as spaces."""
    cleaned = clean(text).replace("\n", " ")
    return cleaned.expandtabs(TAB) if "\t" in cleaned else cleaned


def wanted(needle: str) -> Callable[[str], bool]:
    """The filter for `needle`: contains it, whatever the case; with a leading ! does not contain it."""
    negative = needle.startswith("!")
    word = needle[negative:].lower()
    if not word:
        return lambda _: True
    return lambda text: (word in text.lower()) is not negative


@dataclass
class LogLines:
    """A ring of `limit` lines, numbered from 0 for ever; `pieces` are what the pane shows of them."""

    limit: int = LIMIT
    needle: str = ""
    width: int = 0  # of a row when lines are wrapped, in cells; 0: not wrapped
    first: int = 0  # number of the oldest line that is kept
    lines: list[Line] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    widest: int = 0
    marks: set[int] = field(default_factory=set)

    @property
    def let_go(self) -> int:
        """Lines that the ring no longer holds."""
        return self.first

    def line(self, number: int) -> Line:
        return self.lines[number - self.first]

    def add(self, lines: Iterable[Line]) -> tuple[int, int]:
        """Append lines. Returns how many pieces came at the end, and how many went at the start."""
        batch = list(lines)
        number = self.first + len(self.lines)
        self.lines += batch
        keep = wanted(self.needle)
        before = len(self.pieces)
        for offset, line in enumerate(batch):
            if line.notice or keep(line.text):
                self._cut(number + offset, line.text)
        came = len(self.pieces) - before
        return came, self._let_go()

    def _let_go(self) -> int:
        over = len(self.lines) - self.limit
        if over <= 0:
            return 0
        del self.lines[:over]
        self.first += over
        self.marks = {m for m in self.marks if m >= self.first}
        gone = next((i for i, p in enumerate(self.pieces) if p.number >= self.first), len(self.pieces))
        del self.pieces[:gone]
        return gone

    def _cut(self, number: int, text: str) -> None:
        """Add the pieces of one line."""
        width = self.width
        if not width or (len(text) <= width and text.isascii()):
            self.pieces.append(Piece(number, 0, len(text)))
            self.widest = max(self.widest, len(text) if text.isascii() else cell_len(text))
            return
        if text.isascii():
            for start in range(0, len(text), width):
                self.pieces.append(Piece(number, start, min(start + width, len(text))))
            return
        start = 0
        for part in chop_cells(text, width) or [""]:
            self.pieces.append(Piece(number, start, start + len(part)))
            start += len(part)

    def narrow(self, needle: str) -> None:
        self.needle = needle
        self._again()

    def wrap(self, width: int) -> None:
        """Break lines at `width` cells; 0: let them run on."""
        if width != self.width:
            self.width = width
            self._again()

    def _again(self) -> None:
        self.pieces, self.widest = [], 0
        keep = wanted(self.needle)
        for offset, line in enumerate(self.lines):
            if line.notice or keep(line.text):
                self._cut(self.first + offset, line.text)

    def index_of(self, number: int) -> int:
        """The first piece of that line or of the next one that is shown."""
        low, high = 0, len(self.pieces)
        while low < high:
            middle = (low + high) // 2
            if self.pieces[middle].number < number:
                low = middle + 1
            else:
                high = middle
        return low

    def hit(self, word: str, index: int, by: int) -> int | None:
        """The next piece from `index` on (`by` 1 or -1) whose line contains `word`; None if there is none."""
        return self._search(index, by, lambda n: word.lower() in self.line(n).text.lower())

    def next_mark(self, index: int) -> int | None:
        """The next piece whose line is marked, past the end from the start again."""
        return self._search(index, 1, lambda n: n in self.marks)

    def _search(self, index: int, by: int, holds: Callable[[int], bool]) -> int | None:
        count = len(self.pieces)
        for step in range(1, count + 1):
            at = (index + by * step) % count
            if self.pieces[at].start == 0 and holds(self.pieces[at].number):
                return at
        return None

    def text(self, start: int = 0, end: int | None = None) -> list[str]:
        """The whole lines that the pieces from `start` to `end` belong to, each once, with their times."""
        numbers = dict.fromkeys(p.number for p in self.pieces[start:end])
        return [f"{self.line(n).time} {self.line(n).text}".lstrip() for n in numbers]
