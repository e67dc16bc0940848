"""What is asked of a node in two processes, one after the other, is one verdict on the way into it."""

from __future__ import annotations

from nodedoubles import InFront

from facts.access import Access, Attempt
from facts.catalogue import load
from facts.collector.source import NodeSource
from facts.examples import FLANNEL_2022, path_of
from facts.fact import Failed
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording
from targets.target import NodeRef

EARLY = Failed("malformed", "The node's answer ended early.", "Ask again.", "truncated", "answer")


class FirstBreaksOff(InFront):
    """Recorded nodes; the first process of each ends early, though what was wanted for the second came."""

    def __init__(self, nodes: NodeSource) -> None:
        super().__init__(nodes)
        self.calls: list[str] = []

    def behind(self, node: NodeRef, access: Access) -> Access:
        self.calls.append(node.name)
        if self.calls.count(node.name) > 1:
            return access
        return Access((Attempt.broken_off("winrm", "10.0.1.21", EARLY),), access.hello)


def test_a_short_second_answer_does_not_make_good_a_first_that_broke_off() -> None:
    recorded = opened(Recording(path_of(FLANNEL_2022)))
    nodes = FirstBreaksOff(recorded.nodes)
    session = Session(recorded.cluster, nodes, now=recorded._recorded_now)
    session.gather([question.fact for question in load()])
    assert nodes.calls.count("win-1") == 2, "there was a second process"
    access = session.get(Access, "win-1")
    assert isinstance(access, Access) and access.way == ""
    assert access.attempts[0].code == "truncated"
