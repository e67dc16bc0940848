"""What somebody asks of Services that Windows does not do, or of an address that is the wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails
from checks.check import check
from checks.finding import INFO, CannotTell, Problem, Said, Skip
from checks.service.addresses import owner, targets
from checks.service.flows import ended, listed, node_port_of, of, tried, untold
from checks.service.ports import node_ports
from checks.workload.configured import Words, configured, on_windows, pod_object, shared_network
from checks.workload.edits import new_pod, new_service, pod_log
from facts.access import ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import Pods, ServiceObjects
from facts.derived.flow_plan import CLUSTER_IP, LOCAL_POD, OTHER_PORT, OWN_PORT, REMOTE_POD
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns, Network
from facts.node.probes import Flow, FlowProbes

WEB = "shop/win-web-public"


def _cluster_ip_client(draft: Draft) -> None:
    served = next(node_ports(draft.get(ServiceObjects)))
    url = f"http://{served.service.spec.ipv4}:{served.port.node_port}/"
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
            "a pod's own port, which its Service takes for a node port too",
            FLANNEL_2022,
            (
                new_pod("metrics", ip="10.244.1.99"),
                new_service("metrics", "10.96.77.7", 30990, node_port=30990),
                new_pod("client", env={"A": "http://10.244.1.99:30990"}),
            ),
            quiet=True,
        ),
        Case(
            "a pod's address and a node port",
            FLANNEL_2022,
            (
                new_pod("metrics", ip="10.244.1.99"),
                new_service("metrics", "10.96.77.7", 80, node_port=30990),
                new_pod("client", env={"A": "http://10.244.1.99:30990"}),
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
            "tried by somebody",
            FLANNEL_2022,
            (tried(Flow(CLUSTER_IP, "10.96.0.1", 443, "timeout", "default/kubernetes")),),
            finds="node",
        ),
        Case(
            "tried, and HNS has no load balancer for it: that is another fault",
            FLANNEL_2022,
            (tried(Flow(CLUSTER_IP, "10.96.77.7", 80, "timeout", "shop/late")),),
            quiet=True,
        ),
        Case(
            "tried, and it works on this node",
            FLANNEL_2022,
            (tried(Flow(CLUSTER_IP, "10.96.0.1", 443, "open", "default/kubernetes")),),
            quiet=True,
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
    node: ThisNode,
    services: ServiceObjects,
    pods: Pods,
    hns: Hns | Failed,
    flows: FlowProbes | Failed | NotApplicable,
) -> Iterator[Said]:
    """Whether a Windows host reaches ClusterIPs depends on version and network: documents contradict each other, so
    it is never an error by itself.

    Rule: a HostProcess or hostNetwork pod that is not ready is configured with a Service's ClusterIP; or a connection
    to one that somebody asked for fails, and HNS has a load balancer for it. flannel's and kube-proxy's own pods
    have checks of their own.
    Remedy: give host-network programs the API server's or a node's address, for instance KUBERNETES_SERVICE_HOST
    set to the API endpoint.
    Confused with: pods that cannot reach a ClusterIP: that is kube-proxy.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/; microsoft/SDN Kubernetes/windows/test_k8s_1.18.
    """
    addresses = {address: s for s in services.items for address in s.spec.addresses}
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
    if (doubt := untold(flows)) is not None:
        yield doubt
    asked = [f for f in of(flows, CLUSTER_IP) if isinstance(hns, Failed) or _programmed(hns, f)]
    failed = [flow for flow in asked if not flow.open]
    if failed:
        yield Problem(
            f"The host does not reach {len(failed)} of {len(asked)} ClusterIPs: {failed[0].host}:{failed[0].port} "
            f"({failed[0].service}) {ended(failed[0])}. Pods may still reach them.",
            proof={FlowProbes: listed(failed)},
        )


def _programmed(hns: Hns, flow: Flow) -> bool:
    """HNS has the virtual address. Without that nobody reaches it from this node: proxy.lb-missing tells it."""
    return any(flow.host in b.vips and b.external_port == flow.port for b in hns.load_balancers)


LOCAL = Flow(LOCAL_POD, "10.244.1.5", 80, "open", WEB, "win-1")
OTHER = Flow(OTHER_PORT, "10.0.1.22", 30080, "open", WEB, "win-2")
REMOTE = Flow(REMOTE_POD, "10.244.2.5", 80, "timeout", WEB, "win-2")
BY_DESIGN = (
    REMOTE,
    Flow(OWN_PORT, "10.0.1.21", 30080, "timeout", WEB, "win-1"),
    Flow(CLUSTER_IP, "10.96.40.21", 80, "timeout", WEB),
)


def _network(**values: object) -> Change:
    """The pod network has these fields."""
    return change(
        Hns,
        lambda h: replace(
            h, networks=tuple(replace(n, **values) if n.type == "Overlay" else n for n in h.networks)
        ),
    )


@check(
    "service.nodeport.matrix-seed",
    title="The connections of the walk-through come out as expected",
    severity=INFO,
    cases=[
        Case(
            "a pod of the node's own does not answer",
            FLANNEL_2022,
            (tried(replace(LOCAL, outcome="timeout"), OTHER, *BY_DESIGN),),
            finds="node",
        ),
        Case(
            "another node's node port does not answer",
            FLANNEL_2022,
            (tried(LOCAL, replace(OTHER, outcome="timeout"), *BY_DESIGN),),
            finds="node",
        ),
        Case(
            "a pod elsewhere, on a bridged network",
            FLANNEL_2022,
            (_network(type="L2Bridge"), tried(LOCAL, OTHER, REMOTE)),
            finds="node",
        ),
        Case(
            "only what fails by design on an overlay",
            FLANNEL_2022,
            (tried(LOCAL, OTHER, *BY_DESIGN),),
            quiet=True,
        ),
        Case(
            "no route from the host to its own pods: an overlay without the policy",
            CLASSIC_2019,
            (_network(host_route=False), tried(replace(LOCAL, outcome="timeout"), OTHER)),
            quiet=True,
        ),
        Case("nobody asked", FLANNEL_2022, (), quiet=True),
        Case("asked, and HNS does not answer", FLANNEL_2022, (fails(Hns), tried(LOCAL)), unknown=True),
    ],
)
def walk_through(hns: Hns | Failed, flows: FlowProbes | NotApplicable) -> Iterator[Said]:
    """The guide for Windows nodes ends with connections that should work from the host, except to its own node port.

    Rule: among the connections that somebody asked for, the first of these fails: to a pod of the node itself, to a
    pod of another node (bridged networks only), to another node's node port. By design and not counted: the own node
    port and loopback; on an overlay pods of other nodes, and without the HostRoute policy the node's own. Guides
    contradict each other about host to ClusterIP: service.clusterip.from-host tells that row.
    Remedy: continue where the first row differs. A pod: refused means that no program listens on the Service's
    target port, a timeout is a matter of the pod network (hns.endpoint.*, cni.*). Another node's node port: that
    node's service.nodeport.lb-present and the way between the nodes.
    Confused with: the full matrix of flows, which needs pods on both sides.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/; https://github.com/flannel-io/flannel/pull/1096.
    """
    if isinstance(flows, NotApplicable):
        yield Skip(flows.why)
        return
    if isinstance(hns, Failed):
        yield CannotTell(hns.why, hint=hns.hint)
        return
    rows = [f for p in _expected(next(iter(hns.pod_networks), None)) for f in flows.of(p)]
    failed = [f for f in rows if not f.open]
    if failed:
        first = failed[0]
        what = {
            LOCAL_POD: "a pod of the node itself",
            REMOTE_POD: f"a pod on {first.node}",
            OTHER_PORT: node_port_of(first.node),
        }[first.purpose]
        yield Problem(
            f"From the host {what} ({first.host}:{first.port}, Service {first.service}) {ended(first)}; it should "
            "work.",
            proof={FlowProbes: listed(rows)},
        )


def _expected(network: Network | None) -> tuple[str, ...]:
    """What should work from the host, in the order in which it is read."""
    if network is None:
        return (OTHER_PORT,)
    if network.type.lower() != "overlay":
        return (LOCAL_POD, REMOTE_POD, OTHER_PORT)
    return (LOCAL_POD, OTHER_PORT) if network.host_route else (OTHER_PORT,)
