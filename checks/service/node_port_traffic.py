"""Node ports that have their rule and are still not served through this node."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Draft, change, fails
from checks.causes import cause_of
from checks.check import check
from checks.finding import INFO, WARN, CannotTell, Problem, Said, Skip
from checks.proxy.settings import told_elsewhere
from checks.service.addresses import own_addresses, targets
from checks.service.flows import (
    MET_AT_ITS_NODE_PORT,
    Tried,
    ended,
    from_others,
    has_ordinary_pod,
    listed,
    of,
    tried,
)
from checks.service.ports import Served, backends, node_port_balancer, node_ports
from checks.workload.configured import configured, shared_network
from checks.workload.edits import new_pod, new_service
from facts.access import ThisNode
from facts.cluster.objects import PodObject
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.flow_plan import OTHER_PORT, OWN_PORT
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Each
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy
from facts.node.network import Firewall, FirewallRule
from facts.node.probes import Flow, FlowProbes

WEB = "shop/win-web-public"
OWN = Flow(OWN_PORT, "10.0.1.21", 30080, "timeout", WEB, "win-1")
OTHER = Flow(OTHER_PORT, "10.0.1.22", 30080, "open", WEB, "win-2")
FROM_OTHER = replace(OWN, purpose=OTHER_PORT)


def _only_host_pods(draft: Draft) -> None:
    pods = draft.get(Pods)
    left = tuple(p for p in pods.items if p.spec.node_name != draft.node or shared_network(p))
    draft.put(Pods, Pods(left))


def _client_of_this_node(draft: Draft) -> None:
    node = draft.get(ThisNode).object
    port = next(node_ports(draft.get(ServiceObjects))).port.node_port
    new_pod(
        "client",
        where="linux",
        selector={},
        os_name="",
        env={"SHOP": f"http://{node.address()}:{port}/"},
        ready=False,
    )(draft)


@check(
    "service.nodeport.no-local-pod",
    title="A pod runs on each Windows node that clients use for node ports",
    severity=WARN,
    explains=[cause_of("service.nodeport.matrix-seed", same=MET_AT_ITS_NODE_PORT)],
    cases=[
        Case("a node without ordinary pods", FLANNEL_2022, (_only_host_pods,), finds="node", severity=INFO),
        Case(
            "and a client that calls it",
            FLANNEL_2022,
            (_only_host_pods, _client_of_this_node),
            finds="node",
            severity=WARN,
        ),
        Case(
            "and a connection that somebody asked for fails here alone",
            FLANNEL_2022,
            (_only_host_pods, tried(OWN, OTHER)),
            finds="node",
            severity=WARN,
        ),
        Case(
            "and it fails on the other node as well",
            FLANNEL_2022,
            (_only_host_pods, tried(OWN, replace(OTHER, outcome="timeout"))),
            finds="node",
            severity=INFO,
        ),
        Case(
            "pods that cannot start are another matter",
            CLASSIC_2019,
            (new_pod("stuck", waiting="ContainerCreating"),),
            quiet=True,
        ),
    ],
)
def no_local_pod(
    node: ThisNode,
    services: ServiceObjects,
    slices: EndpointSlices,
    pods: Pods,
    flows: FlowProbes | Failed | NotApplicable,
    others: Each[FlowProbes],
) -> Iterator[Said]:
    """A Windows node on which no ordinary pod runs does not forward node ports: by design one endpoint on the node
    is needed.

    Rule: no pod except HostProcess and hostNetwork ones is on this Ready node, and a NodePort Service (policy
    Cluster) has ready backends elsewhere: info. Warn when a pod that is not ready is configured with this node's
    address and such a port, or when of the connections that somebody asked for those to this node's port fail and
    those to another node's do not.
    Remedy: run a small DaemonSet on the Windows nodes, or let clients use other nodes' addresses.
    Confused with: externalTrafficPolicy Local without a backend on the node.
    Source: Microsoft's common problems page; https://github.com/rancher/rancher/issues/20511.
    """
    ready = node.object.condition("Ready")
    if ready is not None and ready.status != "True":
        yield Skip("The node is not Ready.")
        return
    if has_ordinary_pod(node.name, pods):
        return
    asked = [s for s in node_ports(services) if not s.local_only and backends(s, slices, pods)]
    if not asked:
        return
    client = _client(node, asked, pods)
    ports = ", ".join(f"{s.port.node_port} ({s.name})" for s in asked[:4])
    called = (
        f"; {client.metadata.namespace}/{client.metadata.name} is told to call it here and is not ready"
        if client
        else ""
    )
    failed = next((f for f in (_fails_here(node.name, s, flows, others) for s in asked) if f), None)
    if failed and not client:
        called = f"; a connection to {failed.host}:{failed.port} {ended(failed)}, and another node serves it"
    proof: dict[type[Fact], str] = {
        Pods: f"{len(pods.on(node.name))} pods on the node, all on the host's network",
        ServiceObjects: ports,
    }
    yield Problem(
        f"No ordinary pod is on this node, and without one Windows does not forward node ports: {ports}{called}.",
        severity=WARN if client or failed else INFO,
        proof={**proof, FlowProbes: listed([failed])} if failed else {**proof},
    )


def _fails_here(node: str, served: Served, flows: Tried, others: Each[FlowProbes]) -> Flow | None:
    """A connection to this node's port that failed while another node served the same port."""
    port = served.port.node_port
    here = [*from_others(node, port, others), *(f for f in of(flows, OWN_PORT) if f.port == port)]
    elsewhere = [f for f in of(flows, OTHER_PORT) if f.port == port]
    if here and not any(f.open for f in here) and any(f.open for f in elsewhere):
        return here[0]
    return None


def _client(node: ThisNode, asked: list[Served], pods: Pods) -> PodObject | None:
    """A pod that is not ready and is told to use one of these ports on this node."""
    addresses, ports = own_addresses(node.object), {s.port.node_port for s in asked}
    for pod in pods.items:
        if pod.ready or pod.spec.node_name == node.name:
            continue
        for words in configured(pod):
            if any(t.host in addresses and t.port in ports for t in targets(words.text)):
                return pod
    return None


@check(
    "service.nodeport.etp-local",
    title="externalTrafficPolicy Local works on this node",
    severity=WARN,
    cases=[
        Case(
            "without direct server return",
            FLANNEL_2022,
            (new_service("edge", "10.96.77.7", 80, node_port=30999, local=True, backend_on="windows"),),
            finds="shop/edge",
            severity=WARN,
        ),
        Case(
            "without it, and all backends run elsewhere, as an ingress on Linux",
            FLANNEL_2022,
            (new_service("edge", "10.96.77.7", 80, node_port=30999, local=True),),
            finds="shop/edge",
            severity=INFO,
        ),
        Case(
            "kube-proxy is not known and has made nothing: the way it works cannot be seen",
            FLANNEL_2022,
            (
                new_service("edge", "10.96.77.7", 80, node_port=30999, local=True, backend_on="windows"),
                change(Hns, lambda h: replace(h, load_balancers=())),
                fails(KubeProxy),
            ),
            unknown=True,
        ),
        Case(
            "with it, and no backend on the node",
            FLANNEL_2022,
            (
                new_service("edge", "10.96.77.7", 80, node_port=30999, local=True),
                change(
                    Hns,
                    lambda h: replace(
                        h, load_balancers=tuple(replace(b, dsr=True) for b in h.load_balancers)
                    ),
                ),
            ),
            finds="shop/edge",
            severity=INFO,
        ),
    ],
)
def traffic_policy_local(
    node: ThisNode,
    services: ServiceObjects,
    slices: EndpointSlices,
    pods: Pods,
    hns: Hns,
    proxy: KubeProxy | Failed,
) -> Iterator[Said]:
    """With policy Local a node serves a node port only from its own pods. On Windows that is done by direct server
    return.

    Rule: a Service with a node port has externalTrafficPolicy Local, and kube-proxy on this node makes its load
    balancers without direct server return: the policy is not honoured and the client's address is lost; warn where a
    backend is on this node, else info, for nobody need come here. With it and without a ready backend on this node:
    info, connections fail by design.
    Remedy: start kube-proxy with `--enable-dsr=true` (up to 1.32 with the gate WinDSR), and run a backend on each
    node that clients use; or take policy Cluster.
    Confused with: a firewall in front of the node.
    Source: https://github.com/kubernetes/kubernetes/pull/93166; https://github.com/kubernetes/kubernetes/issues/109780.
    """
    returns = any(b.dsr for b in hns.load_balancers) or (
        isinstance(proxy, KubeProxy) and proxy.flags.get("enable-dsr", "").lower() == "true"
    )
    flags_known = isinstance(proxy, KubeProxy) and bool(proxy.arguments) and not told_elsewhere(proxy)
    for served in node_ports(services):
        ready = backends(served, slices, pods) if served.local_only else []
        if not ready:
            continue
        if not returns and not hns.load_balancers and not flags_known:
            yield CannotTell(
                "Neither kube-proxy's flags nor a load balancer in HNS shows whether it works with direct server "
                "return here."
            )
            return
        local = [b for b in ready if b.node == node.name]
        port = served.port.node_port
        here = (
            f"{len(local)} of its {len(ready)} backends are on this node"
            if local
            else "none of its backends is on this node"
        )
        if not returns:
            yield Problem(
                f"Service {served.name} has policy Local, and kube-proxy here works without direct server "
                f"return; {here} (node port {port}).",
                served.object,
                severity=WARN if local else INFO,
                proof={
                    ServiceObjects: "externalTrafficPolicy: Local",
                    Hns: "DSR false on every load balancer",
                },
            )
        elif not local:
            yield Problem(
                f"Node port {port} of Service {served.name} is not served by this node: policy Local, and {here}.",
                served.object,
                severity=INFO,
                proof={
                    ServiceObjects: "externalTrafficPolicy: Local",
                    EndpointSlices: f"{len(ready)} ready backends, none here",
                },
            )


def _covers(rule: FirewallRule, port: int, protocol: str) -> bool:
    if rule.allow or rule.protocol.upper() not in (protocol, "ANY", ""):
        return False
    for part in rule.ports:
        low, _, high = part.partition("-")
        if part.lower() == "any" or (
            low.isdigit() and int(low) <= port <= int(high if high.isdigit() else low)
        ):
            return True
    return False


def _block(firewall: Firewall) -> Firewall:
    rule = FirewallRule("deny-high", "Deny high ports", False, "TCP", ("30000-32767",), ("Any",))
    return replace(firewall, rules=(*firewall.rules, rule))


@check(
    "service.nodeport.firewall",
    title="No firewall rule blocks the node ports",
    severity=WARN,
    explains=[cause_of("service.nodeport.matrix-seed", same=MET_AT_ITS_NODE_PORT)],
    cases=[
        Case("a rule that blocks them", FLANNEL_2022, (change(Firewall, _block),), finds="node"),
        Case(
            "no rule that allows them is needed",
            FLANNEL_2022,
            (change(Firewall, lambda f: replace(f, rules=())),),
            quiet=True,
        ),
        Case(
            "tried: the node serves its port, and another node gets no answer from it",
            FLANNEL_2022,
            (tried(replace(OWN, outcome="open")), tried(FROM_OTHER, node="win-2")),
            finds="node",
        ),
        Case(
            "tried: refused is no filter's answer",
            FLANNEL_2022,
            (
                tried(replace(OWN, outcome="open")),
                tried(replace(FROM_OTHER, outcome="refused"), node="win-2"),
            ),
            quiet=True,
        ),
        Case(
            "tried: nobody reaches it, the node itself neither",
            FLANNEL_2022,
            (tried(OWN), tried(FROM_OTHER, node="win-2")),
            quiet=True,
        ),
    ],
)
def firewall_blocks(
    node: ThisNode,
    services: ServiceObjects,
    firewall: Firewall,
    pods: Pods,
    hns: Hns | Failed,
    flows: FlowProbes | Failed | NotApplicable,
    others: Each[FlowProbes],
) -> Iterator[Said]:
    """Node ports are handled below the host firewall, so that no rule need allow them; filters before the node and
    explicit block rules do count.

    Rule: the firewall is on, and an enabled inbound rule of the node blocks a node port in use. Or, of the
    connections that somebody asked for, the node's own to its port is open, and other nodes' to it get no answer. A
    filter in front of the cluster shows only from outside.
    Remedy: `Disable-NetFirewallRule -Name RULE` for a block rule (one of group policy is taken out there); open
    30000-32767 in the security group or network firewall for clients outside.
    Confused with: a missing load-balancer rule in HNS: then Linux nodes do not reach the port either.
    Source: experience with VFP, not documented by Microsoft.
    """
    wanted = {(s.port.node_port, s.port.protocol) for s in node_ports(services)}
    blocked = False
    for rule in firewall.rules if firewall.on else ():
        hit = sorted(p for p, protocol in wanted if _covers(rule, p, protocol))
        if hit:
            blocked = True
            shut = [f for port in hit for f in from_others(node.name, port, others) if f.outcome == "timeout"]
            proof: dict[type[Fact], str] = {
                Firewall: f"{rule.name}: Block, {rule.protocol} {','.join(rule.ports)}"
            }
            yield Problem(
                f"The firewall rule {rule.display_name or rule.name} blocks node ports in use: "
                f"{', '.join(map(str, hit))}.",
                proof={**proof, FlowProbes: f"from other nodes: {listed(shut)}"} if shut else {**proof},
            )
    if blocked or not has_ordinary_pod(node.name, pods):
        return
    for served in node_ports(services):
        shut = _filtered(node.name, served, hns, flows, others)
        if shut:
            yield Problem(
                f"Other nodes get no answer from node port {shut[0].port} of this node, which the node itself "
                "reaches: something on the way filters it.",
                proof={FlowProbes: f"from other nodes: {listed(shut)}; from the node itself: open"},
            )
            return


def _filtered(
    node: str, served: Served, hns: Hns | Failed, flows: Tried, others: Each[FlowProbes]
) -> list[Flow]:
    """What other nodes met, if all of it is silence and the node itself is served by its rule."""
    port = served.port.node_port
    seen = from_others(node, port, others)
    own = any(f.open for f in of(flows, OWN_PORT) if f.port == port)
    rule = isinstance(hns, Hns) and node_port_balancer(hns, served) is not None
    return seen if own and rule and all(f.outcome == "timeout" for f in seen) else []
