"""A Windows host and its own node ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from checks.cases import FLANNEL_2019, FLANNEL_2022, Case, Change, change
from checks.check import check
from checks.finding import INFO, WARN, Problem, Said, Severity
from checks.service.addresses import LOOPBACK, own_addresses, targets
from checks.service.ports import Served, node_port_balancer, node_ports
from checks.workload.configured import Words, configured, pod_object, shared_network
from checks.workload.edits import new_pod
from facts.access import ThisNode
from facts.cluster.objects import EnvVar, PodObject
from facts.cluster.workloads import Pods, ServiceObjects
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns
from facts.node.probes import Probe, TcpProbes

replace = msgspec.structs.replace
LOCAL_ROUTED_SINCE = (17763, 1432)  # KB4571748
HOST_IP = EnvVar("HOST_IP", value_from={"fieldRef": {"fieldPath": "status.hostIP"}})


def _probe(*probes: Probe) -> Change:
    return change(TcpProbes, lambda t: TcpProbes((*t.probes, *probes)))


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
            (
                new_pod(
                    "agent",
                    host_process=True,
                    env=(HOST_IP, EnvVar("FRONT", "http://$(HOST_IP):30080/health")),
                ),
            ),
            finds="shop/agent",
            severity=WARN,
        ),
        Case(
            "on Server 2019 before August 2020",
            FLANNEL_2019,
            (
                new_pod(
                    "agent",
                    host_process=True,
                    env=(HOST_IP, EnvVar("FRONT", "http://$(HOST_IP):30080/health")),
                ),
                change(
                    ThisNode,
                    lambda n: ThisNode(
                        replace(
                            n.object,
                            status=replace(
                                n.object.status,
                                node_info=replace(
                                    n.object.status.node_info, kernel_version="10.0.17763.1339"
                                ),
                            ),
                        )
                    ),
                ),
            ),
            finds="shop/agent",
            severity=INFO,
        ),
        Case(
            "an ordinary pod may",
            FLANNEL_2022,
            (new_pod("agent", env=(HOST_IP, EnvVar("FRONT", "http://$(HOST_IP):30080/"))),),
            quiet=True,
        ),
        Case(
            "a probe that somebody asked for",
            FLANNEL_2022,
            (_probe(Probe("own-nodeport", "10.0.1.21", 30080, "timeout")),),
            finds="node",
        ),
    ],
)
def from_own_host(
    node: ThisNode,
    services: ServiceObjects,
    pods: Pods,
    hns: Hns | Failed,
    probes: TcpProbes | Failed | NotApplicable,
) -> Iterator[Said]:
    """A Windows node may not reach its own address with a node port, while everybody else does.

    Rule: a HostProcess or hostNetwork pod is told its own node's address with a node port (or a probe asked for it
    failed), and HNS has the rule. Server 2019 below update 1432, or a rule without LocalRoutedVIP: info, it cannot
    work. Otherwise warn: Kubernetes documents the limit, newer builds may do it.
    Remedy: from the host use the pod's address or the ClusterIP, or another node's address with the node port.
    Confused with: a broken Service: test from another node first.
    Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/; Microsoft's common problems page
    (KB4571748); microsoft/hcsshim hcn/hcnloadbalancer.go.
    """
    tried = {p.port: p for p in (probes.of("own-nodeport") if isinstance(probes, TcpProbes) else ())}
    for pod, words, served in _told(node, pods, own_addresses(node.object), services):
        probe = tried.pop(served.port.node_port, None)
        if (probe and probe.outcome == "open") or (
            isinstance(hns, Hns) and node_port_balancer(hns, served) is None
        ):
            continue
        why, severity = _verdict(node, served, hns)
        yield Problem(
            f"Pod {pod.metadata.namespace}/{pod.metadata.name} calls its own node's node port, {words.text}: {why}.",
            pod_object(pod),
            severity=severity,
            proof={
                Pods: f"{words.where}: {words.text}",
                ServiceObjects: f"{served.name}: nodePort {served.port.node_port}",
            },
        )
    for served in node_ports(services):
        probe = tried.pop(served.port.node_port, None)
        if probe is not None and probe.outcome != "open":
            why, severity = _verdict(node, served, hns)
            yield Problem(
                f"The node does not reach its own node port, {probe.host}:{probe.port} ({probe.outcome}): {why}.",
                severity=severity,
                proof={TcpProbes: f"{probe.host}:{probe.port} {probe.outcome}"},
            )


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
    ],
)
def loopback(
    node: ThisNode, services: ServiceObjects, pods: Pods, probes: TcpProbes | Failed | NotApplicable
) -> Iterator[Said]:
    """On Windows nothing listens on loopback for node ports: kube-proxy programs the host's other addresses only.

    Rule: a HostProcess or hostNetwork pod is told 127.0.0.1 or localhost with a node port; or a probe of it that
    somebody asked for failed.
    Remedy: use the Service's ClusterIP and port, or the node's address from another machine.
    Confused with: a broken node port.
    Source: inference from kubernetes pkg/proxy/winkernel/proxier.go (rules without a VIP apply to host addresses).
    """
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
    for probe in probes.of("loopback-nodeport") if isinstance(probes, TcpProbes) else ():
        if probe.outcome != "open":
            yield Problem(
                f"{probe.host}:{probe.port} does not answer on the node ({probe.outcome}); on Windows no node "
                "port does on loopback.",
                proof={TcpProbes: f"{probe.host}:{probe.port} {probe.outcome}"},
            )
