"""Connections that somebody asked for, as the checks of Services read them."""

from __future__ import annotations

from collections.abc import Iterable

from checks.cases import Change, Draft
from checks.finding import CannotTell, Finding
from checks.workload.configured import shared_network
from facts.cluster.workloads import Pods
from facts.derived.flow_plan import OTHER_PORT
from facts.fact import Failed, NotApplicable
from facts.needs import Each
from facts.node.probes import Flow, FlowProbes

Tried = FlowProbes | Failed | NotApplicable
_ENDED = {"refused": "is refused", "timeout": "times out", "unreachable": "finds no route"}


def tried(*flows: Flow, node: str = "") -> Change:
    """For cases: somebody asked, and this came of it on the draft's first node."""

    def apply(draft: Draft) -> None:
        draft.put(FlowProbes, FlowProbes(flows), node)

    return apply


def of(flows: Tried, *purposes: str) -> tuple[Flow, ...]:
    return flows.of(*purposes) if isinstance(flows, FlowProbes) else ()


def ended(flow: Flow) -> str:
    """How it ended, as the end of a sentence: refused is another thing than no answer."""
    return _ENDED.get(flow.outcome, flow.outcome)


def listed(flows: Iterable[Flow]) -> str:
    return ", ".join(map(str, flows))


def untold(flows: Tried) -> CannotTell | None:
    """What to say where somebody asked and nothing could be tried."""
    if isinstance(flows, Failed) and flows.kind not in ("not-asked", "derived-not-asked"):
        return CannotTell(flows.why, hint=flows.hint)
    return None


def from_others(node: str, port: int, others: Each[FlowProbes]) -> list[Flow]:
    """What other nodes met at this node's node port."""
    return [
        flow
        for name, flows in others
        if name != node
        for flow in flows.of(OTHER_PORT)
        if flow.node == node and flow.port == port
    ]


def elsewhere(node: str, port: int, flows: Tried, others: Each[FlowProbes]) -> list[Flow]:
    """What other nodes met at this node's node port; where none tried, what this node met at another's."""
    return from_others(node, port, others) or [f for f in of(flows, OTHER_PORT) if f.port == port]


def has_ordinary_pod(node: str, pods: Pods) -> bool:
    """Whether a pod with a network of its own is on the node: Windows forwards no node port without one."""
    return any(not shared_network(p) and p.status.phase not in ("Succeeded", "Failed") for p in pods.on(node))


def MET_AT_ITS_NODE_PORT(cause: Finding, effect: Finding) -> bool:
    """The effect is what another node met at a node port of the cause's node (and Service, if the cause names one)."""
    if not cause.node or f"{node_port_of(cause.node)} (" not in effect.message:
        return False
    named = f"Service {cause.object.namespace}/{cause.object.name})"
    return cause.object.kind != "Service" or named in effect.message


def node_port_of(node: str) -> str:
    return f"the node port of {node}"
