"""Nodes that a test puts in front of others, to spoil or to count what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence

from facts.access import Access
from facts.collector.source import NodeSource, OnAnswer, OnHello
from facts.collector.wire import Asked
from targets.deadline import Deadline
from targets.target import NodeRef


class InFront:
    """A NodeSource that passes everything on. A test overrides `ahead`, `behind` or both."""

    def __init__(self, nodes: NodeSource) -> None:
        self.nodes = nodes

    def cancel(self, node: str) -> None:
        self.nodes.cancel(node)

    def collect(
        self,
        node: NodeRef,
        questions: Sequence[Asked],
        deadline: Deadline,
        on_hello: OnHello,
        on_answer: OnAnswer,
    ) -> Access:
        rest = self.ahead(node, questions, on_answer)
        return self.behind(node, self.nodes.collect(node, rest, deadline, on_hello, on_answer))

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        """Before anything is passed on: what is left to ask."""
        return questions

    def behind(self, node: NodeRef, access: Access) -> Access:
        """After the others answered: how the node was reached."""
        return access
