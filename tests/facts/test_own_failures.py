"""A defect of kwinnow itself, met by a thread that asks, is an answer too: never "has not been asked"."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeVar

import pytest
from nodedoubles import InFront

from facts.access import Access
from facts.catalogue import load
from facts.cluster.nodes import Nodes
from facts.collector.source import OnAnswer
from facts.collector.wire import Asked
from facts.examples import FLANNEL_2022, path_of
from facts.fact import QUESTIONS, Failed, Origin
from facts.recorded import opened
from targets.recording import RecordedCluster, Recording
from targets.target import NodeRef

T = TypeVar("T")


@pytest.fixture(autouse=True)
def tracebacks(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    """What threads died of: here it is wanted, so it goes nowhere else."""
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    return died


class BrokenCluster(RecordedCluster):
    """Every list but the nodes meets a defect."""

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        if path != "/api/v1/nodes":
            raise AttributeError("planted")
        return super().list(path, item, params=params)


class BrokenNodes(InFront):
    """One node meets a defect before it is asked anything."""

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        if node.name == "win-1":
            raise AttributeError("planted")
        return questions


def test_the_api_could_not_be_asked() -> None:
    recording = Recording(path_of(FLANNEL_2022))
    session = opened(recording)
    session.cluster = BrokenCluster(recording)
    of_cluster = [q.fact for q in load() if q.origin is Origin.CLUSTER]
    session.gather(of_cluster)
    values = {f: session.get(f) for f in of_cluster}
    failed = {f: v for f, v in values.items() if isinstance(v, Failed) and v.kind == "broken"}
    assert len(failed) > 8, "more than there are threads"
    assert isinstance(values[Nodes], Nodes)
    assert not [f for f, v in values.items() if isinstance(v, Failed) and v.kind == "not-asked"]
    for fact, value in failed.items():
        assert f"kwinnow facts {QUESTIONS[fact].name}" in value.hint


def test_a_node_could_not_be_asked_and_the_other_one_is() -> None:
    session = opened(Recording(path_of(FLANNEL_2022)))
    session.nodes = BrokenNodes(session.nodes)
    of_nodes = [q.fact for q in load() if q.origin is Origin.NODE]
    session.gather(of_nodes)
    values = [session.get(fact, "win-1") for fact in (Access, *of_nodes)]
    kinds = [v.kind for v in values if isinstance(v, Failed)]
    assert kinds.count("broken") > 20 and "not-asked" not in kinds
    assert isinstance(session.get(Access, "win-2"), Access)
