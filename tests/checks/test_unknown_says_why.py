"""Unknown is a result with a reason and a way out: what failed at the root is named, however far below it lies."""

from __future__ import annotations

import pytest

from checks.cases import STACKS, Case, Change, Draft, drafted
from checks.engine import judge
from checks.finding import OutcomeKind
from facts.catalogue import load
from facts.cluster.nodes import Nodes
from facts.fact import Fact, Failed, Origin

ASKED = [q.fact for q in load() if q.origin in (Origin.CLUSTER, Origin.NODE) and q.fact is not Nodes]
DENIED = [q.fact for q in load() if q.origin is Origin.CLUSTER and q.fact is not Nodes]


def denied(fact: type[Fact]) -> Change:
    """As a missing right fails."""
    failed = Failed("permission-denied", f"anna may not list {fact.__name__}.", "Ask for a role.")

    def apply(draft: Draft) -> None:
        for node in draft.session.windows_nodes():
            draft.put(fact, failed, node)

    return apply


@pytest.mark.parametrize("stack", STACKS)
def test_with_few_rights_every_unknown_names_a_right(stack: str) -> None:
    report = judge(drafted(Case("few rights", stack, tuple(denied(f) for f in DENIED))).session)
    unknown = report.of(OutcomeKind.UNKNOWN)
    assert len(unknown) > 50
    assert [o for o in unknown if "may not list" not in o.why or not o.hint] == []


@pytest.mark.parametrize("fact", ASKED, ids=lambda f: f.__name__)
def test_where_one_fact_fails_every_unknown_names_it(fact: type[Fact]) -> None:
    report = judge(drafted(Case("one fails", STACKS[0], (denied(fact),))).session)
    unknown = report.of(OutcomeKind.UNKNOWN)
    assert [o for o in unknown if f"may not list {fact.__name__}." not in o.why or not o.hint] == []
    assert report.of(OutcomeKind.BROKEN) == ()
