"""Active probes: TCP connections from the node to addresses that other facts name."""

from __future__ import annotations

from typing import Any

import msgspec

from facts.derived.flow_plan import FlowPlan
from facts.derived.probe_plan import ProbePlan
from facts.fact import Fact, asked_of_node


class Probe(msgspec.Struct, frozen=True):
    """What came of one TCP connection from the node."""

    purpose: str  # api, registry
    host: str
    port: int
    outcome: str  # open, refused, timeout, name, unreachable
    ms: int = 0


# Names of System.Net.Sockets.SocketError.
_OUTCOMES = {
    "ConnectionRefused": "refused",
    "ConnectionReset": "refused",
    "TimedOut": "timeout",
    "HostNotFound": "name",
    "NoData": "name",
    "TryAgain": "name",
    "NoRecovery": "name",
}


TIMEOUT_MS = 3000


class RawProbe(msgspec.Struct, frozen=True):
    """One connection as the node saw it; neither open nor an error: nothing came within the time limit."""

    purpose: str
    host: str
    port: int
    open: bool
    error: str = ""
    ms: int = 0


class RawTcpProbes(msgspec.Struct, frozen=True):
    """The answer of tcp_probes.ps1."""

    probes: tuple[RawProbe, ...]


@asked_of_node("tcp_probes.ps1", seconds=20)
class TcpProbes(Fact, frozen=True):
    """Connections tried from the Windows host: the API server, the pause image's registry."""

    probes: tuple[Probe, ...]

    @classmethod
    def parameters(cls, plan: ProbePlan) -> dict[str, Any]:
        return {
            "targets": [{"purpose": t.purpose, "host": t.host, "port": t.port} for t in plan.targets],
            "timeout_ms": TIMEOUT_MS,
        }

    @classmethod
    def read(cls, answer: RawTcpProbes) -> TcpProbes:
        return cls(tuple(Probe(p.purpose, p.host, p.port, _outcome(p), p.ms) for p in answer.probes))

    def of(self, purpose: str) -> tuple[Probe, ...]:
        return tuple(p for p in self.probes if p.purpose == purpose)


class Flow(msgspec.Struct, frozen=True):
    """What came of one connection from a Windows host towards a Service, by one of its addresses."""

    purpose: str  # as facts.derived.flow_plan names it
    host: str
    port: int
    outcome: str  # as that of a Probe; refused: a stack without a listener answered, timeout: nobody did
    service: str  # namespace/name
    node: str = ""  # whose address it is; "" for a virtual one
    ms: int = 0

    @property
    def open(self) -> bool:
        return self.outcome == "open"

    def __str__(self) -> str:
        return f"{self.host}:{self.port} {self.outcome}"


@asked_of_node("tcp_probes.ps1", seconds=20)
class FlowProbes(Fact, frozen=True):
    """Connections tried from the Windows host to node ports, ClusterIPs and pods, when somebody wants them."""

    flows: tuple[Flow, ...]

    @classmethod
    def parameters(cls, plan: FlowPlan) -> dict[str, Any]:
        return {
            "targets": [{"purpose": t.purpose, "host": t.host, "port": t.port} for t in plan.targets],
            "timeout_ms": TIMEOUT_MS,
        }

    @classmethod
    def read(cls, answer: RawTcpProbes, plan: FlowPlan) -> FlowProbes:
        planned = {(t.purpose, t.host, t.port): t for t in plan.targets}
        found = []
        for probe in answer.probes:
            target = planned.get((probe.purpose, probe.host, probe.port))
            if target is not None:
                found.append(
                    Flow(
                        probe.purpose,
                        probe.host,
                        probe.port,
                        _outcome(probe),
                        target.service,
                        target.node,
                        probe.ms,
                    )
                )
        return cls(tuple(found))

    def of(self, *purposes: str) -> tuple[Flow, ...]:
        return tuple(f for f in self.flows if f.purpose in purposes)


def _outcome(probe: RawProbe) -> str:
    if probe.open:
        return "open"
    return _OUTCOMES.get(probe.error, "unreachable") if probe.error else "timeout"
