"""The palette: every command that applies here, and every node, check and finding by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Matcher, Provider
from textual.content import Content

from tui.commands import key_names, of_screen
from tui.screens.page import Page

if TYPE_CHECKING:
    from tui.app import KwinnowApp


def score(matcher: Matcher, title: str, more: str = "") -> float:
    """How well an entry answers what was typed; 0: not at all.

    Whose name begins with it comes before those where a word does, then matches anywhere in the name, then in `more`.
    """
    typed, name = matcher.query.lower().strip(), title.lower()
    strength = matcher.match(title)
    if strength > 0:
        rank = 3 if name.startswith(typed) else 2 if f" {typed}" in name else 1
        return rank + strength / (1 + strength)
    strength = matcher.match(f"{title} {more}") if more else 0.0
    return strength / (1 + strength)


def marked(matcher: Matcher, title: str) -> Content:
    """The title with what was typed marked. Never read as markup: what a hostile server calls a node may hold any."""
    content = Content(title)
    strength, places = matcher.fuzzy_search.match(matcher.query, title)
    for at in places if strength else ():
        if not title[at].isspace():
            content = content.stylize(matcher.match_style, at, at + 1)
    return content


class CommandTable(Provider):
    """The commands of the screen beneath the palette."""

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        name = getattr(self.screen, "NAME", "")
        idle = self.screen.idle() if isinstance(self.screen, Page) else frozenset()
        for command in of_screen(name, recorded=getattr(self.app, "recorded", False)):
            if command.id != "palette" and command.id not in idle:
                run = partial(self.screen.run_action, command.action)
                yield f"{command.title}  ({key_names(command)})", command.help, run

    async def discover(self) -> Hits:
        for title, text, run in self._commands():
            yield DiscoveryHit(title, run, help=text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, text, run in self._commands():
            if (found := score(matcher, title, text)) > 0:
                yield Hit(found, marked(matcher, title), run, text=title, help=text)


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
            if (found := score(matcher, title)) > 0:
                yield Hit(found, marked(matcher, title), run, text=title, help=text)
