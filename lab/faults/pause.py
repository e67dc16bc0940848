"""Faults of the pause image."""

from __future__ import annotations

from lab.faults import edits
from lab.faults.fault import ISSUE, MODERN, fault
from lab.world.images import Image
from lab.world.machine import Machine
from lab.world.models.settings import CONTAINERD_CONFIG, KUBELET_FLAGS
from lab.world.state import Forward, World

MIRROR = "registry.example.com/mirror/pause:3.10"
_CLASSIC = ("classic-2019",)


def _use(world: World, machine: Machine, reference: str, *, pulled: bool = False) -> None:
    """Configure another pause image (and the kubelet's flag with it), forget the old one, make pods anew."""
    memory = world.node_memory(machine.name)
    memory.pulled.pop(world.plan.pause, None)
    if world.plan.classic:
        edits.set_parameters(machine, "kubelet", lambda t: t.replace(world.plan.pause, reference))
    else:
        for path in (CONTAINERD_CONFIG, KUBELET_FLAGS):
            machine.files[path].text = machine.files[path].text.replace(world.plan.pause, reference)
    if pulled:
        memory.pulled[reference] = "sha256:" + "5" * 64
    machine.tcp.setdefault(f"{reference.split('/')[0]}:443", "open")
    machine.names.setdefault(reference.split("/")[0], ["203.0.113.40"])
    edits.recreate_pods(world, machine)


@fault(
    "image.pause.os-match",
    "The pause image has no entry for Server 2022",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 205),
    ("flannel-2022",),
)
def os_match(world: World) -> None:
    _use(world, edits.first(world), "registry.k8s.io/pause:3.5")


@fault(
    "image.pause.ref",
    "The kubelet's flag and containerd's configuration name two different pause images",
    "https://github.com/kubernetes/kubernetes/pull/133779",
    MODERN,
)
def two_references(world: World) -> None:
    machine = edits.first(world)
    machine.files[KUBELET_FLAGS].text = machine.files[KUBELET_FLAGS].text.replace("pause:3.10", "pause:3.9")


@fault(
    "image.pause.pulled",
    "The private registry has no such pause image: it is neither on disk nor to be had",
    "https://github.com/containerd/containerd/issues/6352",
)
def not_pulled(world: World) -> None:
    _use(world, edits.first(world), "registry.example.com/mirror/pause:3.10-win")


@fault(
    "image.pause.registry:unreachable",
    "The pause image is gone from the disk and its registry cannot be reached from the node",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 72),
)
def registry_unreachable(world: World) -> None:
    machine = edits.first(world)
    world.node_memory(machine.name).pulled.pop(world.plan.pause, None)
    machine.tcp[f"{world.plan.pause.split('/')[0]}:443"] = "timeout"
    edits.recreate_pods(world, machine)


@fault(
    "image.pause.registry:frozen",
    "The pause image still comes from k8s.gcr.io, which is frozen",
    "https://kubernetes.io/blog/2023/02/06/k8s-gcr-io-freeze-announcement/",
    MODERN,
)
def registry_frozen(world: World) -> None:
    _use(world, edits.first(world), "k8s.gcr.io/pause:3.9")


@fault(
    "image.pause.kubeadm-mismatch",
    "containerd and kubelet agree on pause:3.9, the cluster's kubeadm means 3.10",
    "https://github.com/kubernetes/kubernetes/blob/master/cmd/kubeadm/app/preflight/checks.go",
    MODERN,
)
def kubeadm_mismatch(world: World) -> None:
    _use(world, edits.first(world), "registry.k8s.io/pause:3.9")


@fault(
    "image.pause.gc",
    "The disk ran full for a while, the kubelet collected the unpinned pause image, and its registry is out of reach",
    "https://github.com/containerd/containerd/issues/6352",
)
def collected(world: World) -> None:
    machine = edits.first(world)
    memory = world.node_memory(machine.name)
    memory.ran_full = world.now - 20 * edits.MINUTES
    memory.pulled.pop(world.plan.pause, None)
    machine.tcp[f"{world.plan.pause.split('/')[0]}:443"] = "timeout"
    edits.recreate_pods(world, machine)


@fault(
    "image.pause.linux-only-mirror",
    "The mirror's copy of the pause image lost its Windows entries",
    "https://github.com/kubernetes/kubernetes/issues/100708",
)
def linux_only(world: World) -> None:
    world.registries[MIRROR] = Image()
    _use(world, edits.first(world), MIRROR)


@fault(
    "image.pause.classic-1.2.0-on-new-os",
    "The pause image of the old guides (mcr…/k8s/core/pause:1.2.0) on Server 2022",
    ISSUE.format("kubernetes/kubernetes", 87339),
    ("flannel-2022",),
)
def classic_image(world: World) -> None:
    _use(world, edits.first(world), "mcr.microsoft.com/k8s/core/pause:1.2.0")


@fault(
    "image.pause.kubeletwin",
    "kubeletwin/pause was built on the node from a nanoserver of another Windows version",
    "https://github.com/kubernetes/kubernetes/issues/74066",
    _CLASSIC,
)
def kubeletwin(world: World) -> None:
    world.registries["kubeletwin/pause:latest"] = Image(linux=False, windows=(16299,), size=250_000_000)
    _use(world, edits.first(world), "kubeletwin/pause:latest", pulled=True)


@fault(
    "image.pause.wincat",
    "The pause image is 1.0.0, from before it could forward ports, and somebody runs kubectl port-forward",
    ISSUE.format("rancher/rancher", 32577),
    _CLASSIC,
)
def wincat(world: World) -> None:
    machine = edits.first(world)
    _use(world, machine, "mcr.microsoft.com/k8s/core/pause:1.0.0")
    world.port_forwards.append(Forward("shop", "win-web", machine.name, 80))
