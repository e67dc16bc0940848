"""Active probes: TCP connections from the node to addresses that other facts name."""

from __future__ import annotations

from typing import Any

import msgspec

from facts.derived.probe_plan import ProbePlan
from facts.fact import Fact, asked_of_node


class Probe(msgspec.Struct, frozen=True):
    """What came of one TCP connection from the node."""

    purpose: str  # api, registry, own-nodeport, loopback-nodeport
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
    """Connections tried from the Windows host: the API server, the pause image's registry, node ports asked for."""

    probes: tuple[Probe, ...]

    @classmethod
    def parameters(cls, plan: ProbePlan) -> dict[str, Any]:
        return {
            "targets": [{"purpose": t.purpose, "host": t.host, "port": t.port} for t in plan.targets],
            "timeout_ms": 3000,
        }

    @classmethod
    def read(cls, answer: RawTcpProbes) -> TcpProbes:
        return cls(tuple(Probe(p.purpose, p.host, p.port, _outcome(p), p.ms) for p in answer.probes))

    def of(self, purpose: str) -> tuple[Probe, ...]:
        return tuple(p for p in self.probes if p.purpose == purpose)


def _outcome(probe: RawProbe) -> str:
    if probe.open:
        return "open"
    return _OUTCOMES.get(probe.error, "unreachable") if probe.error else "timeout"
