"""A Windows machine to test with."""

from __future__ import annotations

from collections.abc import Callable

from lab.windows import WindowsNode
from lab.world.machine import (
    Adapter,
    Event,
    File,
    Firewall,
    FirewallRule,
    Hns,
    Machine,
    Native,
    Os,
    Process,
    Route,
    Service,
)

USER = "Administrator"
PASSWORD = "Passw0rd!äß"
NodeFactory = Callable[..., WindowsNode]


def a_machine() -> Machine:
    """A small Server 2019 node with one thing of each kind."""
    machine = Machine("win-1", "10.0.0.5", Os("Windows Server 2019 Standard", 17763, 5830, hostname="WIN-1"))
    machine.services = {
        "hns": Service(
            path="C:\\Windows\\System32\\svchost.exe -k NetSvcs",
            pid=1200,
            display_name="Host Network Service",
        ),
        "vmcompute": Service(path="C:\\Windows\\system32\\vmcompute.exe", pid=1300),
        "containerd": Service(path='"C:\\Program Files\\containerd\\containerd.exe"', pid=2900),
        "kubelet": Service(
            path='"C:\\k\\nssm.exe"',
            pid=3000,
            depends_on=["containerd"],
            nssm={"Application": "C:\\k\\kubelet.exe", "AppEnvironmentExtra": ["NODE_NAME=win-1"]},
        ),
    }
    machine.drivers = {"vfpext": "Running"}
    machine.processes = [
        Process("kubelet.exe", 3000, 700, "C:\\k\\kubelet.exe --v=2"),
        Process("containerd.exe", 2900, 700, "containerd.exe"),
    ]
    machine.files = {
        "C:\\Program Files\\containerd\\containerd.exe": File(size=41_000_000, version="1.7.1"),
        "C:\\k\\nssm.exe": File(size=331_264),
        "C:\\k\\kubelet.exe": File(size=90_000_000, zone=True),
        "C:\\k\\sourceVip.json": File('{"ip4": {"ip": "10.244.1.2/24"}}', encoding="utf-16"),
        "C:\\etc\\cni\\net.d\\10-flannel.conf": File('{"name": "flännel.4096"}', encoding="utf-8-sig"),
        "C:\\run\\flannel\\subnet.env": File("FLANNEL_MTU=1450\n"),
    }
    machine.natives = {
        "C:\\Program Files\\containerd\\containerd.exe": {
            "--version": Native("containerd github.com/containerd/containerd v1.7.1\n")
        }
    }
    machine.environment = {
        "NODE_NAME": "win-1",
        "Path": "C:\\Windows\\System32;C:\\Program Files\\containerd",
    }
    machine.adapters = [
        Adapter("vEthernet (Ethernet)", "Hyper-V Virtual Ethernet Adapter", 12, "00-15-5D-00-00-01", virtual=True,
                addresses=[("10.0.0.5", 24)], dns=["10.0.0.1"]),
        Adapter("vSwitch (Ethernet)", "Hyper-V Virtual Switch Extension Adapter", 13, "00-15-5D-00-00-02", hidden=True),
    ]  # fmt: skip
    machine.routes = [Route("0.0.0.0/0", "10.0.0.1", 12)]
    machine.dns_suffixes = ["corp.example"]
    machine.names = {"registry.k8s.io": ["192.0.2.7"]}
    machine.firewall = Firewall(
        {"Domain": True, "Private": True, "Public": True},
        [
            FirewallRule("kubelet-10250", "kubelet", local_port=["10250"]),
            FirewallRule("vxlan", "VXLAN", protocol="UDP", local_port=["4789", "8472"], enabled=False),
            FirewallRule("gpo", "From policy", action="Block", store="GroupPolicy", local_port=["5985"]),
        ],
    )
    machine.hns = Hns(
        networks=[
            {
                "ID": "9D3E",
                "Name": "flannel.4096",
                "Type": "Overlay",
                "ManagementIP": "10.0.0.5",
                "Subnets": [{"AddressPrefix": "10.244.1.0/24", "Policies": [{"Type": "VSID", "VSID": 4096}]}],
            }
        ],
        endpoints=[{"ID": "E1", "VirtualNetwork": "9D3E", "Namespace": {"ID": "NS1"}}],
        policy_lists=[{"ID": "P1", "References": ["/endpoints/E1"]}],
    )
    machine.pipes = ["containerd-containerd"]
    machine.events = [
        Event("System", "Service Control Manager", 7034, 2, -3000, ["kubelet", "1"],
              "The kubelet service terminated unexpectedly.  It has done this 1 time(s).")
    ]  # fmt: skip
    machine.listening = [("0.0.0.0", 10250, 3000)]
    machine.tcp = {"10.0.0.1:6443": "open", "10.0.0.1:1": "refused", "10.0.0.9:443": "timeout"}
    machine.excluded_ports = {"tcp": [(5985, 5985), (47001, 47001)]}
    machine.disks = [{"DeviceID": "C:", "Size": 10**11, "FreeSpace": 5 * 10**10}]
    return machine
