"""A Windows host and its own node ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import FLANNEL_2019, FLANNEL_2022, Case, Change, Draft
from checks.check import check
from checks.edits import node_object
from checks.finding import INFO, WARN, Problem, Said, Severity
from checks.service.addresses import LOOPBACK, own_addresses, targets
from checks.service.flows import (
    Tried,
    elsewhere,
    ended,
    has_ordinary_pod,
    listed,
    of,
    tried,
    untold,
)
from checks.service.ports import Served, node_port_balancer, node_ports
from checks.workload.configured import Words, configured, pod_object, shared_network
from checks.workload.edits import new_pod
from facts.access import ThisNode
from facts.cluster.objects import EnvVar, NodeObject, PodObject
from facts.cluster.workloads import Pods, ServiceObjects
from facts.derived.flow_plan import LOOPBACK_PORT, OTHER_PORT, OWN_PORT
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Each
from facts.node.hns import Hns
from facts.node.probes import Flow, FlowProbes

LOCAL_ROUTED_SINCE = (17763, 1432)  # KB4571748
HOST_IP = EnvVar("HOST_IP", value_from={"fieldRef": {"fieldPath": "status.hostIP"}})


WEB = "shop/win-web-public"
OWN = Flow(OWN_PORT, "10.0.1.21", 30080, "timeout", WEB, "win-1")
OTHER = Flow(OTHER_PORT, "10.0.1.22", 30080, "open", WEB, "win-2")


def _unrouted(draft: Draft) -> None:
    hns = draft.get(Hns)
    rules = tuple(replace(b, local_routed_vip=False) for b in hns.load_balancers)
    draft.put(Hns, replace(hns, load_balancers=rules))


def _untried(draft: Draft) -> None:
    draft.put(FlowProbes, Failed("deadline", "it hangs"))


def _without_rules(draft: Draft) -> None:
    hns = draft.get(Hns)
    draft.put(Hns, replace(hns, load_balancers=tuple(b for b in hns.load_balancers if b.vips)))


def _caller(*, host_process: bool = True, ready: bool = True) -> Change:
    """A pod that is told its own node's address with a node port."""
    return new_pod(
        "agent",
        host_process=host_process,
        ready=ready,
        env=(HOST_IP, EnvVar("FRONT", "http://$(HOST_IP):30080/health")),
    )


def _kernel(version: str) -> Change:
    def edit(node: NodeObject) -> NodeObject:
        info = replace(node.status.node_info, kernel_version=version)
        return replace(node, status=replace(node.status, node_info=info))

    return node_object(edit)


def _update_level(node: ThisNode) -> tuple[int, int]:
    match = re.match(r"10\.0\.(\d+)\.(\d+)", node.object.status.node_info.kernel_version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _told(
    node: ThisNode, pods: Pods, hosts: set[str], services: ServiceObjects
) -> Iterator[tuple[PodObject, Words, Served]]:
    """Pods on the node's own network that are told HOST:NODEPORT with one of `hosts`, each port once a pod."""
    by_port = {s.port.node_port: s for s in node_ports(services)}
    for pod in pods.on(node.name):
        if not shared_network(pod):
            continue
        seen: set[int] = set()
        for words in configured(pod):
            for target in targets(words.text):
                if target.host in hosts and target.port in by_port and target.port not in seen:
                    seen.add(target.port)
                    yield pod, Words(words.where, str(target)), by_port[target.port]


@check(
    "service.nodeport.from-own-host",
    title="No program on a Windows host relies on its own node's node ports",
    severity=WARN,
    cases=[
        Case(
            "a HostProcess agent that calls its own node",
            FLANNEL_2022,
            (_caller(ready=False),),
            finds="shop/agent",
            severity=WARN,
        ),
        Case(
            "one that is content, on a build where it may work",
            FLANNEL_2022,
            (_caller(),),
            finds="shop/agent",
            severity=INFO,
        ),
        Case(
            "on Server 2019 before August 2020",
            FLANNEL_2019,
            (_caller(), _kernel("10.0.17763.1339")),
            finds="shop/agent",
            severity=INFO,
        ),
        Case(
            "an ordinary pod may",
            FLANNEL_2022,
            (_caller(host_process=False),),
            quiet=True,
        ),
        Case(
            "tried: this host alone does not reach it",
            FLANNEL_2022,
            (tried(OWN, OTHER),),
            finds=WEB,
            severity=WARN,
        ),
        Case(
            "tried, and the rule is not for the host",
            FLANNEL_2022,
            (_unrouted, tried(OWN, OTHER)),
            finds=WEB,
            severity=INFO,
        ),
        Case(
            "tried: another node's does not answer either",
            FLANNEL_2022,
            (tried(OWN, replace(OTHER, outcome="timeout")),),
            quiet=True,
        ),
        Case(
            "tried: another node's answers, and nobody else reaches this node's",
            FLANNEL_2022,
            (tried(OWN, OTHER), tried(replace(OWN, purpose=OTHER_PORT), node="win-2")),
            quiet=True,
        ),
        Case(
            "tried, and an agent's call works on this build",
            FLANNEL_2022,
            (
                _caller(),
                tried(replace(OWN, outcome="open"), OTHER),
            ),
            quiet=True,
        ),
        Case(
            "tried, and HNS has no rule: that is another fault",
            FLANNEL_2022,
            (_without_rules, tried(OWN, OTHER)),
            quiet=True,
        ),
        Case("it could not be tried", FLANNEL_2022, (_untried,), unknown=True),
    ],
)
def from_own_host(
    node: ThisNode,
    services: ServiceObjects,
    pods: Pods,
    hns: Hns | Failed,
    flows: FlowProbes | Failed | NotApplicable,
    others: Each[FlowProbes],
) -> Iterator[Said]:
    """A Windows node may not reach its own address with a node port, while everybody else does.

    Rule: a HostProcess or hostNetwork pod is told its own node's address with a node port, or a connection that
    somebody asked for fails there; HNS has the rule; and where it was tried, other nodes reach the port, or this
    node reaches it on another node. Server 2019 below update 1432, or a rule without LocalRoutedVIP: info, it cannot
    work. Otherwise warn (Kubernetes documents the limit, newer builds may do it), and info for a pod that is ready
    where nobody tried.
    Remedy: from the host use the pod's address or the ClusterIP, or another node's address with the node port.
    Confused with: a broken Service: test from another node first.
    Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/; Microsoft's common problems page
    (KB4571748); microsoft/hcsshim hcn/hcnloadbalancer.go.
    """
    if (doubt := untold(flows)) is not None:
        yield doubt
    own = {flow.port: flow for flow in of(flows, OWN_PORT)}
    told: set[int] = set()
    for pod, words, served in _told(node, pods, own_addresses(node.object), services):
        flow = own.get(served.port.node_port)
        if not _limited(node, served, pods, hns, flow, flows, others):
            continue
        told.add(served.port.node_port)
        why, severity = _verdict(node, served, hns)
        if flow is None and pod.ready:
            severity = INFO  # nobody saw it fail
        yield Problem(
            f"Pod {pod.metadata.namespace}/{pod.metadata.name} calls its own node's node port, {words.text}: {why}.",
            pod_object(pod),
            severity=severity,
            proof={
                Pods: f"{words.where}: {words.text}",
                ServiceObjects: f"{served.name}: nodePort {served.port.node_port}",
                **_tried_here(flow, flows),
            },
        )
    for served in node_ports(services):
        port = served.port.node_port
        flow = own.get(port)
        if flow is None or port in told or not _limited(node, served, pods, hns, flow, flows, others):
            continue
        why, severity = _verdict(node, served, hns)
        yield Problem(
            f"From the node itself its node port {flow.host}:{port} {ended(flow)}: {why}.",
            served.object,
            severity=severity,
            proof=_tried_here(flow, flows),
        )


def _tried_here(flow: Flow | None, flows: Tried) -> dict[type[Fact], str]:
    if flow is None:
        return {}
    return {FlowProbes: listed((flow, *(f for f in of(flows, OTHER_PORT) if f.port == flow.port)))}


def _limited(
    node: ThisNode,
    served: Served,
    pods: Pods,
    hns: Hns | Failed,
    flow: Flow | None,
    flows: Tried,
    others: Each[FlowProbes],
) -> bool:
    """Whether the limit may be what a program on the host runs into: nothing else explains it."""
    if isinstance(hns, Hns) and node_port_balancer(hns, served) is None:
        return False
    if flow is None:
        return True
    seen = elsewhere(node.name, flow.port, flows, others)
    works = not seen or any(f.open for f in seen)
    return not flow.open and works and has_ordinary_pod(node.name, pods)


def _verdict(node: ThisNode, served: Served, hns: Hns | Failed) -> tuple[str, Severity]:
    build, ubr = _update_level(node)
    rule = node_port_balancer(hns, served) if isinstance(hns, Hns) else None
    if build == LOCAL_ROUTED_SINCE[0] and ubr < LOCAL_ROUTED_SINCE[1]:
        return f"Server 2019 at update {ubr} cannot do that (1432 or newer may)", INFO
    if rule is not None and not rule.local_routed_vip:
        return "kube-proxy made the rule without LocalRoutedVIP, so that it cannot work", INFO
    return "a documented limit of Windows, though it may work on this build", WARN


@check(
    "service.nodeport.loopback",
    title="No program on a Windows host asks 127.0.0.1 for a node port",
    severity=INFO,
    cases=[
        Case(
            "a HostProcess agent that does",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, args=["--url=http://localhost:30080"]),),
            finds="shop/agent",
        ),
        Case(
            "a container's own port on loopback",
            FLANNEL_2022,
            (new_pod("app", args=["--url=http://127.0.0.1:30080"]),),
            quiet=True,
        ),
        Case(
            "tried by somebody",
            FLANNEL_2022,
            (tried(Flow(LOOPBACK_PORT, "127.0.0.1", 30080, "refused", WEB, "win-1")),),
            finds="node",
        ),
        Case("it could not be tried", FLANNEL_2022, (_untried,), unknown=True),
    ],
)
def loopback(
    node: ThisNode,
    services: ServiceObjects,
    pods: Pods,
    flows: FlowProbes | Failed | NotApplicable,
) -> Iterator[Said]:
    """On Windows nothing listens on loopback for node ports: kube-proxy programs the host's other addresses only.

    Rule: a HostProcess or hostNetwork pod is told 127.0.0.1 or localhost with a node port; or a connection that
    somebody asked for fails there.
    Remedy: use the Service's ClusterIP and port, or the node's address from another machine.
    Confused with: a broken node port.
    Source: inference from kubernetes pkg/proxy/winkernel/proxier.go (rules without a VIP apply to host addresses).
    """
    if (doubt := untold(flows)) is not None:
        yield doubt
    for pod, words, served in _told(node, pods, set(LOOPBACK), services):
        yield Problem(
            f"Pod {pod.metadata.namespace}/{pod.metadata.name} asks {words.text}; on Windows no node port "
            "answers on loopback.",
            pod_object(pod),
            proof={
                Pods: f"{words.where}: {words.text}",
                ServiceObjects: f"{served.name}: nodePort {served.port.node_port}",
            },
        )
    failed = [flow for flow in of(flows, LOOPBACK_PORT) if not flow.open]
    if failed:
        where = ", ".join(f"{flow.host}:{flow.port}" for flow in failed)
        yield Problem(
            f"On the node a connection to {where} {ended(failed[0])}; on Windows no node port answers on loopback.",
            proof={FlowProbes: listed(failed)},
        )
