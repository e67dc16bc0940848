"""`kwinnow fix ID --node N`: mend what a check found; verify, act, verify; with an undo."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from tui.exit_codes import ExitCode
from tui.words import complete
from tui.words.common import (
    json_option,
    nodes_option,
    options_from,
    print_json,
    session_for,
    where_options,
)

if TYPE_CHECKING:
    from checks.finding import Outcome
    from playbooks.engine import StepRunner
    from playbooks.lock import Held, Locking
    from playbooks.plan import Ended, Plan
    from playbooks.step import Step
    from tui.opening import Opened


@click.command("fix")
@click.argument("check_id", metavar="ID", shell_complete=complete.step_ids)
@nodes_option("The Windows node to mend. Exactly one is needed.")
@where_options
@click.option("--open", type=click.Path(path_type=Path), hidden=True)  # only to say why it cannot be
@json_option
@click.option(
    "--dry-run", is_flag=True, help="Show the exact script and what it would touch; change nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--undo", is_flag=True, help="Undo the last run of this step on this node.")
def command(check_id: str, as_json: bool, dry_run: bool, yes: bool, undo: bool, **given: Any) -> int:
    """Mend what the check ID finds on one node. The script is shown, and you are asked, before it runs.

    Exit codes: 0 done or nothing to do, 1 the check still finds it, 2 wrong usage, 3 could not tell, or somebody
    else is at work on the node.
    """
    step = _step(check_id)
    if len(given["nodes"]) != 1:
        raise click.UsageError("Name exactly one node: --node NAME.")
    if given["open"]:
        raise click.UsageError("A recording cannot be mended; leave --open out.")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("Nobody can be asked here: add --yes to do it, or --dry-run to look.")
    (node,) = given["nodes"]
    with session_for(options_from(given)) as held:
        if not dry_run:
            _writable(held)
        _known(held)
        return _Fix(step, node, held, as_json, dry_run, yes).go(undo)


def _step(check_id: str) -> Step:
    from playbooks.step import steps

    found = next((s for i, s in steps().items() if i == check_id), None)
    if found is None:
        raise click.UsageError(_no_step(check_id, steps()))
    return found


def _no_step(check_id: str, steps: Collection[str]) -> str:
    """Why there is no such step. Another check's step is proposed only for what is no check: it mends another fault."""
    import difflib

    from checks.check import load

    check = next((c for c in load().values() if c.id == check_id), None)
    if check is not None:
        more = f"`kwinnow checks show {check_id}` says more."
        return f"No step mends {check_id} yet. The remedy by hand: {check.remedy} {more}"
    near = difflib.get_close_matches(check_id, [*map(str, load())], 1)
    if not near:
        fix = f"Steps mend: {', '.join(steps)}."
    elif near[0] in steps:
        fix = f"Did you mean {near[0]}?"
    else:
        fix = f"Did you mean {near[0]}? No step mends that yet; `kwinnow checks show {near[0]}` tells the remedy."
    return f"There is no check {check_id}. {fix}"


def _writable(held: Opened) -> None:
    """TargetError for a context that is marked read_only."""
    from targets.errors import TargetError

    look = held.config.context(held.session.cluster.context) if held.config else None
    if look is not None and look.read_only:
        what = f"The context {held.session.cluster.context} is marked read_only in the configuration."
        raise TargetError(what, "Use --dry-run, or take the mark away.")


def _known(held: Opened) -> None:
    """TargetError where the cluster has no such node."""
    from tui.opening import unknown_nodes

    held.session.gather([], nodes=[])
    error = unknown_nodes(held.session)
    if error is not None:
        raise error


@dataclass
class _Fix:
    """One call of the word."""

    step: Step
    node: str
    held: Opened
    as_json: bool
    dry_run: bool
    yes: bool

    def go(self, undo: bool) -> int:
        from playbooks.lock import Held
        from playbooks.plan import Plan
        from playbooks.step import NotPossible

        runner = self._runner()
        try:
            plan: Plan | Ended | Outcome
            if undo:
                plan = runner.plan_undo(self.step, self.node)
            else:
                plan = runner.plan(self.step, self.node, settle=not self.dry_run)
            if not isinstance(plan, Plan):
                return self._no_plan(plan)
            self._show(plan)
            if self.dry_run:
                self._print("planned", plan=plan)
                return ExitCode.HEALTHY
            self._confirm(plan)
            return self._ended(runner.run(plan), plan)
        except NotPossible as error:
            self._print("not-possible", why=str(error))
            self._say(f"Not possible: {error}")
            return ExitCode.USAGE if undo else ExitCode.FOUND
        except Held as error:
            return self._refused(error)

    def _runner(self) -> StepRunner:
        from playbooks.audit import Audit
        from playbooks.engine import StepRunner
        from playbooks.journal import Journal
        from tui.places import state_folder

        session, folder = self.held.session, state_folder()
        locking = cast("Locking", session.cluster)
        return StepRunner(session, locking, Journal(folder), Audit(folder), self._say)

    def _say(self, text: str) -> None:
        """Narration: on stderr, because stdout is data."""
        from targets.clean import clean

        click.echo(clean(text), err=True)

    def _print(
        self,
        mark: str,
        *,
        why: str = "",
        plan: Plan | None = None,
        outcome: Outcome | None = None,
        run: str = "",
    ) -> None:
        """The one object of --json (docs/schemas/fix.json)."""
        if not self.as_json:
            return
        cluster = self.held.session.cluster
        print_json(
            {
                "step": self.step.check,
                "node": self.node,
                "context": cluster.context,
                "server": cluster.server,
                "mark": mark,
                "run": run or (plan.run if plan else ""),
                "why": why,
                "outcome": outcome.kind.value if outcome else None,
                "plan": _plan(plan) if plan else None,
            }
        )

    def _show(self, plan: Plan) -> None:
        """What will run, where, and who else feels it."""
        from playbooks.plan import told
        from targets.clean import clean

        step = plan.step
        rows = [
            ("Undoes" if plan.undoes else "Finding", _about(plan)),
            ("Step", step.title),
            *([("Does", plan.does)] if plan.undoes else []),
            ("Node", plan.node),
            ("Cluster", f"{plan.context} ({plan.server})"),
            ("Blast radius", plan.blast_radius),
            ("Go back" if plan.undoes else "Undo", plan.back),
            ("Parameters", f"$p = {msgspec.json.encode(plan.sent).decode()}"),
        ]
        if plan.goes_on is not None:
            rows.insert(1, ("Goes on with", f"the run {told(plan.goes_on)}"))
        lines = [f"{label:<14}{value}" for label, value in rows]
        if self.dry_run and not self.as_json:  # then the script is the answer, not narration
            self._say("\n".join([*lines, "Script"]))
            click.echo(clean(plan.script))
            return
        self._say("\n".join([*lines, "Script", *(f"    {line}" for line in plan.script.splitlines())]))

    def _confirm(self, plan: Plan) -> None:
        from targets.clean import clean_line

        if not self.yes:
            question = f"{'Undo' if plan.undoes else 'Run'} this on {plan.node} ({plan.context})?"
            click.confirm(clean_line(question), abort=True, err=True)

    def _no_plan(self, found: Outcome | Ended) -> int:
        """The check did not find anything to mend, or could not tell; or an undo had come to its end already."""
        from checks.finding import OutcomeKind
        from playbooks.plan import Ended

        if isinstance(found, Ended):
            return self._ended(found)
        nothing = found.kind in (OutcomeKind.PASSED, OutcomeKind.SKIPPED)
        why = f"{found.why} {found.hint}".strip()
        self._print("nothing-to-do" if nothing else "unknown", why=why, outcome=found)
        if nothing:
            self._say(f"Nothing to do: {found.id} {found.kind.value}. {found.why}".rstrip())
            return ExitCode.HEALTHY
        self._say(f"Could not tell whether there is anything to do: {why}")
        return ExitCode.UNKNOWN

    def _ended(self, ended: Ended, plan: Plan | None = None) -> int:
        from checks.finding import OutcomeKind
        from playbooks.journal import CLOSED, Mark

        mark = "nothing-to-do" if ended.mark is Mark.DROPPED else ended.mark.value
        self._print(mark, why=ended.why, plan=plan, outcome=ended.outcome, run=ended.run)
        if ended.mark is Mark.DONE:
            self._say("Done; the check passes now.")
        elif ended.mark is Mark.DROPPED:
            self._say(f"Nothing was left to do: {ended.why}")
        elif ended.mark is Mark.UNDONE:
            again = ended.outcome is not None and ended.outcome.kind is OutcomeKind.FOUND
            self._say(f"Undone{'; the check finds the fault again.' if again else '.'} {ended.why}".rstrip())
        else:
            self._say(f"Failed: {ended.why}")
        return ExitCode.HEALTHY if ended.mark in CLOSED else ExitCode.FOUND

    def _refused(self, error: Held) -> int:
        self._print("refused", why=str(error))
        self._say(f"Nothing was done: {error}")
        return ExitCode.UNKNOWN


def _about(plan: Plan) -> str:
    from playbooks.plan import told

    return f"the run {told(plan.undoes)}" if plan.undoes else plan.finding.message


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "act": plan.act,
        "finding": plan.finding.message,
        "title": plan.step.title,
        "does": plan.does,
        "blast_radius": plan.blast_radius,
        "undo": plan.back,
        "goes_on": plan.goes_on is not None,
        "parameters": plan.sent,
        "script": plan.script,
    }
