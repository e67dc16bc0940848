"""The lower pane of a list: the whole text of the row under the cursor."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static


class Detail(VerticalScroll):
    """Wraps and scrolls. The same text again keeps the place; another starts at the top."""

    def compose(self) -> ComposeResult:
        yield Static(id="detail-text")

    def show(self, text: Text, key: str) -> None:
        """`key` says what it is about."""
        if getattr(self, "_shown", None) == (key, text.plain):
            return
        if getattr(self, "_shown", ("", ""))[0] != key:
            self.scroll_to(y=0, animate=False, immediate=True)
        self._shown = (key, text.plain)
        self.query_one("#detail-text", Static).update(text)
