"""`kwinnow nodes`: the nodes, and how each Windows node is reached."""

from __future__ import annotations

from typing import Any

import click

from tui.exit_codes import ExitCode
from tui.words.common import (
    cluster_options,
    gather,
    json_option,
    known_nodes,
    options_from,
    print_json,
    session_for,
)


@click.command("nodes")
@cluster_options
@json_option
def command(as_json: bool, **given: Any) -> int:
    """List the nodes: system, Ready as the API has it, and the way into each Windows node."""
    from facts.access import Access
    from facts.fact import Failed
    from targets.clean import clean_line

    with session_for(options_from(given)) as held:
        gather(held.session, [Access])
        nodes = known_nodes(held.session)
        rows: list[dict[str, Any]] = []
        lost = False
        for node in nodes.items:
            if given["nodes"] and node.name not in given["nodes"]:
                continue
            access = held.session.get(Access, node.name) if node.os == "windows" else None
            failed = access if isinstance(access, Failed) else None
            way = access.way if isinstance(access, Access) else ""
            ready = node.condition("Ready")
            row: dict[str, Any] = {
                "name": node.name,
                "os": node.os,
                "ready": {"True": True, "False": False}.get(ready.status if ready else ""),
                "way": way or None,
            }
            if isinstance(access, Access) and not way:
                failed = Failed("", access.attempts[-1].why, access.attempts[-1].hint)
            if failed is not None:
                lost = True
                row |= {"why": failed.why, "hint": failed.hint}
            rows.append(row)
    if not rows:
        click.echo("kwinnow: The cluster has no nodes.", err=True)
    if as_json:
        print_json({"nodes": rows})
    else:
        for row in rows:
            state = {True: "Ready", False: "NotReady", None: "Unknown"}[row["ready"]]
            why = f"  {row['why']} {row['hint']}" if "why" in row else ""
            click.echo(clean_line(f"{row['name']:24} {row['os']:8} {state:9} {row['way'] or '-':6}{why}"))
    return ExitCode.UNKNOWN if lost else ExitCode.HEALTHY
