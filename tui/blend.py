"""What is known while everything is asked anew: the fresh answers where they are whole, the former ones elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from facts.answers import Answer
from facts.fact import Fact
from facts.needs import Each, Need, per_node
from facts.session import Session


@dataclass
class Blend:
    """Reads like a session. A node's fresh answers count once the node is through, and the cluster's likewise, so
    that no check judges half of a node anew and no screen empties while a node hangs.
    """

    fresh: Session
    former: Session
    through: set[str] = field(default_factory=set)  # nodes whose fresh answers are whole; "" is the cluster

    def _session(self, node: str) -> Session:
        return self.fresh if node in self.through else self.former

    def windows_nodes(self) -> list[str]:
        return self._session("").windows_nodes()

    def answer(self, fact: type[Fact], node: str = "") -> Answer:
        return self._session(node if per_node(fact) else "").answer(fact, node)

    def get(self, fact: type[Fact], node: str = "") -> object:
        return self.answer(fact, node).value

    def supply(self, need: Need, node: str) -> object:
        if need.each:
            return Each({name: self._session(name).get(need.fact, name) for name in self.windows_nodes()})
        return self.answer(need.fact, node).value
