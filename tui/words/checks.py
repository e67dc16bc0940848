"""`kwinnow checks`: the list of checks, and the help page of one."""

from __future__ import annotations

import difflib

import click

from checks.check import Check, load
from tui.words import complete
from tui.words.common import json_option, print_json


def chosen(ids: tuple[str, ...]) -> list[Check]:
    """The checks that `ids` name: whole ids or leading parts; all for none. UsageError for a name that fits nothing."""
    known: dict[str, Check] = {str(i): c for i, c in load().items()}
    if not ids:
        return list(known.values())
    found: dict[str, Check] = {}
    for wanted in ids:
        fits = {i: c for i, c in known.items() if i == wanted or i.startswith(f"{wanted}.")}
        if not fits:
            families = dict.fromkeys(i.partition(".")[0] for i in known)
            near = difflib.get_close_matches(wanted, [*families, *known], 1)
            fix = f" Did you mean {near[0]}?" if near else " `kwinnow checks` lists them."
            raise click.UsageError(f"There is no check {wanted}.{fix}")
        found |= fits
    return list(found.values())


@click.group("checks", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the checks, or show one's help page (`kwinnow checks show ID`)."""
    if ctx.invoked_subcommand is not None:
        return
    checks = chosen(())
    if as_json:
        print_json([{"id": c.id, "severity": c.severity.word, "title": c.title} for c in checks])
        return
    for check in checks:
        click.echo(f"{check.id:42} {check.severity.word:6} {check.title}")


@command.command("show", short_help="Show the help page of one check.")
@click.argument("check_id", metavar="ID", shell_complete=complete.check_ids)
@json_option
def show(check_id: str, as_json: bool) -> None:
    """Show the help page of the check ID: what it means, its rule, the remedy, what it is confused with, the source."""
    from checks.check import graph
    from facts.fact import QUESTIONS

    (check, *more) = chosen((check_id,))
    if more and check.id != check_id:
        raise click.UsageError(f"{check_id} is a family: {', '.join(c.id for c in [check, *more])}.")
    effects = [link.effect for link in check.explains]
    causes = [cause for cause, links in graph().links.items() if any(k.effect == check.id for k in links)]
    facts = [QUESTIONS[f].name for f in check.facts]
    if as_json:
        page = {"id": check.id, "severity": check.severity.word, "title": check.title, "help": check.help}
        print_json(page | {"facts": facts, "explains": effects, "explained_by": causes})
        return
    click.echo(
        f"{check.id}  ({check.severity.word})\n{check.title}\n\n{check.help}\n\nFacts: {', '.join(facts)}"
    )
    if effects:
        click.echo(f"Can account for: {', '.join(effects)}")
    if causes:
        click.echo(f"Can follow from: {', '.join(causes)}")
