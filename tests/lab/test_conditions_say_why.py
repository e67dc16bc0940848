"""Where the lab lets nobody look, each Unknown says which right or which program is in the way, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from practicekit import session_on

from checks.check import load
from checks.engine import judge
from checks.finding import Outcome, OutcomeKind
from lab.practice import Practice

pytestmark = pytest.mark.pwsh
VERB_AND_RESOURCE = re.compile(r"may not (get|list) [a-z]")


@pytest.fixture(scope="module")
def cluster(pwsh: str) -> Iterator[Practice]:
    with Practice("flannel-2022") as made:
        yield made


def unknown(cluster: Practice, condition: str) -> list[Outcome]:
    cluster.plant(condition)
    try:
        session = session_on(cluster)
        session.gather({fact for check in load().values() for fact in check.facts})
        return list(judge(session).of(OutcomeKind.UNKNOWN))
    finally:
        cluster.unplant(condition)


def test_with_few_rights_the_right_is_named(cluster: Practice) -> None:
    found = unknown(cluster, "few-rights")
    assert len(found) > 50
    assert [o for o in found if not VERB_AND_RESOURCE.search(o.why) or not o.hint] == []


@pytest.mark.parametrize("condition", ["not-elevated", "clm"])
def test_there_is_a_way_out(cluster: Practice, condition: str) -> None:
    found = unknown(cluster, condition)
    assert found and [(o.id, o.why) for o in found if not o.hint] == []
