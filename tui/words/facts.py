"""`kwinnow facts`: ask facts and print them."""

from __future__ import annotations

import difflib
from typing import Any

import click
import msgspec

from tui.exit_codes import ExitCode
from tui.words import complete
from tui.words.common import (
    cluster_options,
    gather,
    json_option,
    options_from,
    print_json,
    probe_option,
    session_for,
    tell_no_windows,
)


@click.command("facts")
@click.argument("names", nargs=-1, metavar="[FACT]...", shell_complete=complete.fact_names)
@cluster_options
@json_option
@probe_option
@click.option("--list", "only_list", is_flag=True, help="List the facts there are, and ask nothing.")
@click.option(
    "--scripts", is_flag=True, help="Print the SHA-256 of every script that may be sent, and ask nothing."
)
def command(names: tuple[str, ...], as_json: bool, only_list: bool, scripts: bool, **given: Any) -> int:
    """Ask facts (all by default) and print the typed answers."""
    import inspect

    from facts.catalogue import load
    from facts.fact import Question

    known: dict[str, Question] = {q.name: q for q in load()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f" Did you mean {near[0]}?" if near else " `kwinnow facts --list` lists them."
            raise click.UsageError(f"There is no fact {name}.{fix}")
    if scripts:
        return _scripts(as_json)
    if only_list:
        rows = [
            {"fact": q.name, "origin": q.origin.value, "help": (inspect.getdoc(q.fact) or "").splitlines()[0]}
            for q in known.values()
        ]
        if as_json:
            print_json(rows)
        for row in [] if as_json else rows:
            click.echo(f"{row['fact']:22} {row['origin']:8} {row['help']}")
        return ExitCode.HEALTHY
    wanted = [known[n] for n in names or known]
    with session_for(options_from(given)) as held:
        gather(held.session, [q.fact for q in wanted])
        tell_no_windows(held.session)
        answers = [a for q in wanted for a in _answers(held.session, q)]
    if as_json:
        print_json({"facts": answers})
    else:
        _print(answers)
    return ExitCode.UNKNOWN if any(a["outcome"] == "failed" for a in answers) else ExitCode.HEALTHY


def _scripts(as_json: bool) -> int:
    """The hashes that a security team allows. A released kwinnow sends nothing else."""
    from facts.collector.hashes import PACKAGES, script_hashes
    from playbooks.step import PACKAGE

    hashes = script_hashes((*PACKAGES, PACKAGE))
    if as_json:
        print_json(hashes)
    for name, digest in [] if as_json else hashes.items():
        click.echo(f"{digest}  {name}")
    return ExitCode.HEALTHY


def _answers(session: Any, question: Any) -> list[dict[str, Any]]:
    from facts.cluster.nodes import Nodes
    from facts.fact import Failed, NotApplicable
    from facts.needs import per_node
    from facts.session import outcome_of

    rows: list[dict[str, Any]] = []
    places = session.windows_nodes() if per_node(question.fact) else [""]
    if not isinstance(session.get(Nodes), Nodes):
        places = [""]  # and the answer says why the nodes are not known
    for node in places:
        answer = session.answer(question.fact, node)
        value = answer.value
        known = not isinstance(value, Failed | NotApplicable)
        row = {"fact": question.name, "node": node or None, "outcome": outcome_of(value)}
        row |= {"value": msgspec.to_builtins(value) if known else None, "why": "" if known else value.why}
        row |= {"hint": value.hint if isinstance(value, Failed) else ""}
        rows.append(row | {"source": answer.source, "at": answer.at.isoformat()})
    return rows


def _print(answers: list[dict[str, Any]]) -> None:
    import yaml

    from targets.clean import clean, clean_line

    for row in answers:
        where = f" of {row['node']}" if row["node"] else ""
        click.echo(
            clean_line(f"# {row['fact']}{where}: {row['outcome']} {row['why']} {row['hint']}".rstrip())
        )
        if row["value"] is not None:
            click.echo(clean(yaml.safe_dump(row["value"], sort_keys=False, allow_unicode=True, width=110)))
