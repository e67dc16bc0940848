"""What looks at a practice cluster from outside, as the product does, at a moment that stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from nodedoubles import InFront

from facts.collector.source import LiveNodes, NodeSource, OnAnswer
from facts.collector.wire import Asked
from facts.session import Session
from lab.practice import HEARTBEAT, Practice
from lab.windows.recordings import EPOCH
from targets.cluster import open_cluster
from targets.config import load
from targets.configured_ways import ConfiguredWays
from targets.passwords import Passwords
from targets.target import ClusterTarget, CommandLog, NodeRef

PATIENCE = 600.0  # seconds: what is recorded once may take its time on a busy computer
MOMENT = datetime.fromtimestamp(EPOCH, UTC)
Wrap = Callable[[ClusterTarget, NodeSource], tuple[ClusterTarget, NodeSource]]


class FixedClock:
    """It is always the same moment. The heartbeat never comes; a question that hangs has used up its time at once."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self.epoch = epoch

    def now(self) -> float:
        return self.epoch

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait() if seconds == HEARTBEAT else stop.is_set()


class LateClock(FixedClock):
    """The wall's clock, `behind` seconds late: set it to 0 and hours have gone by."""

    def __init__(self, behind: float = 0.0) -> None:
        self.behind = behind
        super().__init__(self.now())

    def now(self) -> float:
        return time.time() - self.behind


class Patient(InFront):
    """A NodeSource whose questions may take long: a slow computer must not change an answer."""

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        return [msgspec.structs.replace(q, seconds=PATIENCE / 2) for q in questions]


def session_on(practice: Practice, wrap: Wrap | None = None, seconds: float = PATIENCE) -> Session:
    """The product's session on a practice cluster, over the network, with the files that it leaves for clients."""
    log = CommandLog()
    cluster: ClusterTarget = open_cluster(practice.kubeconfig, None, log)
    passwords = Passwords({"KWINNOW_PASSWORD": practice.password}, keyring=lambda *_: None)
    nodes: NodeSource = LiveNodes(ConfiguredWays(load(str(practice.config)), passwords, log))
    if wrap is not None:
        cluster, nodes = wrap(cluster, nodes)
    moment = datetime.fromtimestamp(practice.clock.now(), UTC)
    return Session(cluster, nodes, now=moment, log=log, node_seconds=seconds)


class Clusters:
    """Practice clusters, each started once, when it is first wanted."""

    def __init__(self, make: Callable[[str], Practice]) -> None:
        self._make = make
        self._held: dict[str, Practice] = {}

    def get(self, scenario: str) -> Practice:
        if scenario not in self._held:
            self._held[scenario] = self._make(scenario).start()
        return self._held[scenario]

    def stop(self) -> None:
        for cluster in self._held.values():
            cluster.stop()
