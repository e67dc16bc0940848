"""A session asks real engines through a way in: the whole path from a question to a typed fact."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
import pytest
from nodekit import Bench, node_questions, read

from facts.access import Access, Attempt
from facts.answers import Progress
from facts.collector.source import LiveNodes
from facts.derived.pause_image import PauseImage
from facts.derived.probe_plan import ProbePlan
from facts.fact import QUESTIONS, Fact, Failed, NotApplicable, Origin
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet
from facts.node.probes import TcpProbes
from facts.node.runtime import Containerd, Docker
from facts.node.windows import Clock, Os, Services, TimeSource
from facts.session import Session
from lab.windows.runs import Run
from lab.world.machine import Machine
from lab.world.state import World
from targets.deadline import Deadline
from targets.errors import NotFound, Unreachable
from targets.target import NodeRef, NodeWay

T = TypeVar("T")
pytestmark = pytest.mark.pwsh
BenchFactory = Callable[[Machine], Bench]


class OneCluster:
    """The API as far as a session about nodes needs it: the lists of a world of the lab, nothing else."""

    context = "practice"
    server = "https://10.0.1.10:6443"

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, path: str, as_type: type[T]) -> T:
        raise NotFound(f"There is no {path}.")

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        raise NotFound(f"There is no {path}.")

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        raise NotFound(f"There is no {path}.")

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        if path != "/api/v1/nodes":
            return []
        found = [o for o in self._world.objects.values() if o["kind"] == "Node"]
        return [msgspec.convert(o, item, strict=False) for o in found]


class EngineWay:
    """A way that starts the engine on a bench."""

    way = "winrm"

    def __init__(self, bench: Bench, cut: int | None = None) -> None:
        self.address = f"https://{bench.machine.address}:5986"
        self._bench = bench
        self._cut = cut
        self._run: Run | None = None
        self._stopped = threading.Event()

    def run(self, command: str, stdin: bytes, deadline: Deadline) -> Iterator[bytes]:
        self._run = self._bench.start(command, stdin)
        left = self._cut
        for chunk in read(self._run, deadline):
            if self._stopped.is_set():
                raise Unreachable("The way was shut.")
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            if chunk:
                yield chunk

    def cancel(self) -> None:
        self._stopped.set()
        if self._run is not None:
            self._run.kill()


class EngineWays:
    """A bench a node; a node without one cannot be reached."""

    def __init__(self, benches: dict[str, Bench], cut: int | None = None) -> None:
        self._benches = benches
        self._cut = cut
        self.opened: list[str] = []

    def open(self, node: NodeRef) -> NodeWay:
        self.opened.append(node.name)
        if node.name not in self._benches:
            raise Unreachable(f"{node.name} refuses connections to port 5986.", "Is WinRM on?")
        return EngineWay(self._benches[node.name], self._cut)


def make(world: World, ways: EngineWays, **more: Any) -> Session:
    return Session(OneCluster(world), LiveNodes(ways), node_seconds=120.0, **more)


def test_every_question_of_one_node_in_one_process_and_probes_in_a_second(
    bench: BenchFactory, overlay_world: World
) -> None:
    machine = overlay_world.windows["win-1"]
    ways = EngineWays({"win-1": bench(machine)})
    session = make(overlay_world, ways, only=["win-1"])
    told: list[Progress] = []
    # Everything but the probes needs no other answer; their addresses come from the first process.
    wanted = [q.fact for q in node_questions()]
    session.gather([*wanted, PauseImage, Clock], told.append)
    assert ways.opened == ["win-1", "win-1"]
    for fact in wanted:
        value = session.get(fact, "win-1")
        assert not isinstance(value, Failed), f"{fact.__name__}: {value}"
    assert isinstance(session.get(Docker, "win-1"), NotApplicable)
    access = session.get(Access, "win-1")
    assert isinstance(access, Access) and access.way == "winrm" and access.hello is not None
    probes, plan = session.get(TcpProbes, "win-1"), session.get(ProbePlan, "win-1")
    assert isinstance(probes, TcpProbes) and isinstance(plan, ProbePlan)
    assert [p.outcome for p in probes.of("api")] == ["open"]
    pause = session.get(PauseImage, "win-1")
    assert isinstance(pause, PauseImage)
    assert (pause.reference, pause.origin) == ("registry.k8s.io/pause:3.10", "crictl info")
    clock = session.get(Clock, "win-1")
    assert isinstance(clock, Clock) and abs(clock.skew) <= clock.uncertainty
    assert {p.outcome for p in told if p.fact} <= {"known", "not-applicable"}
    source = session.answer(Hns, "win-1")
    assert source.source and source.ms >= 0


def test_one_node_answers_while_the_other_cannot_be_reached(
    bench: BenchFactory, overlay_world: World
) -> None:
    ways = EngineWays({"win-1": bench(overlay_world.windows["win-1"])})
    session = make(overlay_world, ways)
    session.gather([TimeSource, Services])
    assert isinstance(session.get(TimeSource, "win-1"), TimeSource)
    failed = session.get(TimeSource, "win-2")
    assert isinstance(failed, Failed) and failed.kind == "unreachable" and failed.hint == "Is WinRM on?"
    access = session.get(Access, "win-2")
    assert isinstance(access, Access) and access.way == ""
    assert access.attempts[0].why == "win-2 refuses connections to port 5986."


def test_again_asks_anew(bench: BenchFactory, overlay_world: World) -> None:
    machine = overlay_world.windows["win-1"]
    ways = EngineWays({"win-1": bench(machine)})
    session = make(overlay_world, ways, only=["win-1"])
    session.gather([TimeSource, Os])
    first = session.answer(Os, "win-1")
    session.gather([TimeSource, Os])
    assert len(ways.opened) == 1, "each question once"
    session.again([TimeSource])
    assert len(ways.opened) == 2
    assert session.answer(Os, "win-1") is first


def test_an_answer_that_breaks_off_is_not_an_answer(bench: BenchFactory, overlay_world: World) -> None:
    ways = EngineWays({"win-1": bench(overlay_world.windows["win-1"])}, cut=400)
    session = make(overlay_world, ways, only=["win-1"])
    session.gather([Kubelet, Containerd])
    for fact in (Kubelet, Containerd):
        value = session.get(fact, "win-1")
        assert isinstance(value, Failed) and (value.kind, value.code) == ("malformed", "truncated")
    access = session.get(Access, "win-1")
    assert isinstance(access, Access) and access.hello is not None
    assert access.way == "" and access.attempts[0].stage == "answer"


def test_constrained_language_leaves_the_rest_unknown_with_the_reason(
    bench: BenchFactory, overlay_world: World
) -> None:
    machine = overlay_world.windows["win-1"]
    machine.os.language_mode = "ConstrainedLanguage"
    session = make(overlay_world, EngineWays({"win-1": bench(machine)}), only=["win-1"])
    session.gather([Os, Services, Hns])
    assert isinstance(session.get(Os, "win-1"), Os) and isinstance(session.get(Services, "win-1"), Services)
    hns = session.get(Hns, "win-1")
    assert isinstance(hns, Failed) and (hns.kind, hns.code) == ("constrained", "clm")
    access = session.get(Access, "win-1")
    assert isinstance(access, Access) and access.constrained
    assert access.attempts == (Attempt("winrm", f"https://{machine.address}:5986"),), "the way works"


def test_node_facts_are_declared_once() -> None:
    assert len({q.name for q in node_questions()}) == 25
    kinds: set[type[Fact]] = {q.fact for q in QUESTIONS.values() if q.origin is Origin.NODE}
    assert all(fact.__doc__ for fact in kinds)
