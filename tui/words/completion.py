"""`kwinnow completion SHELL`: the script that makes the shell complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL. For bash: eval "$(kwinnow completion bash)"."""
    from tui.cli import main_group

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main_group, {}, "kwinnow", "_KWINNOW_COMPLETE").source())
