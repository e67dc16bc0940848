"""`kwinnow why NODE`: the chain of links from the way in to the first cause."""

from __future__ import annotations

from typing import Any

import click

from tui.exit_codes import of_outcomes
from tui.words.common import (
    cluster_options,
    gather,
    json_option,
    known_nodes,
    options_from,
    print_json,
    session_for,
)


@click.command("why")
@click.argument("node")
@cluster_options
@json_option
def command(node: str, as_json: bool, **given: Any) -> int:
    """Walk the links that can make NODE not ready, in order: passed, found, or could not tell."""
    from checks.chain import chain, first_cause, unexplained
    from checks.check import load
    from checks.engine import judge
    from checks.finding import OutcomeKind, Severity
    from targets.clean import clean_line

    if given["nodes"] not in ((), (node,)):
        raise click.UsageError(f"The chain is one node's: {node} or {given['nodes'][0]}? Leave --node out.")
    given["nodes"] = (node,)
    checks = list(load().values())
    with session_for(options_from(given)) as held:
        gather(held.session, {fact for check in checks for fact in check.facts})
        known_nodes(held.session)  # else there is no NODE to speak of
        report = judge(held.session, checks)
        links = chain(report, node)
    if as_json:
        print_json([{"id": o.id, "outcome": o.kind.value, "why": _why(o)} for o in links])
        return of_outcomes(links, Severity.WARN)
    cause = first_cause(report, node)
    open_end = unexplained(cause, links)
    signs = {
        OutcomeKind.PASSED: "✔",
        OutcomeKind.FOUND: "✖",
        OutcomeKind.UNKNOWN: "?",
        OutcomeKind.BROKEN: "!",
    }
    titles = {c.id: c.title for c in checks}
    for outcome in links:
        if outcome.kind is OutcomeKind.SKIPPED:
            continue
        mark = "  ◀ first cause" if cause and not open_end and cause.id == outcome.id else ""
        said = _why(outcome) or titles[outcome.id]
        click.echo(clean_line(f"{signs[outcome.kind]} {outcome.id:34} {said}{mark}"))
    if open_end:
        click.echo(f"\n{open_end}")
    elif cause is not None:
        click.echo(clean_line(f"\nFirst cause: {cause.message}"))
        click.echo(clean_line(f"Remedy: {cause.remedy}"))
    return of_outcomes(links, Severity.WARN)


def _why(outcome: Any) -> str:
    return outcome.why or " ".join(f.message for f in outcome.findings)
