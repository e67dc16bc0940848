"""`kwinnow` and `kwinnow console`: the console."""

from __future__ import annotations

from typing import Any

import click

from tui.exit_codes import ExitCode
from tui.words.common import cluster_options, options_from


@click.command("console")
@cluster_options
def command(**given: Any) -> int:
    """Open the console: the fleet, each node from both sides, findings with their proof, logs."""
    import sys

    from tui.app import KwinnowApp

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The console needs a terminal. Without one: kwinnow check, nodes, why.")
    app = KwinnowApp(options_from(given))
    app.run()
    return app.return_code or ExitCode.HEALTHY
