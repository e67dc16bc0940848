"""A report as the JSON that `kwinnow check --json` prints. Schema: docs/schemas/check.json."""

from __future__ import annotations

from typing import Any

from checks.engine import Report
from checks.finding import Finding, OutcomeKind


def finding_json(finding: Finding, report: Report) -> dict[str, Any]:
    """One finding, all text cleaned already."""
    return {
        "id": finding.id,
        "key": finding.key,
        "severity": finding.severity.word,
        "object": {
            "kind": finding.object.kind,
            "namespace": finding.object.namespace,
            "name": finding.object.name,
        },
        "node": finding.node or None,
        "title": finding.title,
        "message": finding.message,
        "evidence": [
            {"fact": e.fact, "source": e.source, "at": e.at.isoformat(), "excerpt": e.excerpt}
            for e in finding.evidence
        ],
        "remedy": finding.remedy,
        "explains": list(report.ranked.explains[finding.key]),
        "explained_by": list(report.ranked.explained_by[finding.key]),
    }


def report_json(report: Report) -> dict[str, Any]:
    """The whole object: findings, unknown, counts. A broken check is listed as unknown, with its traceback."""
    unsure = [o for o in report.outcomes if o.kind in (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN)]
    return {
        "findings": [finding_json(f, report) for f in report.findings],
        "unknown": [{"id": o.id, "node": o.node or None, "why": o.why, "hint": o.hint} for o in unsure],
        "counts": report.counts(),
    }
