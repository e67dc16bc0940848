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
    import threading

    from tui.app import KwinnowApp

    options = options_from(given)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("The console needs a terminal. Without one: kwinnow check, nodes, why.")
    threading.excepthook = _keep
    app = KwinnowApp(options)
    app.run()
    return app.return_code or ExitCode.HEALTHY


def _keep(broken: Any) -> None:
    """Write the traceback of a thread to the console's own log: on the terminal it would spoil the screen."""
    import traceback

    from tui.places import state_folder

    file = state_folder() / "console.log"
    text = "".join(traceback.format_exception(broken.exc_type, broken.exc_value, broken.exc_traceback))
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("a", encoding="utf-8") as log:
            log.write(f"{broken.thread.name if broken.thread else 'a thread'}\n{text}\n")
    except OSError:
        return  # nobody can be told, and the console goes on
