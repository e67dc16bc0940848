"""Choose another context of the kubeconfig; the kubeconfig itself is not touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from targets.errors import TargetError
from tui.look import QUIET, context_colour, line, word
from tui.panes.table import Column, Row
from tui.screens.fleet import nothing
from tui.screens.overlays import ChooseScreen, ReaderScreen

if TYPE_CHECKING:
    from tui.app import KwinnowApp

COLUMNS = (
    Column("", width=2),
    Column("Context", most=40),
    Column("Cluster", share=1),
    Column("Server", share=1),
)


def choose_context(app: KwinnowApp) -> None:
    """Show the list. What is wrong with the kubeconfig is said in its place."""
    from targets.config import load as load_config
    from targets.kubeconfig import load

    try:
        found = load(app.options.kubeconfig)
        looks = load_config(app.options.config)
    except TargetError as error:
        app.push_screen(ReaderScreen("Contexts", nothing(error.what, error.hint)))
        return
    here, _ = app.place
    rows = []
    for context in found.contexts():
        colour = context_colour(context.name, looks.context(context.name).colour)
        mark = word("██" if context.name != here else "▶█", colour.hex)
        name = line(context.name, "bold" if context.name == here else "")
        if looks.context(context.name).read_only:
            name.append(" ⊘ read-only", "yellow")
        rows.append(Row(context.name, (mark, name, line(context.cluster), line(context.server, QUIET))))

    def switch(name: str) -> None:
        app.open_options(replace(app.options, context=name, open=None))

    app.push_screen(
        ChooseScreen("Contexts", COLUMNS, rows, switch, f"From {', '.join(map(str, found.files))}.", here)
    )
