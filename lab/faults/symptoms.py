"""Faults that nothing but a failing program shows: the network between the nodes, an old kube-proxy, a long wait."""

from __future__ import annotations

from itertools import combinations

from lab.faults import edits
from lab.faults.fault import ISSUE, fault
from lab.world.models.flannel import OLD_FLANNELD, START_SCRIPT
from lab.world.models.kube_proxy import PROGRAM
from lab.world.scenarios import members
from lab.world.state import World

_CLASSIC = ("classic-2019",)


@fault(
    "cni.flannel.underlay-4789",
    "The security group lets TCP through between the nodes and no UDP: the tunnel's packets are lost on the way",
    ISSUE.format("flannel-io/flannel", 871),
    node="all",
)
def security_group(world: World) -> None:
    world.no_tunnel |= {frozenset(pair) for pair in combinations([*world.linux, *world.windows], 2)}
    members.install(world)


@fault(
    "cni.flannel.underlay-4789:nsx",
    "The first node was moved to a vSphere host whose NSX takes UDP 4789 for itself",
    ISSUE.format("flannel-io/flannel", 2388),
    node="all",
)
def nsx(world: World) -> None:
    for machine in world.windows.values():
        machine.os.manufacturer, machine.os.model = "VMware, Inc.", "VMware7,1"
    moved = edits.first(world).name
    world.no_tunnel |= {frozenset((moved, n)) for n in (*world.linux, *world.windows) if n != moved}
    members.install(world)


@fault(
    "cni.flannel.svc-to-node-backend",
    "kube-proxy.exe of 1.17 was left behind at an upgrade: pods get no answer from the API server's ClusterIP",
    ISSUE.format("kubernetes/kubernetes", 79359),
    _CLASSIC,
    node="all",
)
def old_kube_proxy(world: World) -> None:
    for machine in world.windows.values():
        machine.files[PROGRAM].version = "1.17.17"
        edits.restart_service(world, machine, "kube-proxy")
    members.install(world)


@fault(
    "cni.flannel.waiting-network",
    "flanneld 0.11 hangs while it makes the pod network after a boot, and the start script waits for ever",
    ISSUE.format("microsoft/SDN", 371),
    _CLASSIC,
)
def waiting_network(world: World) -> None:
    machine = edits.first(world)
    machine.files[r"C:\k\flanneld.exe"].version = OLD_FLANNELD
    nssm = machine.services["flanneld"].nssm
    nssm["Application"] = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    nssm["AppParameters"] = f"-ExecutionPolicy Bypass -File {START_SCRIPT} -ManagementIP {machine.address}"
    edits.reboot(world, machine)
