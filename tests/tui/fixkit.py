"""A Windows node with one fault that a step mends, and a cluster that keeps the lock: for tests of the dialog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from consolekit import judged, session_with, until
from nodedoubles import InFront
from textual.pilot import Pilot

from checks.cases import Change
from checks.edits import service
from facts.access import Now
from facts.collector.source import OnAnswer
from facts.collector.wire import Asked, RawAnswer
from facts.node.windows import Services
from facts.session import Session
from targets.config import Config, ContextLook
from targets.errors import NotFound
from targets.target import ClusterTarget, NodeRef
from tui.app import KwinnowApp
from tui.opening import Opened, Options
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen

T = TypeVar("T")
FINDING = "runtime.containerd.stopped"
BEFORE = {"state": "Stopped", "start_mode": "Auto"}


class Leases:
    """A cluster that answers as the example does and keeps the one lease that a lock needs."""

    def __init__(self, cluster: ClusterTarget) -> None:
        self._cluster = cluster
        self.context, self.server = cluster.context, cluster.server
        self.writes: list[str] = []
        self._lease: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def get(self, path: str, as_type: type[T]) -> T:
        if "/leases/kwinnow-" not in path:
            return self._cluster.get(path, as_type)
        if self._lease is None:
            raise NotFound("There is no such lease.")
        return msgspec.convert(self._lease, as_type)

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        if "/leases" not in path:
            return self._cluster.create(path, body, as_type)
        return self.request("POST", path, as_type, body=body)

    def request(self, method: str, path: str, as_type: type[T], *, body: object = None) -> T:
        self.writes.append(f"{method} {path}")
        self._lease = None if method == "DELETE" else msgspec.to_builtins(body)
        return msgspec.convert(self._lease or {"metadata": {}, "spec": {}}, as_type)


class Machine(InFront):
    """A Windows node with one service that a step may start; every other question is answered as recorded."""

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session.nodes)
        self.session, self.node = session, node
        self.running = False
        self.journal = ""  # what the node's own journal holds
        self.acts: list[dict[str, Any]] = []
        self.may_end = threading.Event()  # the act
        self.may_end.set()

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        ours: dict[str, Callable[[dict[str, Any]], object]] = {
            "act": self._act,
            "services": lambda _: self._services(node.name),
            "node_journal": lambda _: {"journal": self.journal if node.name == self.node else ""},
        }
        at = self.session.answer(Services, node.name).at
        for question in questions:
            if question.id in ours:
                value = ours[question.id](dict(question.parameters))
                on_answer(question.id, RawAnswer(at, 1, _raw(value), None))
        return [q for q in questions if q.id not in ours]

    def _act(self, parameters: dict[str, Any]) -> object:
        self.acts.append(parameters)
        self.may_end.wait(60)
        self.running = "before" not in parameters
        return {"before": {"state": "Stopped", "start_mode": "Auto"}, "after": {}, "changed": True}

    def _services(self, node: str) -> object:
        found = self.session.get(Services, node)
        assert isinstance(found, Services)
        told = msgspec.to_builtins(found)
        for item in told["services"]:
            if node == self.node and item["name"] == "containerd":
                item["state"] = "Running" if self.running else "Stopped"
        return told


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def made(*more: Change, read_only: bool = False) -> tuple[KwinnowApp, Machine, Leases]:
    example = session_with(service("containerd", state="Stopped", pid=0, node="win-1"), *more)
    machine = Machine(example, "win-1")
    cluster = Leases(example.cluster)
    now = example.get(Now)
    assert isinstance(now, Now)
    session = Session(cluster, machine, now=now.utc)
    session.answers = example.answers.copy()
    config = Config(Path("config.toml"), contexts={cluster.context: ContextLook(read_only=read_only)})

    def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
        return Opened(session, options, config)

    return KwinnowApp(Options(), opening), machine, cluster


async def to_the_finding(pilot: Pilot[None], app: KwinnowApp) -> None:
    await judged(pilot, app)
    await pilot.press("f")
    await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
    table = app.screen.query_one(Table)
    table.put(f"{FINDING}:node/win-1")
    assert table.cursor.startswith(FINDING)
