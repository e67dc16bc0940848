"""Which connections to Services are worth trying from a Windows host, when somebody wants to know."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from facts.access import ThisNode, Wishes
from facts.cluster.nodes import Nodes
from facts.cluster.objects import EndpointSliceObject, NodeObject, ServiceObject, ServicePort
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.fact import Fact, Failed, NotApplicable, derived

# The node's own address, loopback and another node's address with the node port; the virtual address; a pod here
# and a pod elsewhere.
OWN_PORT, LOOPBACK_PORT, OTHER_PORT = "own-nodeport", "loopback-nodeport", "other-nodeport"
CLUSTER_IP, LOCAL_POD, REMOTE_POD = "cluster-ip", "local-pod", "remote-pod"
MOST_SERVICES, MOST_FLOWS = 5, 24
NOBODY_ASKED = "Nobody asked for connections from this node."


class FlowTarget(msgspec.Struct, frozen=True):
    """One connection: what it is to show, the address, the Service, and the node that the address is on."""

    purpose: str
    host: str
    port: int
    service: str  # namespace/name
    node: str = ""  # "" for a virtual address


class _Backend(msgspec.Struct, frozen=True):
    address: str
    port: int
    node: str


@derived
class FlowPlan(Fact, frozen=True):
    """The connections that `flow_probes` tries from one node, and the Services and ports that it leaves out."""

    targets: tuple[FlowTarget, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def derive(
        cls,
        node: ThisNode,
        wishes: Wishes,
        nodes: Nodes | Failed,
        services: ServiceObjects | Failed,
        slices: EndpointSlices | Failed,
        pods: Pods | Failed,
    ) -> FlowPlan | Failed | NotApplicable:
        if not wishes.flows:
            return NotApplicable(NOBODY_ASKED)
        for answer in (nodes, services, slices, pods):
            if isinstance(answer, Failed):
                return answer
        assert isinstance(nodes, Nodes) and isinstance(services, ServiceObjects)
        assert isinstance(slices, EndpointSlices) and isinstance(pods, Pods)
        around = _Around(node.object, nodes, slices, pods)
        targets: dict[tuple[str, str, int], FlowTarget] = {}
        idle: list[str] = []
        beyond: list[str] = []
        ports: list[str] = []
        taken = 0
        for service, port in sorted(_served(services), key=lambda s: around.rank(*s)):
            name = _name(service)
            # Services that share a pod share the connection to it.
            flows = {(f.purpose, f.host, f.port): f for f in around.flows(service, port)}
            if not flows:
                idle.append(name)
            elif taken == MOST_SERVICES or len(targets | flows) > MOST_FLOWS:
                beyond.append(name)
            else:
                taken += 1
                targets |= {key: flow for key, flow in flows.items() if key not in targets}
                more = [str(p.port) for p in service.spec.ports if p.protocol == "TCP" and p is not port]
                ports += [f"{name} port {number}" for number in more]
        if not targets:
            return NotApplicable("No Service has a TCP port with a ready backend.")
        left_out = (
            *_few(idle, "no ready backend"),
            *_few(beyond, f"at most {MOST_SERVICES} Services and {MOST_FLOWS} connections"),
            *_few(ports, "one port of each Service"),
        )
        return cls(tuple(targets.values()), left_out)


def _few(names: list[str], why: str) -> tuple[str, ...]:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (f"{', '.join(names[:3])}{more} ({why})",) if names else ()


def _name(service: ServiceObject) -> str:
    return f"{service.metadata.namespace}/{service.metadata.name}"


def _served(services: ServiceObjects) -> Iterator[tuple[ServiceObject, ServicePort]]:
    """Every Service with an IPv4 ClusterIP, and its first TCP port; a node port comes first."""
    for service in services.items:
        tcp = [p for p in service.spec.ports if p.protocol == "TCP"]
        if tcp and service.spec.ipv4:
            yield service, next((p for p in tcp if p.node_port), tcp[0])


class _Around:
    """What one node sees around itself."""

    def __init__(self, node: NodeObject, nodes: Nodes, slices: EndpointSlices, pods: Pods) -> None:
        self.node = node
        self.nodes = nodes
        self.slices = slices
        self.of_nodes = {a.address for n in nodes.items for a in n.status.addresses}
        # Old slices do not name the node: the pod with that address tells it.
        self.by_address = {p.status.pod_ip: p.spec.node_name for p in pods.items if p.status.pod_ip}

    def rank(self, service: ServiceObject, port: ServicePort) -> tuple[bool, bool, bool, str]:
        """Node ports first, then the API server (agents on the host are told its ClusterIP), then what runs here."""
        here = any(b.node == self.node.name for b in self.backends(service, port))
        api = _name(service) == "default/kubernetes"
        return not port.node_port, not api, not here, _name(service)

    def backends(self, service: ServiceObject, port: ServicePort) -> list[_Backend]:
        """Ready IPv4 backends of that port."""
        meta = service.metadata
        return [
            _Backend(address, number, endpoint.node_name or self.by_address.get(address, ""))
            for part in self.slices.of(meta.namespace, meta.name)
            for number in _port_of(part, port)
            for endpoint in part.endpoints
            if endpoint.ready
            for address in endpoint.addresses
            if ":" not in address
        ]

    def flows(self, service: ServiceObject, port: ServicePort) -> Iterator[FlowTarget]:
        name, backends = _name(service), self.backends(service, port)
        if not backends:
            return
        if port.node_port:
            yield from self._node_port(name, port.node_port, self._serving(service, backends))
        yield FlowTarget(CLUSTER_IP, service.spec.ipv4, port.port, name)
        pods = [b for b in backends if b.address not in self.of_nodes]
        local = next((b for b in pods if b.node == self.node.name), None)
        remote = next((b for b in pods if b.node and b.node != self.node.name), None)
        for purpose, backend in ((LOCAL_POD, local), (REMOTE_POD, remote)):
            if backend is not None:
                yield FlowTarget(purpose, backend.address, backend.port, name, backend.node)

    def _serving(self, service: ServiceObject, backends: list[_Backend]) -> set[str]:
        """Nodes that serve the node port: all of them, or with policy Local those with a backend."""
        if service.spec.external_traffic_policy == "Local":
            return {b.node for b in backends}
        return {n.name for n in self.nodes.items}

    def _node_port(self, name: str, port: int, serving: set[str]) -> Iterator[FlowTarget]:
        own = self.node.address()
        if own and ":" not in own and self.node.name in serving:
            yield FlowTarget(OWN_PORT, own, port, name, self.node.name)
            yield FlowTarget(LOOPBACK_PORT, "127.0.0.1", port, name, self.node.name)
        other = next((n for n in self._others() if n.name in serving), None)
        if other is not None:
            yield FlowTarget(OTHER_PORT, other.address(), port, name, other.name)

    def _others(self) -> list[NodeObject]:
        """Other nodes that are Ready: the next Windows node first, in a ring, so that when all nodes are asked each
        one's node ports are tried from outside; then Linux nodes.
        """
        ready = [n for n in self.nodes.items if n.name != self.node.name and _reachable(n)]
        after = sorted(
            (n for n in ready if n.os == "windows"), key=lambda n: (n.name < self.node.name, n.name)
        )
        return [*after, *(n for n in ready if n.os != "windows")]


def _reachable(node: NodeObject) -> bool:
    ready = node.condition("Ready")
    return ready is not None and ready.status == "True" and "." in node.address()


def _port_of(part: EndpointSliceObject, port: ServicePort) -> tuple[int, ...]:
    """The backends' port for that port of the Service: slices name it alike."""
    return tuple(
        p.port for p in part.ports if p.name == port.name and p.protocol == port.protocol and p.port
    )[:1]
