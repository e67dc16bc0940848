"""Where nothing was found: what was checked all the same, and what could not be told."""

from __future__ import annotations

from rich.text import Text

from checks.check import load
from checks.engine import Report
from checks.finding import Outcome, OutcomeKind
from tui.look import OUTCOME, QUIET, block, line, word

WORDS = {
    OutcomeKind.UNKNOWN: "could not be told",
    OutcomeKind.BROKEN: "broke",
    OutcomeKind.FOUND: "found something",
    OutcomeKind.PASSED: "passed",
    OutcomeKind.SKIPPED: "do not apply here",
}


def _of(report: Report, node: str) -> dict[OutcomeKind, list[Outcome]]:
    """Outcomes of this node (all, for "") by kind, in the order of WORDS: doubts come first."""
    mine = [o for o in report.outcomes if node in ("", o.node)]
    groups = {kind: [o for o in mine if o.kind is kind] for kind in WORDS}
    return {kind: found for kind, found in groups.items() if found}


def told(report: Report, node: str) -> str:
    """How many checks ended how, as a sentence."""
    groups = _of(report, node)
    parts = ", ".join(f"{len(found)} {WORDS[kind]}" for kind, found in groups.items())
    where = f"on {node}" if node else "on the cluster and its Windows nodes"
    return f"{sum(map(len, groups.values()))} checks {where}: {parts}."


def checked(report: Report, node: str) -> Text:
    """Every check, with the reason where there is one."""
    titles = {str(c.id): c.title for c in load().values()}
    text = Text(f"{told(report, node)}\n")
    for kind, outcomes in _of(report, node).items():
        sign, style = OUTCOME[kind]
        text.append(f"\n{sign} {WORDS[kind]}\n", f"bold {style}")
        for outcome in outcomes:
            text.append_text(line(f"  {outcome.id}", "bold"))
            text.append_text(line(f"  {outcome.node}" if outcome.node and not node else "", QUIET))
            why = outcome.why.strip().splitlines()[-1] if outcome.why.strip() else titles[outcome.id]
            text.append_text(word("  ")).append_text(block(f"{why} {outcome.hint}".strip() + "\n"))
    return text
