"""`?`: what this screen shows and what its keys do, from the table of commands."""

from __future__ import annotations

from rich.text import Text

from tui.commands import key_names, of_screen
from tui.look import INFO, QUIET, word
from tui.panes.hanging import Hanging
from tui.screens.overlays import ReaderScreen

EDGE = 2
HANG = 30  # cells; what a command does stands to the right of them, on every line


def help_page(name: str, prose: str, *, recorded: bool = False) -> ReaderScreen:
    """The help of one screen."""
    page = Hanging()
    for paragraph in prose.split("\n\n"):
        page.add(Text(" ".join(paragraph.split())))
        page.add(Text())
    for command in of_screen(name, recorded=recorded):
        line = word(f"  {key_names(command):12}", INFO).append(f"{command.title:{HANG - 14}}", "bold")
        page.add(line.append(command.help), HANG)
    page.add(Text())
    out = [c for c in of_screen(name) if recorded and c.live]
    if out:
        keys = " ".join(key_names(c) for c in out)
        why = f"  This is a recording: nobody can be asked and nothing mended. Left out are {keys}."
        page.add(Text(why), EDGE)
    keys = "  ↑ ↓ PgUp PgDn Home End move, Tab goes to the next pane, the mouse works."
    page.add(word(keys, QUIET), EDGE)
    signs = "  ✔ passed or ready   ✖ found   ▲ warning   · note   ? could not be told   ≠ differs"
    page.add(word(signs, QUIET), EDGE)
    return ReaderScreen(f"Help: {name}", page.plain, shown=page)
