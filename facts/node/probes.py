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

    def of(self, purpose: str) -> tuple[Probe, ...]:
        return tuple(p for p in self.probes if p.purpose == purpose)
