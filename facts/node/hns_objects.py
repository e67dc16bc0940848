"""HNS objects in either schema, made into one shape.

v1 is what the in-box module gives (microsoft/hcsshim internal/hns: HNSNetwork, HNSEndpoint, PolicyList); v2 is what
Microsoft's hns.v2.psm1 and newer builds give (microsoft/hcsshim hcn: HostComputeNetwork, …).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from facts.node.hns import HnsEndpoint, LoadBalancer, Network, RemoteSubnet
from facts.node.parsing import Document, listing, mapping, number, text, texts

REMOTE_ENDPOINT = 1  # hcn EndpointFlagsRemoteEndpoint
DIRECT_RETURN = 1  # hcn LoadBalancerFlagsDSR
INTERNAL, ROUTED_VIP = 1, 2  # hcn LoadBalancerPortMappingFlagsILB, …FlagsLocalRoutedVIP


def _policies(owner: Document) -> Iterator[tuple[str, Document]]:
    """(type, values): v2 keeps the values in `Settings`, v1 beside the type."""
    for item in listing(owner.get("Policies")):
        policy = mapping(item)
        yield text(policy.get("Type")).lower(), mapping(policy.get("Settings")) or policy


def _subnets(document: Document) -> Iterator[Document]:
    yield from (mapping(s) for s in listing(document.get("Subnets")))
    for pool in listing(document.get("Ipams")):
        yield from (mapping(s) for s in listing(mapping(pool).get("Subnets")))


def network_of(document: Document) -> Network:
    subnets = list(_subnets(document))
    vsid = 0
    for subnet in subnets:
        for kind, values in _policies(subnet):
            if kind == "vsid" and not vsid:
                vsid = number(values.get("VSID")) or number(values.get("IsolationId"))
    remote: list[RemoteSubnet] = []
    host_route = False
    management, adapter = text(document.get("ManagementIP")), text(document.get("NetworkAdapterName"))
    for kind, values in _policies(document):
        if kind == "remotesubnetroute":
            remote.append(
                RemoteSubnet(
                    text(values.get("DestinationPrefix")),
                    number(values.get("IsolationId")),
                    text(values.get("ProviderAddress")),
                    text(values.get("DistributedRouterMacAddress")),
                )
            )
        elif kind == "hostroute":
            host_route = True
        elif kind == "provideraddress":
            management = management or text(values.get("ProviderAddress"))
        elif kind == "netadaptername":
            adapter = adapter or text(values.get("NetworkAdapterName"))
    prefixes = (text(s.get("AddressPrefix")) or text(s.get("IpAddressPrefix")) for s in subnets)
    return Network(
        text(document.get("ID")),
        text(document.get("Name")),
        text(document.get("Type")),
        management,
        adapter,
        tuple(p for p in prefixes if p),
        vsid,
        tuple(remote),
        host_route,
    )


def endpoint_of(document: Document, networks: tuple[Network, ...]) -> HnsEndpoint:
    identity = text(document.get("VirtualNetwork")) or text(document.get("HostComputeNetwork"))
    named = next((n.name for n in networks if n.id.lower() == identity.lower()), "")
    configured = [mapping(c) for c in listing(document.get("IpConfigurations"))]
    dns = mapping(document.get("Dns"))
    exceptions: list[str] = []
    for kind, values in _policies(document):
        if kind == "outboundnat":
            exceptions += texts(values.get("ExceptionList")) + texts(values.get("Exceptions"))
    remote = document.get("IsRemoteEndpoint") is True
    if "IsRemoteEndpoint" not in document or document["IsRemoteEndpoint"] is None:
        remote = bool(number(document.get("Flags")) & REMOTE_ENDPOINT)
    address = text(document.get("IPAddress"))
    return HnsEndpoint(
        text(document.get("ID")),
        text(document.get("Name")),
        text(document.get("VirtualNetworkName")) or named,
        address
        or next(iter(sorted((text(c.get("IpAddress")) for c in configured), key=lambda a: ":" in a)), ""),
        text(document.get("MacAddress")),
        remote,
        number(document.get("State")),
        texts(document.get("DNSSuffix")) or texts(dns.get("Search")) or texts(dns.get("Domain")),
        texts(document.get("DNSServerList")) or texts(dns.get("ServerList")),
        texts(document.get("SharedContainers")),
        tuple(exceptions),
    )


def load_balancers_of(document: Document) -> Iterator[LoadBalancer]:
    """One per ELB policy (v1) or port mapping (v2)."""
    identity = text(document.get("ID"))
    references = texts(document.get("References")) + texts(document.get("HostComputeEndpoints"))
    endpoints = tuple(r.rsplit("/", 1)[-1] for r in references)
    for kind, values in _policies(document):
        if kind != "elb":
            continue
        yield LoadBalancer(
            identity,
            texts(values.get("VIPs")),
            number(values.get("Protocol")),
            number(values.get("ExternalPort")),
            number(values.get("InternalPort")),
            text(values.get("SourceVIP")),
            values.get("IsDSR") is True,
            values.get("ILB") is True,
            values.get("LocalRoutedVip") is True,
            endpoints,
        )
    for item in listing(document.get("PortMappings")):
        mapped = mapping(item)
        flags = number(mapped.get("Flags"))
        yield LoadBalancer(
            identity,
            texts(document.get("FrontendVIPs")),
            number(mapped.get("Protocol")),
            number(mapped.get("ExternalPort")),
            number(mapped.get("InternalPort")),
            text(document.get("SourceVIP")),
            bool(number(document.get("Flags")) & DIRECT_RETURN),
            bool(flags & INTERNAL),
            bool(flags & ROUTED_VIP),
            endpoints,
        )


def objects_of(said: str) -> list[Document]:
    """The objects of a JSON list, an object alone, or nothing. msgspec.DecodeError if it is no JSON."""
    value: Any = msgspec.json.decode(said) if said else []
    return [mapping(v) for v in listing(value) if isinstance(v, dict)]
