"""The state of one Windows machine of the lab, as data.

The stand-ins of the Windows cmdlets (`lab/windows/`) read it as JSON and the act scripts change it; the scenarios
(`lab/world/`) fill it; faults edit it. Nothing here knows what kwinnow asks.

Times are seconds relative to the lab's "now" (negative: past), so that a recorded answer can be replayed later.
Paths are Windows paths as text. Field names follow the cmdlet or WMI class that shows them.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Os(msgspec.Struct):
    """Registry CurrentVersion, Win32_OperatingSystem and Win32_ComputerSystem."""

    product_name: str
    build: int
    ubr: int
    edition_id: str = "ServerStandard"
    installation_type: str = "Server Core"
    release_id: str = ""
    display_version: str = ""
    hostname: str = ""
    domain: str = "WORKGROUP"
    part_of_domain: bool = False
    manufacturer: str = "QEMU"
    model: str = "Standard PC (Q35 + ICH9, 2009)"
    boot: float = -86_400.0
    memory_kb: int = 16_777_216
    free_memory_kb: int = 9_000_000
    cpus: int = 4
    ui_culture: str = "en-US"  # language of Windows' own sentences: en-US, de-DE, zh-CN
    oem_code_page: int = 437
    time_zone: str = "UTC"
    clock_offset: float = 0.0  # seconds by which this node's clock is ahead of the lab's
    language_mode: str = "FullLanguage"
    elevated: bool = True


class Service(msgspec.Struct):
    """Win32_Service plus what the registry keeps of it."""

    state: str = "Running"  # Running, Stopped, Paused, Start Pending
    start_mode: str = "Auto"  # Auto, Manual, Disabled
    path: str = ""
    account: str = "LocalSystem"
    display_name: str = ""
    pid: int = 0
    exit_code: int = 0
    service_exit_code: int = 0
    depends_on: list[str] = []
    nssm: dict[str, Any] = {}  # Parameters key: Application, AppParameters, AppEnvironmentExtra (list), …
    started: float = -86_000.0


class Process(msgspec.Struct):
    """Win32_Process."""

    name: str
    pid: int
    ppid: int = 4
    command_line: str = ""
    created: float = -86_000.0
    working_set: int = 80_000_000
    threads: int = 20
    handles: int = 400
    session: int = 0


class File(msgspec.Struct):
    """A file. `text` is written as UTF-8 without BOM unless `encoding` says otherwise."""

    text: str = ""
    encoding: str = "utf-8"  # any Python codec: utf-8-sig, utf-16
    size: int = 0  # for executables: a size without content
    version: str = ""  # file version of an executable
    zone: bool = False  # has a Zone.Identifier stream
    modified: float = -80_000.0


class Adapter(msgspec.Struct):
    """Get-NetAdapter, with its addresses (Get-NetIPAddress) and Get-NetIPInterface."""

    name: str
    description: str
    index: int
    mac: str  # 00-15-5D-…
    status: str = "Up"
    mtu: int = 1500
    virtual: bool = False
    hidden: bool = False
    addresses: list[tuple[str, int]] = []  # (IPv4, prefix length)
    prefix_origin: str = "Dhcp"
    forwarding: bool = False
    dns: list[str] = []
    category: str = "Public"  # Get-NetConnectionProfile


class Route(msgspec.Struct):
    """Get-NetRoute."""

    prefix: str
    next_hop: str
    index: int
    metric: int = 0


class FirewallRule(msgspec.Struct):
    """A firewall rule with its port filter."""

    name: str
    display_name: str
    direction: str = "Inbound"
    action: str = "Allow"
    enabled: bool = True
    protocol: str = "TCP"  # TCP, UDP, Any
    local_port: list[str] = msgspec.field(default_factory=lambda: ["Any"])
    profile: str = "Any"
    program: str = "Any"
    store: str = "PersistentStore"  # or GroupPolicy


class Firewall(msgspec.Struct):
    """Profiles (name → on) and rules."""

    profiles: dict[str, bool] = {}
    rules: list[FirewallRule] = []
    default_inbound: str = "Block"


class Hns(msgspec.Struct):
    """HNS objects in the v1 schema, exactly as Get-HnsNetwork, Get-HnsEndpoint and Get-HnsPolicyList give them."""

    networks: list[dict[str, Any]] = []
    endpoints: list[dict[str, Any]] = []
    policy_lists: list[dict[str, Any]] = []
    hangs: bool = False  # every call blocks


class Event(msgspec.Struct):
    """A record of the Windows event log. `message` is in English; the stand-in translates by provider and id.

    `service` is the key name that the Service Control Manager adds as bytes.
    """

    log: str
    provider: str
    id: int
    level: int = 4
    time: float = -3_600.0
    properties: list[str] = []
    message: str = ""
    service: str = ""


class Native(msgspec.Struct):
    """What a program prints: stdout, stderr, exit code, by its exact argument list joined with blanks."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class Machine(msgspec.Struct):
    """One Windows node as it stands."""

    name: str  # the Node object's name
    address: str  # its InternalIP
    os: Os
    services: dict[str, Service] = {}
    drivers: dict[str, str] = {}  # name → State
    processes: list[Process] = []
    registry: dict[str, dict[str, Any]] = {}  # r"HKLM:\SYSTEM\…" → value name → value
    environment: dict[str, str] = {}  # machine environment
    files: dict[str, File] = {}
    acls: dict[str, str] = {}  # path → SDDL, where it is not what the folder above hands down
    adapters: list[Adapter] = []
    routes: list[Route] = []
    dns_suffixes: list[str] = []
    names: dict[str, list[str]] = {}  # what Resolve-DnsName answers on the node: name → addresses
    firewall: Firewall = msgspec.field(default_factory=Firewall)
    hns: Hns = msgspec.field(default_factory=Hns)
    pipes: list[str] = []  # names below \\.\pipe\
    natives: dict[str, dict[str, Native]] = {}  # r"C:\…\crictl.exe" → arguments → answer
    events: list[Event] = []
    listening: list[tuple[str, int, int]] = []  # (address, port, pid)
    dynamic_ports: dict[str, tuple[int, int]] = {}  # tcp/udp → (start, count)
    excluded_ports: dict[str, list[tuple[int, int]]] = {}
    disks: list[dict[str, Any]] = []
    page_file_mb: int = 4096
    # What a TCP connection from this node meets, by "host:port": open, refused, timeout, unreachable, unknown-host.
    tcp: dict[str, str] = {}  # beyond the cluster, and the API server: a cause
    flows: dict[str, str] = {}  # to node ports, ClusterIPs and pods: it follows from how things stand
    hung_questions: list[str] = []  # cmdlet names that block for ever (a condition)
