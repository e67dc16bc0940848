"""Faults of the machine as a node: its name, its clock and heartbeat, and the ways from and to the API server."""

from __future__ import annotations

import copy

from lab.faults import edits
from lab.faults.fault import ISSUE, MODERN, fault
from lab.world.machine import File
from lab.world.models import start_script
from lab.world.models.flannel_lease import PREFIX
from lab.world.models.settings import START_KUBELET
from lab.world.state import World, new_object

_CLASSIC = ("classic-2019",)
_HELPER = "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/helper.psm1"


@fault(
    "node.duplicate",
    "The machine joined again under another name, and its first Node was never deleted",
    ISSUE.format("microsoft/SDN", 238),
)
def renamed(world: World) -> None:
    machine = edits.first(world)
    now = world.get("v1", "Node", machine.name)
    before = machine.os.hostname.lower() if world.plan.classic else machine.address
    labels = now["metadata"]["labels"] | {"kubernetes.io/hostname": before}
    notes = {k: v for k, v in now["metadata"]["annotations"].items() if k.startswith(PREFIX)}
    spec = {"taints": copy.deepcopy(now["spec"]["taints"])}
    world.put(new_object("v1", "Node", before, labels=labels, annotations=notes, spec=spec, status={}))
    world.former[before] = machine.name


@fault(
    "time.lease",
    "Pods without a limit take every CPU, and the kubelet lost its higher priority: its heartbeat comes late",
    ISSUE.format("kubernetes/kubernetes", 95735),
    MODERN,
)
def starved_kubelet(world: World) -> None:
    machine = edits.first(world)
    script = machine.files[START_KUBELET]
    script.text = script.text.replace(" --windows-priorityclass=ABOVE_NORMAL_PRIORITY_CLASS", "")
    world.appetite[("shop", "win-web")] = machine.os.cpus
    edits.restart_service(world, machine, "kubelet")


@fault(
    "time.w32time",
    "Windows Time was stopped and disabled, and the clock has begun to drift",
    "https://learn.microsoft.com/en-us/windows-server/networking/windows-time-service/how-the-windows-time-service-works",
)
def no_time_service(world: World) -> None:
    machine = edits.first(world)
    edits.stop_service(machine, "W32Time", start_mode="Disabled")
    machine.os.clock_offset = -25.0


@fault(
    "reach.kubelet.port10250",
    "The firewall rule for the kubelet is gone: the API server does not reach TCP 10250",
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/hostprocess/PrepareNode.ps1",
)
def no_kubelet_rule(world: World) -> None:
    firewall = edits.first(world).firewall
    firewall.rules = [r for r in firewall.rules if "10250" not in r.local_port]


@fault(
    "reach.api.loopback-8080",
    "flanneld's service runs a start script that waits for kubectl, which has no kubeconfig there",
    _HELPER,
    _CLASSIC,
)
def kubectl_without_kubeconfig(world: World) -> None:
    machine = edits.first(world)
    machine.files[start_script.PATH] = File(
        "ipmo C:\\k\\helper.psm1\r\nwhile (!(IsNodeRegistered)) { Start-Sleep 1 }\r\nStartFlanneld $ManagementIP\r\n"
    )
    nssm = machine.services["flanneld"].nssm
    nssm["Application"] = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    nssm["AppParameters"] = (
        f"-ExecutionPolicy Bypass -File {start_script.PATH} -ManagementIP {machine.address}"
    )
    edits.reboot(world, machine)
