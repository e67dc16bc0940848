"""The last line: what can be done here, as many hints as there is room for; help, palette and quit always."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.widgets import Static

from tui.commands import Command, key_names, of_screen

ALWAYS = ("palette", "help", "quit", "close")


class Keys(Static):
    """Hints from the table of commands, with the keys that are in force; a click runs the command."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.of, self.recorded = name, False
        self.idle: frozenset[str] = frozenset()
        self._places: list[tuple[int, int, Command]] = []

    def on_mount(self) -> None:
        self._show()

    def tell(self, *, recorded: bool = False, idle: frozenset[str] = frozenset()) -> None:
        """Offer what can work here; `idle` are the ids of commands that have nothing to work on now."""
        if (recorded, idle) != (self.recorded, self.idle):
            self.recorded, self.idle = recorded, idle
            self._show()

    def on_resize(self) -> None:
        self._show()

    def _key(self, command: Command) -> str:
        """The first key of the command; the user's own where the key map changes it."""
        own = [
            self.app.get_key_display(active.binding)
            for active in self.screen.active_bindings.values()
            if active.binding.id == command.id and active.binding.key not in command.keys.split(",")
        ]
        return own[0] if own else key_names(command).split()[0]

    def _show(self) -> None:
        here = of_screen(self.of, recorded=self.recorded)
        hints = [(c, self._key(c)) for c in here if c.shown and c.id not in self.idle]
        room = max(self.size.width, 1) - 1
        while hints and sum(cell_len(f"{k} {c.title}") + 3 for c, k in hints) > room:
            last = next((i for i in range(len(hints) - 1, -1, -1) if hints[i][0].id not in ALWAYS), None)
            if last is None:
                break
            del hints[last]
        text = Text(" ", no_wrap=True)
        self._places = []
        for command, key in hints:
            start = cell_len(text.plain)
            text.append(f"{key} ", Style(bold=True, color=self._accent)).append(f"{command.title}   ")
            self._places.append((start, cell_len(text.plain) - 3, command))
        self.update(text)

    @property
    def _accent(self) -> str:
        return self.app.theme_variables.get("accent", "#d7a65f")

    async def on_click(self, event: events.Click) -> None:
        for start, end, command in self._places:
            if start <= event.x < end:
                await self.screen.run_action(command.action)
                return
