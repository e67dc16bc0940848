"""Who does not reach whom on flannel's overlay: the host pods of other nodes, pods Services that stand on nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.check import Case, check
from checks.cni.flannel_start import says
from checks.cni.flannel_symptoms import logged
from checks.cni.symptoms import ADDRESS, NOBODY_ASKED, timeouts
from checks.finding import ERROR, INFO, WARN, Problem, Said, Skip
from checks.image.compatibility import version_of
from checks.proxy.settings import minor
from checks.service.flows import of, tried
from checks.workload.configured import configured, pod_object, shared_network
from checks.workload.edits import new_pod
from facts.access import ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.flanneld_words import FlanneldWords
from facts.derived.flow_plan import REMOTE_POD
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import LogTail, NodeLogs
from facts.node.probes import Flow, FlowProbes
from facts.node.windows import Os

HOST_ROUTE = "Could not apply HostRoute policy"
HOST_ROUTE_SINCE = 18321
MENDED = 20  # the first minor release of Kubernetes whose every patch has both mends
OTHER_CAUSES = (
    "On the node: Test-NetConnection {} -Port PORT. If that fails, too, look at the backend and the firewalls on the "
    "way; if it works, look at the Service's load balancer (proxy.lb-missing) and the route to the service network in "
    "the CNI configuration (cni.service-route)."
)
REACHED = ("open", "refused")  # a refusal comes from the pod itself
_VERSION = re.compile(r"\bversion[=:]\s*\"?(v\d+\.\d+\.\d+[^\s\"]*)", re.IGNORECASE)
_REMOTE = Flow(REMOTE_POD, "10.244.0.4", 8080, "timeout", "shop/api", "cp-1")


def _agent_calls(system: str) -> Change:
    """For cases: a HostProcess agent is told the address of an ordinary pod on a node of that system."""

    def apply(draft: Draft) -> None:
        nodes = {n.name for n in draft.get(Nodes).items if n.os == system}
        address = next(
            p.status.pod_ip
            for p in draft.get(Pods).items
            if p.spec.node_name in nodes and p.status.pod_ip and not shared_network(p)
        )
        new_pod("agent", host_process=True, env={"PROBE_URL": f"http://{address}:8080/"})(draft)

    return apply


@check(
    "cni.flannel.host-to-remote-pod",
    title="The Windows host reaches the pods that it can",
    severity=INFO,
    explains=[],
    cases=[
        Case(
            "Windows is too old for the host route",
            CLASSIC_2019,
            (
                says(
                    "W1124 vxlan_windows.go:180] Could not apply HostRoute policy for local host to "
                    "local pod connectivity."
                ),
            ),
            "node",
        ),
        Case(
            "an agent on the host calls a pod elsewhere", FLANNEL_2022, (_agent_calls("linux"),), "shop/agent"
        ),
        Case("tried by somebody", FLANNEL_2022, (tried(_REMOTE),), "node"),
        Case("tried, and it works", FLANNEL_2022, (tried(replace(_REMOTE, outcome="open")),), quiet=True),
        Case(
            "refused: the pod was reached, and nothing listens",
            FLANNEL_2022,
            (tried(replace(_REMOTE, outcome="refused")),),
            quiet=True,
        ),
        Case(
            "an agent that is told a network, not a pod",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, env={"POD_CIDR": "10.244.0.0/16"}),),
            quiet=True,
        ),
    ],
)
def host_to_remote_pod(
    node: ThisNode,
    stack: Stack,
    words: FlanneldWords | Failed,
    os: Os | Failed,
    pods: Pods,
    flows: FlowProbes | Failed | NotApplicable,
) -> Iterator[Said]:
    """On an overlay the Windows host reaches its own pods at most; pods of other nodes never. That is by
    design.

    Rule: a program on the host's network is told the address of a pod on another node; or a connection to
    one that somebody asked for fails; or flanneld says that it could not apply the HostRoute policy (Windows
    before build 18321): then the host does not even reach its own pods.
    Remedy: none on an overlay: call from a pod or from a Linux node, or by a Service's node port on another
    node. Server 2022 has the host route to its own pods.
    Confused with: pods that do not reach each other between the same nodes, which is an error.
    Source: https://github.com/flannel-io/flannel/pull/1096; Kubernetes, "Networking on Windows".
    """
    if not stack.flannel_overlay:
        yield Skip("The node does not use flannel's overlay.")
        return
    said = False
    remote = {
        p.status.pod_ip: p
        for p in pods.items
        if p.status.pod_ip
        and p.spec.node_name != node.name
        and p.status.phase not in ("Succeeded", "Failed")  # their addresses are others' by now
        and not shared_network(p)
    }
    for pod in pods.on(node.name):
        for told in configured(pod) if shared_network(pod) else ():
            address = next((a for a in ADDRESS.findall(told.text) if a in remote), "")
            if address:
                said, other = True, remote[address]
                yield Problem(
                    f"{pod.metadata.namespace}/{pod.metadata.name} is on the network of the host {node.name} and "
                    f"calls pod {other.metadata.namespace}/{other.metadata.name} ({address}) on "
                    f"{other.spec.node_name}: on an overlay the host reaches no pods of other nodes.",
                    pod_object(pod),
                    proof={Pods: f"{told.where}: {address}"},
                )
                break
    failed = [flow for flow in of(flows, REMOTE_POD) if flow.outcome not in REACHED]
    if failed:
        said = True
        yield Problem(
            f"The host {node.name} does not reach pods of other nodes, as is so on an overlay: "
            f"{failed[0].host}:{failed[0].port} on {failed[0].node} does not answer.",
            proof={FlowProbes: ", ".join(map(str, failed))},
        )
    line = next((x for x in words.lines if HOST_ROUTE in x), "") if isinstance(words, FlanneldWords) else ""
    if line:
        proof: dict[type[Fact], str] = {FlanneldWords: line.strip()}
        text = f"flanneld could not give the host {node.name} a route to its own pods."
        if isinstance(os, Os):
            proof[Os] = os.version
            if os.build < HOST_ROUTE_SINCE:
                text = (
                    f"The host {node.name} (build {os.build}) does not reach its own pods: Windows has the "
                    f"host route from build {HOST_ROUTE_SINCE} on."
                )
        yield Problem(text, proof=proof)
    elif not said:
        yield Skip("no program on the host was seen to call a pod of another node")


def _old_proxy(logs: NodeLogs) -> NodeLogs:
    line = "I0102 08:41:56.115337    4310 server.go:209] Version: v1.17.17"
    return replace(logs, logs=(LogTail("kube-proxy", r"C:\k\kube-proxy.log", text=line),))


@check(
    "cni.flannel.svc-to-node-backend",
    title="Overlay pods reach Services that stand on node addresses",
    severity=ERROR,
    explains=[],
    cases=[
        Case(
            "the API server by its ClusterIP times out",
            FLANNEL_2022,
            (logged("dial tcp 10.96.0.1:443: i/o timeout"), change(NodeLogs, _old_proxy)),
            "node",
            ERROR,
        ),
        Case(
            "in Windows' words, and kube-proxy's log says how old it is",
            CLASSIC_2019,
            (
                logged(
                    'Get "https://169.169.0.1:443/api": dial tcp 169.169.0.1:443: connectex: A connection attempt '
                    "failed because the connected party did not properly respond after a period of time"
                ),
                change(NodeLogs, _old_proxy),
            ),
            "node",
        ),
        Case(
            "a Service with pods behind it",
            FLANNEL_2022,
            (logged("dial tcp 10.96.0.10:53: i/o timeout"),),
            quiet=True,
        ),
        Case(
            "kube-proxy has had the mend for years",
            FLANNEL_2022,
            (logged("dial tcp 10.96.0.1:443: i/o timeout"),),
            "node",
            WARN,
        ),
    ],
)
def svc_to_node_backend(
    node: ThisNode,
    stack: Stack,
    services: ServiceObjects,
    slices: EndpointSlices,
    nodes: Nodes,
    logs: WindowsPodLogs,
    daemons: NodeLogs | Failed | NotApplicable,
) -> Iterator[Said]:
    """Old kube-proxy chose a wrong source address for Services whose backends are nodes, such as
    default/kubernetes.

    Rule: a pod's log shows a timeout towards the ClusterIP of a Service whose ready endpoints are all node
    addresses, on an overlay. Without such a line a probe from a pod would be needed. The fault was mended in
    1.18, and for two Services on one node in 1.19: the first lines of kube-proxy's log tell its release, else
    the Node object does. With a newer one the timeout is a warning, and its cause is another.
    Remedy: run kube-proxy of the cluster's own, supported release (classic: replace C:\\k\\kube-proxy.exe, then
    Restart-Service kube-proxy); until then call the node's address directly.
    Confused with: an API server that is down.
    Source: https://github.com/kubernetes/kubernetes/issues/79359, pull 87792 and pull 91886;
    https://github.com/kubernetes-sigs/sig-windows-tools/issues/84.
    """
    if stack.mode != "overlay":
        yield Skip("The node has no overlay network.")
        return
    own = {a.address for n in nodes.items for a in n.status.addresses}
    by_ip = {address: s for s in services.items for address in s.spec.addresses}
    for pod, address, line in timeouts(logs, node.name):
        service = by_ip.get(address)
        if service is None:
            continue
        where = service.metadata
        backends = [
            a
            for s in slices.of(where.namespace, where.name)
            for e in s.endpoints
            if e.ready
            for a in e.addresses
        ]
        if backends and all(a in own for a in backends):
            told = _proxy_version(daemons)
            release = version_of(told)
            mended = (release[1] if release else minor(node)) >= MENDED
            text = (
                f"Pod {pod} on {node.name} times out towards Service {where.namespace}/{where.name}, "
                f"whose backends are node addresses ({', '.join(backends[:3])}); kube-proxy there is "
                f"{told or 'of a release that its log does not tell'}"
                f"{', which no longer chooses a wrong source address.' if mended else '.'}"
            )
            proof: dict[type[Fact], str] = {
                WindowsPodLogs: line,
                EndpointSlices: f"{where.namespace}/{where.name}: {', '.join(backends)}",
            }
            if told:
                proof[NodeLogs] = f"kube-proxy {told}"
            remedy = OTHER_CAUSES.format(backends[0]) if mended else ""
            yield Problem(text, severity=WARN if mended else ERROR, proof=proof, remedy=remedy)
            return
    yield Skip(NOBODY_ASKED)


def _proxy_version(logs: NodeLogs | Failed | NotApplicable) -> str:
    """The release that kube-proxy named when it last started; empty if its log does not reach back so far."""
    for line in reversed(logs.lines("kube-proxy")) if isinstance(logs, NodeLogs) else ():
        match = _VERSION.search(line)
        if match:
            return match[1]
    return ""
