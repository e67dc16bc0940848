"""A step asks the node that it is about, and no other; giving the lock back never hides what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest
from consolekit import session_with
from nodedoubles import InFront

from checks.check import load
from checks.finding import OutcomeKind
from facts.access import Access, Now
from facts.collector.source import NodeSource, OnAnswer
from facts.collector.wire import Asked
from facts.derived.stack import Stack
from facts.node.network import Firewall
from facts.session import Session
from playbooks.audit import Audit
from playbooks.engine import StepRunner
from playbooks.journal import Journal
from playbooks.lock import Locking, locked
from playbooks.step import steps
from targets.errors import NotFound, PermissionDenied, TargetError, Unreachable
from targets.target import NodeRef

T = TypeVar("T")
STEP = "cni.flannel.firewall-4789"


class Counting(InFront):
    """The example's nodes; who was asked is written down."""

    def __init__(self, nodes: NodeSource) -> None:
        super().__init__(nodes)
        self.asked: list[tuple[str, set[str]]] = []

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        self.asked.append((node.name, {q.id for q in questions}))
        return questions


def test_verifying_asks_one_node_and_renews_what_derives_from_it(tmp_path: Path) -> None:
    example = session_with()
    now = example.get(Now)
    assert isinstance(now, Now)
    nodes = Counting(example.nodes)
    session = Session(example.cluster, nodes, now=now.utc)
    step = next(s for i, s in steps().items() if i == STEP)
    session.gather(load()[step.check].facts)
    assert {name for name, _ in nodes.asked} == {"win-1", "win-2"}
    before = {(f, n): session.answer(f, n) for f in (Firewall, Stack, Access) for n in ("win-1", "win-2")}
    nodes.asked.clear()

    runner = StepRunner(session, cast(Locking, session.cluster), Journal(tmp_path), Audit(tmp_path))
    assert runner.verify(step, "win-1").kind is OutcomeKind.PASSED
    assert {name for name, _ in nodes.asked} == {"win-1"}
    assert any("firewall" in ids for _, ids in nodes.asked)
    for (fact, node), answer in before.items():
        assert (session.answer(fact, node) is answer) is (node == "win-2"), f"{fact.__name__} of {node}"


class Leases:
    """One lease, whose requests may fail."""

    def __init__(self, fails: Callable[[str], TargetError | None]) -> None:
        self.fails = fails
        self.lease: Any = None

    def _told(self, verb: str, as_type: type[T]) -> T:
        error = self.fails(verb)
        if error is not None:
            raise error
        if self.lease is None:
            raise NotFound("There is no such lease.")
        return msgspec.convert(self.lease, as_type)

    def get(self, path: str, as_type: type[T]) -> T:
        return self._told("get", as_type)

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        self.lease = msgspec.to_builtins(body)
        return self._told("create", as_type)

    def request(self, method: str, path: str, as_type: type[T], *, body: object = None) -> T:
        self.lease = msgspec.to_builtins(body)
        return self._told(method, as_type)


def test_a_lock_that_cannot_be_given_back_is_told_and_not_raised() -> None:
    gone = Unreachable("The API server does not answer.")
    told: list[str] = []
    with locked(Leases(lambda verb: gone if verb == "PUT" else None), "win-1", "anna@desk", told.append):
        assert told == []
    assert len(told) == 1 and "could not be given back" in told[0] and "does not answer" in told[0]


def test_without_the_right_to_a_lease_the_nodes_own_lock_is_named() -> None:
    denied = PermissionDenied("anna may not create leases.", verb="create", resource="leases")
    told: list[str] = []
    with locked(Leases(lambda verb: denied if verb == "create" else None), "win-1", "anna@desk", told.append):
        assert told == ["anna may not create leases. Only the lock on win-1 itself keeps others away."]


def test_a_cluster_that_cannot_be_asked_stops_the_act() -> None:
    gone = Unreachable("The API server does not answer.")
    with pytest.raises(Unreachable), locked(Leases(lambda _: gone), "win-1", "anna@desk"):
        pytest.fail("the act was begun")
