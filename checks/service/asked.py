"""What somebody asks of Services that Windows does not do, or of an address that is the wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.cases import FLANNEL_2022, Case, Change, Draft, change
from checks.check import check
from checks.finding import INFO, Problem, Said, Skip
from checks.service.addresses import owner, targets
from checks.service.ports import node_ports
from checks.workload.configured import Words, configured, on_windows, pod_object, shared_network
from checks.workload.edits import new_pod, pod_log
from facts.access import ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import Pods, ServiceObjects
from facts.fact import Failed, NotApplicable
from facts.node.probes import Probe, TcpProbes


def _probe(*probes: Probe) -> Change:
    return change(TcpProbes, lambda t: TcpProbes((*t.probes, *probes)))


def _cluster_ip_client(draft: Draft) -> None:
    served = next(node_ports(draft.get(ServiceObjects)))
    url = f"http://{served.service.spec.cluster_ip}:{served.port.node_port}/"
    new_pod("client", env={"SHOP_URL": url})(draft)


@check(
    "service.nodeport.wrong-address",
    title="Node ports are asked for on node addresses",
    severity=INFO,
    cases=[
        Case("ClusterIP and node port", FLANNEL_2022, (_cluster_ip_client,), finds="shop/client"),
        Case(
            "the Service's name and node port",
            FLANNEL_2022,
            (new_pod("client", args=["--to", "win-web-public.shop.svc.cluster.local:30080"]),),
            finds="shop/client",
        ),
        Case(
            "a log that tells of it",
            FLANNEL_2022,
            (
                new_pod("client", ready=False, restarts=3),
                pod_log("client", "dial win-web-public.shop:30080: timeout"),
            ),
            finds="shop/client",
        ),
        Case(
            "ClusterIP and its own port",
            FLANNEL_2022,
            (new_pod("client", env={"A": "http://win-web-public.shop.svc.cluster.local:80"}),),
            quiet=True,
        ),
    ],
)
def wrong_address(
    services: ServiceObjects, pods: Pods, nodes: Nodes, logs: WindowsPodLogs | Failed
) -> Iterator[Said]:
    """A node port exists on the addresses of nodes only: not on the Service's ClusterIP, not on a pod's address.

    Rule: environment, arguments, command or log of a Windows pod names a ClusterIP, a Service's name or a pod's
    address together with a node port that is not served there.
    Remedy: use NODE-IP:NODEPORT from outside; inside the cluster the Service's name with its own port.
    Confused with: routing problems.
    Source: the Kubernetes Service API; experience.
    """
    ports = {s.port.node_port for s in node_ports(services)}
    for pod in pods.items:
        if not on_windows(pod, nodes):
            continue
        for words in (*configured(pod), *_logged(pod, logs)):
            for target in targets(words.text):
                if target.port not in ports:
                    continue
                who, serves = owner(target, services, pods, nodes)
                if who and not serves:
                    yield Problem(
                        f"Pod {pod.metadata.namespace}/{pod.metadata.name} asks {who} for the node port "
                        f"{target.port} ({target}); "
                        "node ports are on node addresses only.",
                        pod_object(pod),
                        proof={Pods: f"{words.where}: {target}"},
                        node=pod.spec.node_name,
                    )


def _logged(pod: PodObject, logs: WindowsPodLogs | Failed) -> Iterator[Words]:
    for tail in logs.tails if isinstance(logs, WindowsPodLogs) else ():
        if (tail.namespace, tail.pod) == (pod.metadata.namespace, pod.metadata.name):
            yield Words("log", tail.text)


def _host_agent(draft: Draft) -> None:
    address = next(
        s.spec.cluster_ip for s in draft.get(ServiceObjects).items if s.metadata.name == "kubernetes"
    )
    new_pod("agent", host_process=True, env={"KUBERNETES_SERVICE_HOST": address}, ready=False, restarts=9)(
        draft
    )


@check(
    "service.clusterip.from-host",
    title="Programs on the host's network do not depend on ClusterIPs",
    severity=INFO,
    cases=[
        Case(
            "a HostProcess agent that cannot reach the API", FLANNEL_2022, (_host_agent,), finds="shop/agent"
        ),
        Case(
            "a probe that somebody asked for",
            FLANNEL_2022,
            (_probe(Probe("cluster-ip", "10.96.0.1", 443, "timeout")),),
            finds="node",
        ),
        Case(
            "a ready agent",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, env={"API": "10.96.0.1"}),),
            quiet=True,
        ),
    ],
)
def cluster_ip_from_host(
    node: ThisNode, services: ServiceObjects, pods: Pods, probes: TcpProbes | Failed | NotApplicable
) -> Iterator[Said]:
    """Whether a Windows host reaches ClusterIPs depends on version and network: documents contradict each other, so
    it is never an error by itself.

    Rule: a HostProcess or hostNetwork pod that is not ready is configured with a Service's ClusterIP; or a probe of
    one that somebody asked for failed. flannel's and kube-proxy's own pods have checks of their own.
    Remedy: give host-network programs the API server's or a node's address, for instance KUBERNETES_SERVICE_HOST
    set to the API endpoint.
    Confused with: pods that cannot reach a ClusterIP: that is kube-proxy.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/; microsoft/SDN Kubernetes/windows/test_k8s_1.18.
    """
    addresses = {s.spec.cluster_ip: s for s in services.items if s.spec.cluster_ip not in ("", "None")}
    for pod in pods.on(node.name):
        if (
            pod.ready
            or not shared_network(pod)
            or any(w in pod.metadata.name for w in ("flannel", "kube-proxy", "calico"))
        ):
            continue
        for words in configured(pod):
            named = next(
                (a for a in addresses if re.search(rf"(?<![\d.]){re.escape(a)}(?![\d.])", words.text)), ""
            )
            if named:
                meta = addresses[named].metadata
                yield Problem(
                    f"Pod {pod.metadata.namespace}/{pod.metadata.name} is on the host's network, is not "
                    "ready, and is told the "
                    f"ClusterIP {named} of Service {meta.namespace}/{meta.name}, which a Windows host may not reach.",
                    pod_object(pod),
                    proof={Pods: f"{words.where}: {named}"},
                )
                break
    for probe in probes.of("cluster-ip") if isinstance(probes, TcpProbes) else ():
        if probe.outcome != "open":
            yield Problem(
                f"The host does not reach the ClusterIP {probe.host}:{probe.port} ({probe.outcome}); pods may still.",
                proof={TcpProbes: f"{probe.host}:{probe.port} {probe.outcome}"},
            )


_WALK = {"pod-ip": "a pod's address", "cluster-ip": "a ClusterIP", "node-ip": "another node's node port"}


@check(
    "service.nodeport.matrix-seed",
    title="The connections of the walk-through come out as expected",
    severity=INFO,
    cases=[
        Case(
            "host to pod fails",
            FLANNEL_2022,
            (
                _probe(
                    Probe("pod-ip", "10.244.1.5", 80, "timeout"),
                    Probe("own-nodeport", "10.0.1.21", 30080, "timeout"),
                ),
            ),
            finds="node",
        ),
        Case(
            "only the own node port fails, as expected",
            FLANNEL_2022,
            (
                _probe(
                    Probe("pod-ip", "10.244.1.5", 80, "open"),
                    Probe("own-nodeport", "10.0.1.21", 30080, "timeout"),
                ),
            ),
            quiet=True,
        ),
        Case("nobody asked", FLANNEL_2022, (), quiet=True),
    ],
)
def walk_through(probes: TcpProbes | NotApplicable) -> Iterator[Said]:
    """The guide for Windows nodes ends with connections that should all work from the host, except to its own node
    port.

    Rule: among the connections that somebody asked for, one to a pod, a ClusterIP or another node's node port
    fails. The own node port is expected to fail and is not counted. Guides contradict each other about host to
    ClusterIP: read that row by version.
    Remedy: continue where the first row differs: a pod's address with the pod network (cni.*), a ClusterIP with
    kube-proxy (proxy.*), a node port with service.nodeport.lb-present.
    Confused with: the full matrix of flows, which needs pods on both sides.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/.
    """
    asked = [p for p in (probes.probes if isinstance(probes, TcpProbes) else ()) if p.purpose in _WALK]
    if not asked:
        yield Skip("Nobody asked for the connections of the walk-through.")
        return
    failed = next(
        (p for purpose in _WALK for p in asked if p.purpose == purpose and p.outcome != "open"), None
    )
    if failed is not None:
        rows = ", ".join(f"{_WALK[p.purpose]} {p.outcome}" for p in asked)
        yield Problem(
            f"From the host {_WALK[failed.purpose]} ({failed.host}:{failed.port}) does not answer: {failed.outcome}.",
            proof={TcpProbes: rows},
        )
