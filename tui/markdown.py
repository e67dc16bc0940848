"""A finding with its evidence as Markdown, for the ticket."""

from __future__ import annotations

from checks.engine import Report
from checks.finding import Finding


def fenced(text: str) -> str:
    """A code block that the text cannot close: the fence is longer than any run of backticks in it."""
    longest, run = 0, 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def finding_markdown(finding: Finding, report: Report, context: str, server: str) -> str:
    """The finding, what it leads to, its proof with the command that got it, and the remedy."""
    where = f" on node {finding.node}" if finding.node else ""
    parts = [
        f"## {finding.severity.word}: {finding.title}",
        f"`{finding.id}` — {finding.object}{where}, cluster `{context}` ({server})",
        finding.message,
    ]
    for evidence in finding.evidence:
        head = f"**{evidence.fact}** ({evidence.at:%Y-%m-%d %H:%M:%SZ}), from `{evidence.source}`"
        parts += [head, fenced(evidence.excerpt)]
    effects = report.ranked.consequences(finding.key)
    if effects:
        parts += ["It accounts for:", "\n".join(f"- `{e.id}` {e.object}: {e.message}" for e in effects)]
    if finding.remedy:
        parts.append(f"**Remedy:** {finding.remedy}")
    return "\n\n".join(parts) + "\n"
