"""The palette: every command that applies here, and every node, check and finding by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.commands import key_names, of_screen

if TYPE_CHECKING:
    from tui.app import KwinnowApp


class CommandTable(Provider):
    """The commands of the screen beneath the palette."""

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        name = getattr(self.screen, "NAME", "")
        for command in of_screen(name):
            if command.id != "palette":
                run = partial(self.screen.run_action, command.action)
                yield f"{command.title}  ({key_names(command)})", command.help, run

    async def discover(self) -> Hits:
        for title, text, run in self._commands():
            yield DiscoveryHit(title, run, help=text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, text, run in self._commands():
            if (score := matcher.match(f"{title} {text}")) > 0:
                yield Hit(score, matcher.highlight(title), run, text=title, help=text)


class Places(Provider):
    """Where one can go: nodes, and the help pages of checks."""

    def _places(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        from checks.check import load

        app: KwinnowApp = self.app  # type: ignore[assignment]
        for name in app.knows.windows_nodes() if app.knows else ():
            yield f"node {name}", "Both sides of this node.", partial(app.open_node, name)
            yield f"why {name}", "Why is it not ready?", partial(app.open_why, name)
            yield f"findings {name}", "What is wrong with it.", partial(app.open_findings, name)
        for check in load().values():
            yield f"check {check.id}", check.title, partial(app.open_check_page, check.id)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, text, run in self._places():
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), run, text=title, help=text)
