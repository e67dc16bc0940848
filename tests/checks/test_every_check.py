"""Every check: its cases come out as they say, it is quiet on healthy clusters, and it has a help page."""

from __future__ import annotations

import pytest

from checks.cases import STACKS, drafted
from checks.check import HELP_HEADINGS, Case, Check, graph, load, section
from checks.engine import judge, one
from checks.finding import INFO, OutcomeKind
from facts.examples import example

CHECKS = list(load().values())
CASES = [pytest.param(c, case, id=f"{c.id}: {case.name}") for c in CHECKS for case in c.cases]


@pytest.mark.parametrize(("check", "case"), CASES)
def test_case(check: Check, case: Case) -> None:
    draft = drafted(case)
    node = draft.node if check.node_scope else ""
    outcome = one(check, draft.session, node)
    assert outcome.kind is not OutcomeKind.BROKEN, outcome.why
    if case.unknown:
        assert outcome.kind is OutcomeKind.UNKNOWN, outcome
    elif case.quiet:
        assert outcome.kind in (OutcomeKind.PASSED, OutcomeKind.SKIPPED), outcome
    else:
        wanted = draft.node if case.finds in ("", "node") else case.finds
        objects = [f"{f.object.namespace}/{f.object.name}".lstrip("/") for f in outcome.findings]
        assert wanted in objects, (outcome, wanted)
        if case.severity is not None:
            assert case.severity in {f.severity for f in outcome.findings}


@pytest.mark.parametrize("stack", STACKS)
def test_healthy_cluster_is_quiet(stack: str) -> None:
    report = judge(example(stack))
    broken = [(o.id, o.why) for o in report.of(OutcomeKind.BROKEN)]
    assert broken == []
    assert [(f.id, f.message) for f in report.findings if f.severity > INFO] == []
    assert [(o.id, o.node, o.why) for o in report.of(OutcomeKind.UNKNOWN)] == []


@pytest.mark.parametrize("check", CHECKS, ids=[c.id for c in CHECKS])
def test_check_is_whole(check: Check) -> None:
    """A case that fires, one that is quiet (the stacks are tested above), and a help page with its headings."""
    assert any(not c.quiet and not c.unknown for c in check.cases), "no case in which it finds something"
    assert check.help.splitlines()[0].strip(), "no first paragraph"
    for heading in HELP_HEADINGS:
        assert section(check.help, heading), f"the help page lacks `{heading}:`"


def test_links_have_no_circle() -> None:
    assert graph().links
