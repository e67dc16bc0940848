"""`kwinnow where`: where files lie."""

from __future__ import annotations

import click

from tui.words.common import json_option, print_json


@click.command("where")
@json_option
def command(as_json: bool) -> None:
    """Print where configuration, state, audit log and saved findings lie."""
    from targets.config import config_path
    from tui.places import state_folder

    places = {"config": str(config_path()), "state": str(state_folder())}
    if as_json:
        print_json(places)
        return
    for name, place in places.items():
        click.echo(f"{name:8} {place}")
