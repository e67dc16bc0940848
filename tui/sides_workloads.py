"""Pods and Services of a node from both sides. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from facts.cluster.objects import PodObject, ServiceObject, ServicePort
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.node.hns import Hns, LoadBalancer
from facts.node.runtime import Sandboxes
from tui.sides import Answer, Side, Verdict, untold, why_not

PROTOCOLS = {"TCP": 6, "UDP": 17}
OVER = ("Succeeded", "Failed")


def pods(name: str, listed: Answer, sandboxes: Answer, hns: Answer) -> Iterator[Side]:
    """Each pod that the API has on the node, its sandbox and its HNS endpoint; then what only the node has."""
    if not isinstance(listed, Pods):
        yield Side("Pods", "pods", "", "", Verdict.UNTOLD, why_not(listed))
        return
    alive = [p for p in listed.on(name) if p.status.phase not in OVER]
    for pod in alive:
        yield _pod(pod, sandboxes, hns)
    known = {(p.metadata.namespace, p.metadata.name) for p in listed.on(name)}
    for box in sandboxes.sandboxes if isinstance(sandboxes, Sandboxes) else ():
        if box.ready and (box.namespace, box.name) not in known:
            note = "The runtime runs a sandbox of a pod that the API does not have on this node."
            yield Side(
                "Pods",
                f"{box.namespace}/{box.name}",
                "no pod",
                f"sandbox {box.id[:12]}",
                Verdict.DIFFERS,
                note,
            )
    addresses = {p.status.pod_ip for p in alive}
    for endpoint in hns.endpoints if isinstance(hns, Hns) else ():
        if not endpoint.remote and endpoint.containers and endpoint.ip not in addresses:
            note = "HNS has an endpoint for a container that no pod of the API stands behind."
            yield Side("Pods", f"endpoint {endpoint.ip}", "no pod", endpoint.name[:40], Verdict.DIFFERS, note)


def _pod(pod: PodObject, sandboxes: Answer, hns: Answer) -> Side:
    what = f"{pod.metadata.namespace}/{pod.metadata.name}"
    mark = "ready" if pod.ready else "not ready"
    api = f"{pod.status.phase}, {mark}, {pod.status.pod_ip or 'no address'}"
    if not isinstance(sandboxes, Sandboxes):
        return untold("Pods", what, api, why_not(sandboxes))
    box = next(
        (
            s
            for s in sorted(sandboxes.sandboxes, key=lambda s: not s.ready)
            if (s.namespace, s.name) == (pod.metadata.namespace, pod.metadata.name)
        ),
        None,
    )
    parts = ["no sandbox" if box is None else "sandbox ready" if box.ready else "sandbox not ready"]
    good = (box is not None and box.ready) == bool(pod.status.pod_ip)
    note = "" if good else "The runtime and the API disagree on whether this pod has a sandbox."
    if not (pod.spec.host_network or pod.spec.host_process) and pod.status.pod_ip:
        if not isinstance(hns, Hns):
            return untold("Pods", what, api, why_not(hns))
        endpoint = hns.endpoint(pod.status.pod_ip)
        if endpoint is None:
            good, note = (
                False,
                note or "The pod has an address, and HNS has no endpoint for it: no packet arrives.",
            )
            parts.append("no endpoint")
        else:
            parts.append(f"endpoint {endpoint.ip} {endpoint.state_name}")
    return Side("Pods", what, api, ", ".join(parts), Verdict.EQUAL if good else Verdict.DIFFERS, note)


def virtual_address(service: ServiceObject) -> str:
    """The IPv4 ClusterIP, else the IPv6 one; empty where it has none."""
    return service.spec.ipv4 or next(iter(service.spec.addresses), "")


class Ready:
    """How many ready addresses stand behind the ports of Services: looked through once, for clusters are large."""

    def __init__(self, slices: EndpointSlices) -> None:
        self._nodes: dict[tuple[str, str, str, str, bool], Counter[str]] = {}
        for piece in slices.items:
            for port in piece.ports:
                # A Service of both families has slices of each, and HNS a load balancer for each.
                six = any(":" in a for e in piece.endpoints for a in e.addresses)
                key = (piece.metadata.namespace, piece.service, port.name, port.protocol, six)
                counted = self._nodes.setdefault(key, Counter())
                for endpoint in piece.endpoints:
                    if endpoint.ready:
                        counted[endpoint.node_name] += len(endpoint.addresses)

    def behind(self, service: ServiceObject, port: ServicePort, node: str = "") -> int:
        """Of one port; with `node`: only those on that node."""
        where, six = service.metadata, ":" in virtual_address(service)
        counted = self._nodes.get((where.namespace, where.name, port.name, port.protocol, six), Counter())
        return counted[node] if node else counted.total()


class Balancers:
    """The load balancers of HNS by address, port and protocol. A NodePort's has no VIP, or those of the node."""

    def __init__(self, hns: Hns) -> None:
        self._found: dict[tuple[str, int, int], LoadBalancer] = {}
        for one in hns.load_balancers:
            for vip in one.vips:
                self._found.setdefault((vip, one.external_port, one.protocol), one)
            if not one.vips or one.local_routed_vip:
                self._found.setdefault(("", one.external_port, one.protocol), one)

    def find(self, vip: str, port: int, protocol: str) -> LoadBalancer | None:
        return self._found.get((vip, port, PROTOCOLS.get(protocol, 0)))


def services(name: str, listed: Answer, slices: Answer, hns: Answer) -> Iterator[Side]:
    """Each port of each Service (and each NodePort) against the load balancers that HNS has for it."""
    if not isinstance(listed, ServiceObjects):
        yield Side("Services", "services", "", "", Verdict.UNTOLD, why_not(listed))
        return
    ready = Ready(slices) if isinstance(slices, EndpointSlices) else None
    balancers = Balancers(hns) if isinstance(hns, Hns) else None
    why = why_not(slices, hns)
    for service in listed.items:
        if not virtual_address(service) or service.spec.type == "ExternalName":
            continue
        for port in service.spec.ports:
            for number in (0, port.node_port) if port.node_port else (0,):
                yield _port(name, service, port, number, ready, balancers, why)


def _port(
    name: str,
    service: ServiceObject,
    port: ServicePort,
    node_port: int,
    ready: Ready | None,
    balancers: Balancers | None,
    why: str,
) -> Side:
    spec, where, virtual = service.spec, service.metadata, virtual_address(service)
    number = node_port or port.port
    what = f"{where.namespace}/{where.name} {'NodePort ' if node_port else ''}{number}/{port.protocol}"
    local = (spec.external_traffic_policy if node_port else spec.internal_traffic_policy) == "Local"
    address = f"any:{number}" if node_port else f"{virtual}:{number}"
    if ready is None:
        return untold("Services", what, address, why)
    behind = ready.behind(service, port, name if local else "")
    api = f"{address} → {behind} ready"
    if balancers is None:
        return untold("Services", what, api, why)
    balancer = balancers.find("" if node_port else virtual, number, port.protocol)
    if balancer is None:
        good = behind == 0  # kube-proxy makes no load balancer for a Service without endpoints
        note = (
            ""
            if good
            else "HNS has no load balancer for it: connections from this node and its pods go nowhere."
        )
        return Side(
            "Services", what, api, "no load balancer", Verdict.EQUAL if good else Verdict.DIFFERS, note
        )
    held = len(balancer.endpoints)
    node = f"load balancer → {held} endpoint{'s' * (held != 1)}, port {balancer.internal_port}"
    good = held == behind
    note = "" if good else "kube-proxy on the node has not followed the endpoints."
    return Side("Services", what, api, node, Verdict.EQUAL if good else Verdict.DIFFERS, note)
