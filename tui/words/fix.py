"""`kwinnow fix ID --node N`: mend what a check found; verify, act, verify; with an undo."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from tui.exit_codes import ExitCode
from tui.words.common import cluster_options, json_option, options_from, print_json, session_for


@click.command("fix")
@click.argument("check_id", metavar="ID")
@cluster_options
@json_option
@click.option(
    "--dry-run", is_flag=True, help="Show the exact script and what it would touch; change nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--undo", is_flag=True, help="Take the last run of this step on this node back.")
def command(check_id: str, as_json: bool, dry_run: bool, yes: bool, undo: bool, **given: Any) -> int:
    """Mend what the check ID found on one node. The script is shown before it runs."""
    from playbooks.audit import Audit
    from playbooks.engine import Ended, Plan, StepRunner
    from playbooks.journal import Journal
    from playbooks.step import NotPossible, steps
    from targets.errors import TargetError
    from tui.places import state_folder

    step = next((s for i, s in steps().items() if i == check_id), None)
    if step is None:
        raise click.UsageError(f"No step mends {check_id}. There are: {', '.join(steps())}.")
    if len(given["nodes"]) != 1:
        raise click.UsageError("Name exactly one node: --node NAME.")
    if given["open"]:
        raise click.UsageError("A recording cannot be mended; leave --open out.")
    (node,) = given["nodes"]
    with session_for(options_from(given)) as held:
        look = held.config.context(held.session.cluster.context) if held.config else None
        if look is not None and look.read_only and not dry_run:
            what = f"The context {held.session.cluster.context} is marked read_only in the configuration."
            raise TargetError(what, "Use --dry-run, or take the mark away.")
        from typing import cast

        from playbooks.lock import Locking

        locking = cast(Locking, held.session.cluster)
        folder = state_folder()
        runner = StepRunner(
            held.session, locking, Journal(folder), Audit(folder), lambda s: click.echo(s, err=True)
        )
        try:
            if undo:
                _confirm(
                    f"Undo {step.check} on {node} ({held.session.cluster.context})? {step.undo_says}", yes
                )
                return _tell(runner.undo(step, node), as_json)
            plan = runner.plan(step, node)
            if not isinstance(plan, Plan):
                return _nothing(plan, as_json)
            _show(plan)
            if dry_run:
                if as_json:
                    print_json({"dry_run": True, "script": step.text(), "parameters": plan.parameters})
                return ExitCode.HEALTHY
            _confirm(f"Run this on {node} ({plan.context})?", yes)
            ended: Ended = runner.run(plan)
        except NotPossible as error:
            raise click.ClickException(str(error)) from error
    return _tell(ended, as_json)


def _show(plan: Any) -> None:
    """What will run, where, and who else feels it. On stderr: stdout is data."""
    from targets.clean import clean

    step = plan.step
    lines = [
        f"Finding       {plan.finding.message}",
        f"Step          {step.title}",
        f"Node          {plan.node}",
        f"Cluster       {plan.context} ({plan.server})",
        f"Blast radius  {step.blast_radius}",
        f"Undo          {step.undo_says}",
        f"Parameters    $p = {msgspec.json.encode(plan.parameters).decode()}",
        "Script",
        *(f"    {line}" for line in step.text().splitlines()),
    ]
    click.echo(clean("\n".join(lines)), err=True)


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: add --yes to do it, or --dry-run to look.")
    click.confirm(question, abort=True, err=True)


def _nothing(outcome: Any, as_json: bool) -> int:
    """The check did not find anything to mend, or could not tell."""
    from checks.finding import OutcomeKind

    if as_json:
        print_json({"mark": "nothing-to-do", "outcome": outcome.kind.value, "why": outcome.why})
    if outcome.kind in (OutcomeKind.PASSED, OutcomeKind.SKIPPED):
        click.echo(f"Nothing to do: {outcome.id} {outcome.kind.value}. {outcome.why}".rstrip(), err=True)
        return ExitCode.HEALTHY
    click.echo(
        f"Could not tell whether there is anything to do: {outcome.why} {outcome.hint}".rstrip(), err=True
    )
    return ExitCode.UNKNOWN


def _tell(ended: Any, as_json: bool) -> int:
    from checks.finding import OutcomeKind
    from playbooks.journal import Mark
    from targets.clean import clean

    after = ended.outcome.kind.value if ended.outcome else None
    if as_json:
        print_json({"mark": ended.mark.value, "outcome": after, "why": ended.why})
    if ended.mark is Mark.DONE:
        click.echo("Done; the check passes now.", err=True)
    elif ended.mark is Mark.UNDONE:
        found = ended.outcome is not None and ended.outcome.kind is OutcomeKind.FOUND
        click.echo("Undone" + ("; the check finds the fault again." if found else "."), err=True)
    else:
        click.echo(clean(f"Failed: {ended.why}"), err=True)
    return ExitCode.HEALTHY if ended.mark in (Mark.DONE, Mark.UNDONE) else ExitCode.FOUND
