"""Pods and Services of a node from both sides. Pure."""

from __future__ import annotations

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


def services(name: str, listed: Answer, slices: Answer, hns: Answer) -> Iterator[Side]:
    """Each port of each Service (and each NodePort) against the load balancers that HNS has for it."""
    if not isinstance(listed, ServiceObjects):
        yield Side("Services", "services", "", "", Verdict.UNTOLD, why_not(listed))
        return
    for service in listed.items:
        if service.spec.cluster_ip in ("", "None") or service.spec.type == "ExternalName":
            continue
        for port in service.spec.ports:
            yield _port(name, service, port, slices, hns, node_port=False)
            if port.node_port:
                yield _port(name, service, port, slices, hns, node_port=True)


def ready_endpoints(service: ServiceObject, port: ServicePort, slices: EndpointSlices, only: str = "") -> int:
    """How many ready addresses stand behind a port (with `only`: on that node)."""
    where = service.metadata
    return sum(
        len(endpoint.addresses)
        for piece in slices.of(where.namespace, where.name)
        if any(p.name == port.name and p.protocol == port.protocol for p in piece.ports)
        for endpoint in piece.endpoints
        if endpoint.ready and only in ("", endpoint.node_name)
    )


def _port(
    name: str, service: ServiceObject, port: ServicePort, slices: Answer, hns: Answer, *, node_port: bool
) -> Side:
    spec, where = service.spec, service.metadata
    number = port.node_port if node_port else port.port
    what = f"{where.namespace}/{where.name} {'NodePort ' if node_port else ''}{number}/{port.protocol}"
    local = (spec.external_traffic_policy if node_port else spec.internal_traffic_policy) == "Local"
    address = f"any:{number}" if node_port else f"{spec.cluster_ip}:{number}"
    if not isinstance(slices, EndpointSlices):
        return untold("Services", what, address, why_not(slices))
    behind = ready_endpoints(service, port, slices, name if local else "")
    api = f"{address} → {behind} ready"
    if not isinstance(hns, Hns):
        return untold("Services", what, api, why_not(hns))
    balancer = _balancer(hns, "" if node_port else spec.cluster_ip, number, PROTOCOLS.get(port.protocol, 0))
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


def _balancer(hns: Hns, vip: str, port: int, protocol: int) -> LoadBalancer | None:
    """By VIP, port and protocol; a NodePort's has no VIP, or those of the node."""
    for balancer in hns.load_balancers:
        if balancer.external_port == port and balancer.protocol == protocol:
            if vip and vip in balancer.vips:
                return balancer
            if not vip and (not balancer.vips or balancer.local_routed_vip):
                return balancer
    return None
