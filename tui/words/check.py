"""`kwinnow check`: run the checks, causes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tui.exit_codes import ExitCode, of_report
from tui.words.common import (
    cluster_options,
    file_option,
    gather,
    json_option,
    options_from,
    print_json,
    probe_option,
    session_for,
    tell_no_windows,
)


@click.command("check")
@cluster_options
@json_option
@probe_option
@file_option("--save", help="Also save a recording to this file.")
@click.option(
    "--fail-on", type=click.Choice(["warn", "error"]), default="warn", help="What exit code 1 needs."
)
@click.option(
    "--only", "ids", multiple=True, metavar="ID", help="Only this check, or this family (cni, image.pause)."
)
def command(as_json: bool, save: Path | None, fail_on: str, ids: tuple[str, ...], **given: Any) -> int:
    """Run every check on the cluster and its Windows nodes, and print what is wrong, root causes first."""
    from rich.console import Console

    from checks.engine import judge
    from checks.finding import Severity
    from facts.cluster.control_plane import Rights
    from targets.clean import clean
    from tui.report_json import report_json
    from tui.report_text import print_report
    from tui.words.checks import chosen

    wanted = chosen(ids)
    with session_for(options_from(given, save)) as held:
        gather(held.session, {Rights, *(fact for check in wanted for fact in check.facts)})
        tell_no_windows(held.session)
        report = judge(held.session, wanted)
    if as_json:
        print_json(report_json(report))
    else:
        print_report(report, Console(highlight=False, soft_wrap=True))
    if held.recorder is not None and held.recorder.lost:
        click.echo(
            clean(f"kwinnow: The recording {save} could not be written whole: {held.recorder.lost}."),
            err=True,
        )
        return ExitCode.NOT_WRITTEN
    code = of_report(report, Severity[fail_on.upper()])
    return ExitCode.UNKNOWN if held.doubtful and code is ExitCode.HEALTHY else code
