"""Services as a Windows node must serve them: ports, ready backends, load balancers in HNS."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from checks.finding import Object
from facts.cluster.objects import ServiceObject, ServicePort
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.node.hns import Hns, LoadBalancer

PROTOCOLS = {"TCP": 6, "UDP": 17}
# With this label a Service belongs to another proxy, and kube-proxy leaves it alone.
PROXY_NAME = "service.kubernetes.io/service-proxy-name"


class Served(msgspec.Struct, frozen=True):
    """One port of one Service."""

    service: ServiceObject
    port: ServicePort

    @property
    def object(self) -> Object:
        return Object("Service", self.service.metadata.name, self.service.metadata.namespace)

    @property
    def name(self) -> str:
        return f"{self.service.metadata.namespace}/{self.service.metadata.name}"

    @property
    def protocol(self) -> int:
        return PROTOCOLS.get(self.port.protocol, 0)

    @property
    def local_only(self) -> bool:
        return self.service.spec.external_traffic_policy == "Local"

    @property
    def from_here_alone(self) -> bool:
        """A node port may lead to pods of its node only: by the policy, or because the destination is preserved."""
        return self.local_only or self.service.metadata.annotations.get("preserve-destination") == "true"


class Backend(msgspec.Struct, frozen=True):
    address: str
    node: str


def virtual_ports(services: ServiceObjects) -> Iterator[Served]:
    """Every TCP or UDP port of a Service with an IPv4 ClusterIP that kube-proxy serves."""
    for service in services.items:
        if not service.spec.ipv4:
            continue
        if PROXY_NAME in service.metadata.labels:
            continue
        for port in service.spec.ports:
            if port.protocol in PROTOCOLS:
                yield Served(service, port)


def node_ports(services: ServiceObjects) -> Iterator[Served]:
    """Every TCP or UDP node port."""
    for served in virtual_ports(services):
        if served.port.node_port:
            yield served


def backends(served: Served, slices: EndpointSlices, pods: Pods | None = None) -> list[Backend]:
    """Ready IPv4 backends of that port. Old slices do not name the node: then the pod with that address tells it."""
    meta = served.service.metadata
    found = [
        Backend(address, endpoint.node_name)
        for part in slices.of(meta.namespace, meta.name)
        if any(
            p.name == served.port.name and p.protocol == served.port.protocol and p.port for p in part.ports
        )
        for endpoint in part.endpoints
        if endpoint.ready
        for address in endpoint.addresses
        if ":" not in address
    ]
    if pods is None or all(b.node for b in found):
        return found
    by_address = {p.status.pod_ip: p.spec.node_name for p in pods.items if p.status.pod_ip}
    return [b if b.node else Backend(b.address, by_address.get(b.address, "")) for b in found]


def programmed(hns: Hns) -> set[tuple[str, int, int]]:
    """(virtual address, port, protocol) of every load balancer; protocol 0 is any. A set, for there are thousands."""
    return {(vip, b.external_port, b.protocol) for b in hns.load_balancers for vip in b.vips}


def has_cluster_ip(served: Served, have: set[tuple[str, int, int]]) -> bool:
    """Whether the Service's virtual address and port are among what is `programmed`."""
    address, port = served.service.spec.ipv4, served.port.port
    return (address, port, served.protocol) in have or (address, port, 0) in have


def node_port_balancer(hns: Hns, served: Served) -> LoadBalancer | None:
    """The load balancer for the node port: it has no virtual address."""
    return next(
        (
            b
            for b in hns.load_balancers
            if not b.vips and b.external_port == served.port.node_port and b.protocol in (served.protocol, 0)
        ),
        None,
    )
