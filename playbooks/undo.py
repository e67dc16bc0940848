"""Which step was run last on a node and can be taken back, by whoever it was run."""

from __future__ import annotations

from collections.abc import Mapping

from checks.ids import CheckId
from facts.fact import Failed
from playbooks import node_side
from playbooks.engine import StepRunner
from playbooks.journal import Entry, Mark
from playbooks.plan import Ended, Plan
from playbooks.step import NotPossible, Step


def plan_last_undo(runner: StepRunner, steps: Mapping[CheckId, Step], node: str) -> Plan | Ended:
    """The undo of the latest run on the node that has not been undone, by its own journal and the one here.

    Where all have been undone, the latest says so (NotPossible). Raises what `StepRunner.plan_undo` raises.
    """
    server = runner.session.cluster.server
    there = node_side.entries(runner.session, node)
    if isinstance(there, Failed):
        runner.tell(f"The node's own journal is not used: {there.why}")
        there = []
    here = [e for e in runner.journal.entries() if (e.node, e.server) == (node, server)]
    known = {str(i): step for i, step in steps.items()}
    runs: dict[str, list[Entry]] = {}
    for entry in sorted([*here, *there], key=lambda e: e.at):
        if entry.step in known:
            runs.setdefault(entry.run, []).append(entry)
    mine = [run for run in runs.values() if all(e.mark is not Mark.DROPPED for e in run)]
    acted = [run for run in mine if any(e.before is not None for e in run)]
    acted.sort(key=lambda run: (all(e.mark is not Mark.UNDONE for e in run), run[0].at))
    if not acted:
        where = f"Neither the journal {runner.journal.path} nor the one on {node}"
        raise NotPossible(f"{where} has a run on {node} that could be undone.")
    return runner.plan_undo(known[acted[-1][-1].step], node)
