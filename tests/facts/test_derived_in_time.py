"""A derived fact that somebody reads while answers are still on their way does not stay as it was then."""

from __future__ import annotations

import pytest

from facts.catalogue import load
from facts.cluster.nodes import Nodes
from facts.examples import CLASSIC_2019, FLANNEL_2022, path_of
from facts.fact import QUESTIONS, Fact, Origin
from facts.needs import per_node
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording


def read(session: Session, facts: list[type[Fact]]) -> dict[tuple[type[Fact], str], object]:
    places = session.windows_nodes()
    return {(f, n): session.get(f, n) for f in facts for n in (places if per_node(f) else [""])}


@pytest.mark.parametrize("stack", [FLANNEL_2022, CLASSIC_2019])
def test_what_was_read_too_early_is_worked_out_anew(stack: str) -> None:
    everything = [q.fact for q in load()]
    derived = [f for f in everything if QUESTIONS[f].origin is Origin.DERIVED]
    late = opened(Recording(path_of(stack)))
    late.gather(everything)
    expected = read(late, derived)

    early = opened(Recording(path_of(stack)))
    early.gather([Nodes])
    premature = read(early, derived)
    for fact in sorted((f for f in everything if QUESTIONS[f].origin is Origin.NODE), key=str):
        early.gather([fact])
        read(early, derived)
    assert premature != expected, "some of them accept that a need has failed, and say something at once"
    early.gather(everything)
    assert read(early, derived) == expected


def test_what_is_settled_is_worked_out_once() -> None:
    session = opened(Recording(path_of(FLANNEL_2022)))
    everything = [q.fact for q in load()]
    session.gather(everything)
    derived = [f for f in everything if QUESTIONS[f].origin is Origin.DERIVED]
    first, second = read(session, derived), read(session, derived)
    assert all(first[key] is second[key] for key in first)
