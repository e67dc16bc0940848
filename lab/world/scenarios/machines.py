"""Windows machines as setup scripts leave them, before any pod network exists."""

from __future__ import annotations

from lab.world.machine import Adapter, File, Firewall, FirewallRule, Machine, Os, Process, Route, Service
from lab.world.text import stable_hex

KEEP_AWAKE = -86_000.0
OS_2019 = ("Windows Server 2019 Standard", 17763, 6532, "1809", "")
OS_2022 = ("Windows Server 2022 Standard", 20348, 2966, "2009", "21H2")


def operating_system(release: tuple[str, int, int, str, str], hostname: str) -> Os:
    product, build, ubr, release_id, display = release
    return Os(product, build, ubr, release_id=release_id, display_version=display, hostname=hostname)


def mac_of(address: str) -> str:
    digits = stable_hex(6, "mac", address).upper()
    return f"00-15-5D-{digits[:2]}-{digits[2:4]}-{digits[4:]}"


def base_machine(
    name: str, address: str, release: tuple[str, int, int, str, str], hostname: str, gateway: str
) -> Machine:
    """A patched Server Core with the Containers feature, WinRM and one network card."""
    card = Adapter(
        "Ethernet",
        "Red Hat VirtIO Ethernet Adapter",
        5,
        mac_of(address),
        addresses=[(address, 24)],
        prefix_origin="Manual",
        dns=[gateway],
        category="Public",
    )
    loopback = Adapter(
        "Loopback Pseudo-Interface 1",
        "Software Loopback Interface 1",
        1,
        "",
        mtu=65535,
        virtual=True,
        hidden=True,
        addresses=[("127.0.0.1", 8)],
        prefix_origin="WellKnown",
    )
    machine = Machine(name, address, operating_system(release, hostname))
    machine.adapters = [card, loopback]
    prefix = address.rsplit(".", 1)[0]
    machine.routes = [
        Route("0.0.0.0/0", gateway, 5, 1),
        Route(f"{prefix}.0/24", "0.0.0.0", 5, 256),
        Route("127.0.0.0/8", "0.0.0.0", 1, 256),
    ]
    machine.services = _services()
    machine.drivers = dict.fromkeys(("vfpext", "vmsmp", "vmswitch", "HvHost", "wcifs"), "Running")
    machine.processes = [
        Process("svchost.exe", 1204, 712, r"C:\Windows\System32\svchost.exe -k NetSvcs -p", threads=22),
        Process("vmcompute.exe", 1388, 712, r"C:\Windows\system32\vmcompute.exe", threads=12),
    ]
    machine.firewall = Firewall(
        dict.fromkeys(("Domain", "Private", "Public"), True),
        [
            FirewallRule("WINRM-HTTP-In-TCP", "Windows Remote Management (HTTP-In)", local_port=["5985"]),
            FirewallRule("WINRM-HTTPS-In-TCP", "Windows Remote Management (HTTPS-In)", local_port=["5986"]),
            FirewallRule("kubelet", "kubelet", local_port=["10250"]),
            FirewallRule("NodePorts", "Kubernetes node ports", local_port=["30000-32767"]),
        ],
    )
    machine.registry = {
        r"HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters": {
            "Hostname": hostname,
            "NV Hostname": hostname,
            "Domain": "",
            "NV Domain": "",
            "DhcpDomain": "",
            "SearchList": "",
        },
        r"HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters": {
            "Type": "NTP",
            "NtpServer": f"{gateway},0x8",
        },
    }
    machine.environment = {"NODE_NAME": name, "Path": r"C:\Windows\system32;C:\Windows;C:\k"}
    machine.files = {
        r"C:\Windows\System32\vmcompute.exe": File(size=3_500_000, version=f"10.0.{machine.os.build}.1"),
    }
    machine.listening = [
        ("0.0.0.0", 5985, 4),
        ("0.0.0.0", 5986, 4),
        ("0.0.0.0", 445, 4),
        ("0.0.0.0", 135, 880),
    ]
    machine.dynamic_ports = {"tcp": (49152, 16384), "udp": (49152, 16384)}
    machine.excluded_ports = {"tcp": [(5985, 5985), (47001, 47001)], "udp": []}
    machine.disks = [
        {"DeviceID": "C:", "Size": 107_374_182_400, "FreeSpace": 61_203_283_968, "FileSystem": "NTFS"},
    ]
    return machine


def _services() -> dict[str, Service]:
    host = r"C:\Windows\System32\svchost.exe"
    local, network = "NT AUTHORITY\\LocalService", "NT AUTHORITY\\NetworkService"
    return {
        "hns": Service(
            "Running", "Manual", f"{host} -k NetSvcs -p", display_name="Host Network Service", pid=1204
        ),
        "vmcompute": Service(
            "Running",
            "Manual",
            r"C:\Windows\system32\vmcompute.exe",
            display_name="Hyper-V Host Compute Service",
            pid=1388,
        ),
        "nvagent": Service(
            "Running", "Manual", f"{host} -k NetSvcs", display_name="Network Virtualization Service", pid=1220
        ),
        "W32Time": Service(
            "Running", "Auto", f"{host} -k LocalService", local, display_name="Windows Time", pid=1080
        ),
        "BFE": Service(
            "Running",
            "Auto",
            f"{host} -k LocalServiceNoNetworkFirewall -p",
            local,
            display_name="Base Filtering Engine",
            pid=1610,
        ),
        "mpssvc": Service(
            "Running",
            "Auto",
            f"{host} -k LocalServiceNoNetworkFirewall -p",
            local,
            display_name="Windows Defender Firewall",
            pid=1610,
        ),
        "Dnscache": Service(
            "Running", "Auto", f"{host} -k NetworkService -p", network, display_name="DNS Client", pid=1300
        ),
        "WinRM": Service(
            "Running",
            "Auto",
            f"{host} -k NetworkService -p",
            network,
            display_name="Windows Remote Management (WS-Management)",
            pid=2044,
        ),
        "SharedAccess": Service(
            "Stopped",
            "Manual",
            f"{host} -k netsvcs",
            display_name="Internet Connection Sharing (ICS)",
        ),
    }


def overlay_rule() -> FirewallRule:
    """The rule that install.ps1 of microsoft/SDN makes for the overlay."""
    return FirewallRule(
        "OverlayTraffic4789UDP", "Overlay Traffic 4789 UDP", protocol="UDP", local_port=["4789"]
    )
