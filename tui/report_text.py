"""A report for people: causes first, what they lead to beneath, then what could not be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from checks.engine import Report
from checks.finding import Finding, Outcome, OutcomeKind, Severity
from targets.clean import clean, clean_line

SIGNS = {Severity.ERROR: ("✖", "bold red"), Severity.WARN: ("▲", "yellow"), Severity.INFO: ("·", "cyan")}


def headline(finding: Finding) -> Text:
    """Sign, severity, id, object and node of a finding on one line. A sign too, never colour alone."""
    sign, style = SIGNS[finding.severity]
    where = f" on {finding.node}" if finding.node and finding.object.kind != "Node" else ""
    return Text.assemble(
        (f"{sign} {finding.severity.word:5} ", style),
        (finding.id, "bold"),
        clean_line(f"  {finding.object}{where}"),
    )


def print_report(report: Report, console: Console) -> None:
    """Print findings, what could not be told, and the counts."""
    told: set[str] = set()
    for cause in report.ranked.causes:
        _print_finding(cause, console)
        for effect in report.ranked.consequences(cause.key):
            if effect.key not in told:
                told.add(effect.key)
                console.print(
                    Text("      ↳ ").append_text(headline(effect)).append(clean_line(f"  {effect.message}"))
                )
        console.print()
    if not report.findings:
        console.print("Nothing found.")
    for line in unknown_lines(report):
        console.print(line)
    console.print(Text(", ".join(f"{n} {kind}" for kind, n in report.counts().items()), style="dim"))


def _print_finding(finding: Finding, console: Console) -> None:
    console.print(headline(finding))
    console.print(Text(clean_line(f"    {finding.message}")))
    for evidence in finding.evidence:
        first, *more = clean(evidence.excerpt).splitlines() or [""]
        console.print(Text(f"    proof   {evidence.fact}: {first}", style="dim"))
        for line in more[:8]:
            console.print(Text(f"            {line}", style="dim"))
    if finding.remedy:
        console.print(Text(clean_line(f"    remedy  {finding.remedy}")))


def unknown_lines(report: Report) -> Iterator[Text]:
    """What could not be told, the same reason said once with how many checks it stopped."""
    unsure: list[Outcome] = [*report.of(OutcomeKind.UNKNOWN), *report.of(OutcomeKind.BROKEN)]
    reasons = Counter((o.node, o.why.splitlines()[-1] if o.why else "", o.hint) for o in unsure)
    for (node, why, hint), count in reasons.most_common():
        where = f" on {node}" if node else ""
        said = f"{count} check{'s' * (count > 1)}{where}: {why} {hint}".rstrip()
        yield Text.assemble(("? could not tell ", "magenta"), clean_line(said))
