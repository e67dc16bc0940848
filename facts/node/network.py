"""The node's network outside HNS: adapters, routes, DNS client, ports, firewall."""

from __future__ import annotations

import msgspec

from facts.fact import Fact, asked_of_node
from facts.node.parsing import port_ranges


class IpAddress(msgspec.Struct, frozen=True):
    address: str
    prefix_length: int = 0
    origin: str = ""  # Dhcp, Manual, WellKnown


class Adapter(msgspec.Struct, frozen=True):
    """Get-NetAdapter with Get-NetIPAddress and Get-NetIPInterface (IPv4)."""

    name: str
    description: str = ""
    index: int = 0
    status: str = ""  # Up, Disconnected, Disabled, Not Present
    mac: str = ""
    mtu: int = 0
    virtual: bool = False
    hidden: bool = False
    forwarding: bool = False
    category: str = ""  # Public, Private, DomainAuthenticated
    addresses: tuple[IpAddress, ...] = ()


@asked_of_node("adapters.ps1")
class Adapters(Fact, frozen=True):
    """Network adapters and their IPv4 addresses."""

    adapters: tuple[Adapter, ...]

    @property
    def ipv4(self) -> tuple[str, ...]:
        return tuple(a.address for adapter in self.adapters for a in adapter.addresses)

    def holding(self, address: str) -> Adapter | None:
        return next((a for a in self.adapters if any(i.address == address for i in a.addresses)), None)


class Route(msgspec.Struct, frozen=True):
    prefix: str
    next_hop: str
    index: int
    metric: int = 0


@asked_of_node("routes.ps1")
class Routes(Fact, frozen=True):
    """The IPv4 routing table."""

    routes: tuple[Route, ...]

    @property
    def defaults(self) -> tuple[Route, ...]:
        return tuple(r for r in self.routes if r.prefix == "0.0.0.0/0")


@asked_of_node("dns_client.ps1")
class DnsClient(Fact, frozen=True):
    """How the node itself resolves names."""

    servers: dict[str, tuple[str, ...]] = {}  # adapter name → servers
    suffixes: tuple[str, ...] = ()
    search_list: str = ""  # registry Tcpip\\Parameters!SearchList
    append_to_multi_label: bool | None = None  # policy DNSClient!AppendToMultiLabelName


class Listener(msgspec.Struct, frozen=True):
    address: str
    port: int
    pid: int = 0


class RawPorts(msgspec.Struct, frozen=True):
    """The answer of ports.ps1; `excluded` is what netsh printed, in the language of the node."""

    listening: tuple[Listener, ...] = ()
    dynamic: dict[str, tuple[int, int]] = {}
    excluded: dict[str, str] = {}


@asked_of_node("ports.ps1", seconds=15)
class Ports(Fact, frozen=True):
    """Listening TCP ports, dynamic ranges and excluded ranges. UDP 4789 never shows: VFP ends VXLAN below sockets."""

    listening: tuple[Listener, ...] = ()
    dynamic: dict[str, tuple[int, int]] = {}  # "tcp"/"udp" → (start, count)
    excluded: dict[str, tuple[tuple[int, int], ...]] = {}  # "tcp"/"udp" → ((first, last), …)

    @classmethod
    def read(cls, answer: RawPorts) -> Ports:
        excluded = {protocol: port_ranges(said) for protocol, said in answer.excluded.items()}
        return cls(answer.listening, answer.dynamic, excluded)


class FirewallRule(msgspec.Struct, frozen=True):
    """An enabled inbound rule for a port that is asked about. Ports as Windows writes them: "4789", "Any"."""

    name: str
    display_name: str = ""
    allow: bool = True
    protocol: str = ""  # TCP, UDP, Any
    ports: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()  # Domain, Private, Public, Any
    store: str = ""


class RawOpenRule(msgspec.Struct, frozen=True):
    """A rule for every port as the registry keeps it (format: MS-GPFAS 2.2.2.19)."""

    name: str
    text: str  # v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|Profile=Domain|Name=…|
    policy: bool = False  # set by group policy

    @property
    def rule(self) -> FirewallRule:
        pairs = [part.partition("=")[::2] for part in self.text.split("|") if "=" in part]
        values = dict(pairs)
        return FirewallRule(
            self.name,
            values.get("Name", ""),
            values.get("Action", "Allow") == "Allow",
            {"6": "TCP", "17": "UDP"}.get(values.get("Protocol", ""), "Any"),
            ("Any",),
            tuple(value for name, value in pairs if name == "Profile") or ("Any",),
            "GroupPolicy" if self.policy else "Local",
        )


class RawFirewall(msgspec.Struct, frozen=True):
    """The answer of firewall.ps1."""

    profiles: dict[str, bool]
    default_inbound: dict[str, str] = {}
    rules: tuple[FirewallRule, ...] = ()
    open: tuple[RawOpenRule, ...] = ()


@asked_of_node("firewall.ps1", seconds=30)
class Firewall(Fact, frozen=True):
    """Firewall profiles, and the enabled inbound rules for UDP 4789, TCP 10250, node ports and WinRM (ActiveStore)."""

    profiles: dict[str, bool]  # Domain, Private, Public → on
    default_inbound: dict[str, str] = {}  # profile → Block, Allow, NotConfigured
    rules: tuple[FirewallRule, ...] = ()

    @classmethod
    def read(cls, answer: RawFirewall) -> Firewall:
        opened = tuple(o.rule for o in answer.open)
        return cls(answer.profiles, answer.default_inbound, answer.rules + opened)

    @property
    def on(self) -> bool:
        return any(self.profiles.values())
