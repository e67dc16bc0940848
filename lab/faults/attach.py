"""Faults of what attaches pods: the version of containerd and of its file, CNI programs, addresses, the switch."""

from __future__ import annotations

import json

from lab.faults import edits
from lab.faults.fault import ISSUE, MODERN, fault
from lab.world.machine import File
from lab.world.models import cni
from lab.world.models.settings import CONTAINERD_CONFIG, CONTAINERD_PROGRAM
from lab.world.net import host, pod_network
from lab.world.scenarios import configs
from lab.world.state import World
from lab.world.text import rfc3339, stable_hex

_CLASSIC = ("classic-2019",)
_PULLED_SLOWLY = 100_000.0  # bytes a second: an image of 95 MB takes a quarter of an hour


@fault(
    "runtime.containerd.version-cri",
    "containerd 1.5 was left in place when the kubelet was upgraded: it has no CRI v1",
    ISSUE.format("containerd/containerd", 4981),
    MODERN,
)
def old_containerd(world: World) -> None:
    machine = edits.first(world)
    machine.files[CONTAINERD_PROGRAM].version = "1.5.13"
    edits.restart_service(world, machine, "containerd")
    edits.restart_service(world, machine, "kubelet")


@fault(
    "runtime.containerd.config-version",
    "config.toml was copied from a node with containerd 2: version 3, which containerd 1.7 does not read",
    "https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
    MODERN,
)
def copied_configuration(world: World) -> None:
    machine = edits.first(world)
    text = machine.files[CONTAINERD_CONFIG].text
    text = text.replace("version = 2\n", "version = 3\n")
    text = text.replace('bin_dir = "C:/opt/cni/bin"', 'bin_dirs = ["C:/opt/cni/bin"]')
    machine.files[CONTAINERD_CONFIG].text = text.replace(
        "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"
    )


@fault(
    "node.notready.flannel-pulling",
    "The node joined three minutes ago, and flannel's image comes over a slow line",
    "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/adding-windows-nodes/",
    MODERN,
)
def slow_line(world: World) -> None:
    machine = edits.first(world)
    joined = world.changed_at = world.now - 3 * edits.MINUTES
    world.get("v1", "Node", machine.name)["metadata"]["creationTimestamp"] = rfc3339(joined)
    edits.reboot(world, machine)
    edits.forget_lease(world, machine.name)
    fresh = (r"C:\etc\cni", r"C:\opt\cni", r"C:\etc\kube-flannel")
    for path in [p for p in machine.files if p.startswith(fresh)]:
        del machine.files[path]
    machine.services["kubelet"].started = joined - world.epoch
    memory = world.node_memory(machine.name)
    memory.pulled = {name: digest for name, digest in memory.pulled.items() if name == world.plan.pause}
    world.downlink[machine.name] = _PULLED_SLOWLY
    memory.pulls = {
        container["image"]: joined
        for pod in world.pods_on(machine.name)
        if pod["spec"].get("hostNetwork")
        for container in pod["spec"]["containers"]
    }


@fault(
    "cni.binary-blocked",
    "The CNI plug-ins were downloaded with a browser: Windows has marked them",
    "https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.utility/unblock-file",
    _CLASSIC,
)
def blocked(world: World) -> None:
    for path, file in edits.first(world).files.items():
        if path.startswith("C:\\k\\cni\\") and path.endswith(".exe"):
            file.zone = True


@fault(
    "cni.api-version",
    "The CNI configuration was taken over from the Docker nodes: win-overlay and policies of the first schema",
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/hostprocess/flannel/flanneld/flannel-overlay.yml",
    MODERN,
    node="all",
)
def dockershim_schema(world: World) -> None:
    document = configs.classic_cni(world.plan)
    document["name"] = configs.windows_cni(world.plan)["name"]
    for machine in world.windows.values():
        machine.files[r"C:\opt\cni\bin\win-overlay.exe"] = File(size=3_900_000)
    edits.edit_config_map(
        world,
        "kube-flannel",
        "kube-flannel-windows-cfg",
        "cni-conf-containerd.json",
        lambda _: json.dumps(document, indent=2) + "\n",
        40 * edits.MINUTES,
    )
    edits.rebuild(world)


@fault(
    "cni.ipam-exhausted",
    "Leases of pods that are long gone were never given back, and the workload grows",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/common-problems",
)
def leaked_leases(world: World) -> None:
    machine = edits.first(world)
    network = pod_network(machine)
    if network is None:
        raise KeyError("pod network")
    folder = rf"{cni.IPAM_FOLDER}\{network['Name']}"
    for place in range(2, 255):
        address = host(network["Subnets"][0]["AddressPrefix"], place)
        owner = stable_hex(64, "gone", machine.name, address)
        machine.files.setdefault(rf"{folder}\{address}", File(f"{owner}\r\neth0", modified=-70_000.0))
    world.get("apps/v1", "Deployment", "win-web", "shop")["spec"]["replicas"] += len(world.windows)


@fault(
    "hns.vfpext",
    "The driver of the virtual filtering platform was stopped",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/debug/collectlogs.ps1",
)
def no_filtering_platform(world: World) -> None:
    machine = edits.first(world)
    machine.drivers["vfpext"] = "Stopped"
    edits.recreate_pods(world, machine)
