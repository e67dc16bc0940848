"""What the Host Networking Service holds: networks, endpoints, load balancers, in one normalised shape.

Source of the shapes: the in-box module HostNetworkingService gives the v1 schema (microsoft/hcsshim internal/hns).
"""

from __future__ import annotations

import msgspec

from facts.fact import Fact, Failed, asked_of_node

ENDPOINT_STATES = (
    "Uninitialized",
    "Created",
    "Attached",
    "AttachedSharing",
    "Detached",
    "Degraded",
    "Destroyed",
)


class RemoteSubnet(msgspec.Struct, frozen=True):
    """A RemoteSubnetRoute policy: where another node's pods are."""

    prefix: str
    vsid: int
    provider_address: str
    mac: str


class Network(msgspec.Struct, frozen=True):
    id: str
    name: str
    type: str  # Overlay, L2Bridge, nat, Transparent, …
    management_ip: str = ""
    adapter: str = ""
    subnets: tuple[str, ...] = ()
    vsid: int = 0
    remote_subnets: tuple[RemoteSubnet, ...] = ()
    host_route: bool = False


class HnsEndpoint(msgspec.Struct, frozen=True):
    id: str
    name: str
    network: str  # name of its network
    ip: str = ""
    mac: str = ""
    remote: bool = False
    state: int = 3
    dns_suffixes: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    nat_exceptions: tuple[str, ...] = ()

    @property
    def state_name(self) -> str:
        return ENDPOINT_STATES[self.state] if 0 <= self.state < len(ENDPOINT_STATES) else str(self.state)


class LoadBalancer(msgspec.Struct, frozen=True):
    """One ELB policy of a policy list. No VIP: a NodePort rule, valid on every address of the node."""

    id: str
    vips: tuple[str, ...] = ()
    protocol: int = 6  # 6 TCP, 17 UDP
    external_port: int = 0
    internal_port: int = 0
    source_vip: str = ""
    dsr: bool = False
    ilb: bool = False
    local_routed_vip: bool = False
    endpoints: tuple[str, ...] = ()  # endpoint ids


class RawHns(msgspec.Struct, frozen=True):
    """The answer of hns.ps1: three JSON lists as text, v1 or v2."""

    networks: str
    endpoints: str
    policy_lists: str


@asked_of_node("hns.ps1", seconds=15)
class Hns(Fact, frozen=True):
    """Everything that HNS has made on this node."""

    networks: tuple[Network, ...]
    endpoints: tuple[HnsEndpoint, ...]
    load_balancers: tuple[LoadBalancer, ...]

    @classmethod
    def read(cls, answer: RawHns) -> Hns | Failed:
        from facts.node import hns_objects as v  # it needs the classes above

        try:
            networks = tuple(v.network_of(o) for o in v.objects_of(answer.networks))
            endpoints = tuple(v.endpoint_of(o, networks) for o in v.objects_of(answer.endpoints))
            lists = v.objects_of(answer.policy_lists)
        except msgspec.DecodeError as error:
            return Failed("malformed", f"What HNS answered is not JSON: {error}.", "", "garbled", "answer")
        return cls(networks, endpoints, tuple(b for o in lists for b in v.load_balancers_of(o)))

    @property
    def pod_networks(self) -> tuple[Network, ...]:
        """Networks that can carry pods: neither Docker's nat nor the trigger network External."""
        return tuple(
            n
            for n in self.networks
            if n.type.lower() not in ("nat", "ics", "internal") and n.name != "External"
        )

    def network(self, name: str) -> Network | None:
        return next((n for n in self.networks if n.name.lower() == name.lower()), None)

    def endpoint(self, ip: str) -> HnsEndpoint | None:
        return next((e for e in self.endpoints if e.ip == ip and not e.remote), None)

    @property
    def overlay(self) -> Network | None:
        return next((n for n in self.pod_networks if n.type.lower() == "overlay"), None)
