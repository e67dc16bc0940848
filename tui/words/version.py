"""`kwinnow version`: what runs here, for a report of a fault."""

from __future__ import annotations

import platform

import click

from tui.words.common import json_option, print_json


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Print the versions of kwinnow and Python, and the system: what a report of a fault should hold."""
    from tui.cli import version

    found = {"kwinnow": version(), "python": platform.python_version(), "system": platform.platform()}
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        click.echo(f"{name:8} {value}")
