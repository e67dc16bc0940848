"""Lines that wrap under a column of their own, as a list of keys must."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

LEAST = 10  # cells that are left to what wraps, however narrow the pane


class Hanging:
    """A renderable: each line with the column (in cells) under which it goes on; 0 is the left edge."""

    def __init__(self) -> None:
        self.lines: list[tuple[Text, int]] = []

    def add(self, text: Text, hang: int = 0) -> None:
        """One line more."""
        self.lines.append((text, hang))

    @property
    def plain(self) -> Text:
        """All lines as they are, unwrapped."""
        return Text("\n").join(text for text, _ in self.lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, hang in self.lines:
            head, rest = text[:hang], text[hang:]
            wrapped = rest.wrap(console, max(LEAST, options.max_width - hang)) if rest.plain else [rest]
            for at, part in enumerate(wrapped):
                yield (head if at == 0 else Text(" " * hang)).copy().append_text(part)
