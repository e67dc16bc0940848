"""One line to type into, above the keys; there only while it is wanted."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Static


class Prompt(Horizontal):
    """`word` says what the line is for. It has the focus only between `open` and `rest` or `close`, never by Tab.

    The name of the field within is this one's id with `-field`.
    """

    def __init__(self, word: str, hint: str, *, id: str) -> None:
        super().__init__(id=id)
        self.word, self.hint = word, hint

    def compose(self) -> ComposeResult:
        yield Static(self.word, markup=False)
        yield Input(placeholder=self.hint, id=f"{self.id}-field", compact=True)

    def on_mount(self) -> None:
        self.field.can_focus = False

    @property
    def field(self) -> Input:
        return self.query_one(Input)

    @property
    def shown(self) -> bool:
        return self.has_class("shown")

    def open(self) -> None:
        """Show it; keys are typed into it."""
        self.add_class("shown")
        self.field.can_focus = True
        self.field.focus()
        self._tell()

    def rest(self) -> None:
        """Keys are for others again; what was typed stays on screen."""
        self.field.can_focus = False

    def close(self) -> None:
        """Take it off the screen."""
        self.rest()
        self.remove_class("shown")
        self._tell()

    def _tell(self) -> None:
        """A message must not cover the line that is typed into."""
        self.screen.set_class(any(p.shown for p in self.screen.query(Prompt)), "prompting")
