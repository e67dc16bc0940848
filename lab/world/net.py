"""Addresses and shapes of HNS objects (v1 schema), and the small network model that flows are judged by."""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.world.machine import Machine
from lab.world.text import stable_hex, stable_uid

HnsObject = dict[str, Any]
ENDPOINT_ATTACHED_SHARING = 3
HOST_ROUTE = {"Type": "HostRoute"}


def host(cidr: str, offset: int) -> str:
    """The address `offset` into `cidr`."""
    return str(ipaddress.ip_network(cidr, strict=False).network_address + offset)


def inside(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)


def subnet_of(inner: str, outer: str) -> bool:
    one, two = ipaddress.ip_network(inner, strict=False), ipaddress.ip_network(outer, strict=False)
    return (
        isinstance(one, ipaddress.IPv4Network)
        and isinstance(two, ipaddress.IPv4Network)
        and one.subnet_of(two)
    )


def mac_for(address: str, prefix: str = "0E-2A") -> str:
    """The MAC that the overlay gives a pod: prefix and the four bytes of its address."""
    octets = "-".join(f"{int(part):02x}" for part in address.split("."))
    return f"{prefix}-{octets}"


def dr_mac(machine: Machine) -> str:
    digits = stable_hex(6, "dr-mac", machine.name).upper()
    return f"00-15-5D-{digits[:2]}-{digits[2:4]}-{digits[4:]}"


def overlay_network(
    machine: Machine, name: str, prefix: str, vsid: int, adapter: str, management_ip: str
) -> HnsObject:
    """An overlay network as Get-HnsNetwork shows it (shape: https://github.com/microsoft/SDN/issues/238)."""
    identity = stable_uid("network", machine.name, name, prefix, str(vsid)).upper()
    return {
        "ActivityId": stable_uid("activity", identity).upper(),
        "AdditionalParams": {},
        "CurrentEndpointCount": 0,
        "DNSServerCompartment": 3,
        "DrMacAddress": dr_mac(machine),
        "Extensions": [
            {
                "Id": "E7C3B2F0-F3C5-48DF-AF2B-10FED6D72E7A",
                "IsEnabled": False,
                "Name": "Microsoft Windows Filtering Platform",
            },
            {
                "Id": "E9B59CFA-2BE1-4B21-828F-B6FBDBDDC017",
                "IsEnabled": True,
                "Name": "Microsoft Azure VFP Switch Extension",
            },
            {
                "Id": "EA24CD6C-D17A-4348-9190-09F0D5BE83DD",
                "IsEnabled": True,
                "Name": "Microsoft NDIS Capture",
            },
        ],
        "Flags": 0,
        "ID": identity,
        "IPv6": False,
        "LayeredOn": stable_uid("switch", machine.name).upper(),
        "MacPools": [{"EndMacAddress": "00-15-5D-B3-9F-FF", "StartMacAddress": "00-15-5D-B3-90-00"}],
        "ManagementIP": management_ip,
        "MaxConcurrentEndpoints": 0,
        "Name": name,
        "NetworkAdapterName": adapter,
        "Policies": [dict(HOST_ROUTE)],
        "State": 1,
        "Subnets": [
            {
                "AddressPrefix": prefix,
                "GatewayAddress": host(prefix, 1),
                "ObjectType": 5,
                "Policies": [{"Type": "VSID", "VSID": vsid}],
                "State": 0,
            }
        ],
        "TotalEndpoints": 0,
        "Type": "Overlay",
        "Version": 38654705666 if machine.os.build < 20000 else 55834574851,
    }


def endpoint(
    network: HnsObject,
    identity: str,
    address: str,
    *,
    name: str,
    remote: bool = False,
    dns_servers: str = "",
    dns_suffix: str = "",
    containers: list[str] | None = None,
    policies: list[dict[str, Any]] | None = None,
    namespace: str = "",
    mac: str = "",
) -> HnsObject:
    """An endpoint as Get-HnsEndpoint shows it."""
    prefix = network["Subnets"][0]["AddressPrefix"]
    item: HnsObject = {
        "ActivityId": stable_uid("activity", identity).upper(),
        "AdditionalParams": {},
        "EncapOverhead": 50,
        "GatewayAddress": host(prefix, 1),
        "ID": identity,
        "IPAddress": address,
        "MacAddress": mac or mac_for(address),
        "Name": name,
        "Policies": policies or [],
        "PrefixLength": int(prefix.split("/")[1]),
        "SharedContainers": containers or [],
        "State": 1 if remote else ENDPOINT_ATTACHED_SHARING,
        "Type": network["Type"],
        "Version": network["Version"],
        "VirtualNetwork": network["ID"],
        "VirtualNetworkName": network["Name"],
    }
    if remote:
        item["IsRemoteEndpoint"] = True
    if dns_servers:
        item["DNSServerList"] = dns_servers
    if dns_suffix:
        item["DNSSuffix"] = dns_suffix
    if namespace:
        item["Namespace"] = {"ID": namespace}
    return item


def pod_network(machine: Machine) -> HnsObject | None:
    """The network that pods of this node are on, whatever it is called."""
    return next(
        (n for n in machine.hns.networks if n["Type"] in ("Overlay", "L2Bridge") and n["Name"] != "External"),
        None,
    )


def network_named(machine: Machine, name: str) -> HnsObject | None:
    return next((n for n in machine.hns.networks if n["Name"].lower() == name.lower()), None)


def remote_subnet(prefix: str, vsid: int, provider: str, mac: str) -> dict[str, Any]:
    return {
        "DestinationPrefix": prefix,
        "DistributedRouterMacAddress": mac.replace(":", "-").upper(),
        "IsolationId": vsid,
        "ProviderAddress": provider,
        "Type": "RemoteSubnetRoute",
    }


def remote_routes(network: HnsObject) -> dict[str, dict[str, Any]]:
    return {p["DestinationPrefix"]: p for p in network["Policies"] if p.get("Type") == "RemoteSubnetRoute"}


def admits(machine: Machine, port: int, protocol: str) -> bool:
    """Whether the Windows firewall lets UDP or TCP `port` in."""
    if not any(machine.firewall.profiles.values()) or machine.firewall.default_inbound != "Block":
        return True
    matching = [
        r
        for r in machine.firewall.rules
        if r.enabled
        and r.direction == "Inbound"
        and r.protocol in (protocol, "Any")
        and (r.local_port == ["Any"] or str(port) in r.local_port)
    ]
    return bool(matching) and all(r.action == "Allow" for r in matching)


def admits_udp(machine: Machine, port: int) -> bool:
    return admits(machine, port, "UDP")
