"""`?`: what this screen shows and what its keys do, from the table of commands."""

from __future__ import annotations

from rich.text import Text

from tui.commands import key_names, of_screen
from tui.look import INFO, QUIET
from tui.screens.overlays import ReaderScreen


def help_page(name: str, prose: str) -> ReaderScreen:
    """The help of one screen."""
    text = Text("\n\n".join(" ".join(p.split()) for p in prose.split("\n\n")) + "\n\n")
    for command in of_screen(name):
        text.append(f"  {key_names(command):12}", INFO).append(f"{command.title:16}", "bold")
        text.append(f"{command.help}\n")
    text.append("\n  ↑ ↓ PgUp PgDn Home End move, Tab goes to the next pane, the mouse works.\n", QUIET)
    text.append(
        "  ✔ passed or ready   ✖ found   ▲ warning   · note   ? could not be told   ≠ differs\n", QUIET
    )
    return ReaderScreen(f"Help: {name}", text)
