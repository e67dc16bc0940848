"""`kwinnow where`: where files lie."""

from __future__ import annotations

import click

from tui.words.common import json_option, print_json


@click.command("where")
@json_option
def command(as_json: bool) -> None:
    """Print where the configuration is read from, and where kwinnow keeps what it writes itself.

    A file or folder need not be there: each is made when it is first needed, but for the configuration, which
    is yours to write.
    """
    from targets.clean import clean_line
    from targets.config import config_path
    from tui.places import kept_folder, state_folder

    state, kept = state_folder(), kept_folder()
    places = {
        "config": config_path(),  # how Windows nodes are reached
        "state": state,
        "audit": state / "audit.jsonl",
        "journal": state / "journal.jsonl",
        "copied": kept / "copied",
        "logs": kept / "logs",
        "console_log": state / "console.log",
    }
    if as_json:
        print_json({name: str(place) for name, place in places.items()})
        return
    for name, place in places.items():
        click.echo(clean_line(f"{name:12} {place}"))
