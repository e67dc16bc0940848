"""`kwinnow completion SHELL`: the script that makes the shell complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tui.words.common import json_option, print_json


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print the script that makes your shell complete kwinnow's commands, options, ids and names.

    \b
    bash, in ~/.bashrc:  eval "$(kwinnow completion bash)"
    zsh, in ~/.zshrc:    eval "$(kwinnow completion zsh)"
    fish:                kwinnow completion fish > ~/.config/fish/completions/kwinnow.fish
    """
    from tui.cli import main_group

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(main_group, {}, "kwinnow", "_KWINNOW_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
