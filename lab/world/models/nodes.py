"""Node objects: what kubelets report, and what the node lifecycle controller makes of silence."""

from __future__ import annotations

import copy
import re
from typing import Any

from lab.world.images import digest
from lab.world.machine import Machine
from lab.world.models.events import LAST, node_event
from lab.world.models.kubelet import KubeletState, starved
from lab.world.models.settings import containerd_version
from lab.world.state import LinuxNode, NodeMemory, Object, World, new_object
from lab.world.text import rfc3339, rfc3339_micro, stable_hex, stable_uid

RENEWED = 3.0  # seconds since the last renewal of a healthy node's lease
STARVED = 29.0  # the same where the kubelet gets too little CPU: late, within the 40 s that a lease lasts
PLEG_THRESHOLD = 180.0
_SEEN = re.compile(r"last seen active \S+ ago")
_UNREACHABLE = "node.kubernetes.io/unreachable"
_NOT_READY = "node.kubernetes.io/not-ready"
_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def _lease(
    world: World, name: str, last_post: float | None, clock_offset: float, ago: float = RENEWED
) -> None:
    uid = world.get("v1", "Node", name)["metadata"]["uid"]
    renewed = (world.now - ago if last_post is None else last_post) + clock_offset
    item = new_object(
        "coordination.k8s.io/v1",
        "Lease",
        name,
        "kube-node-lease",
        spec={"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": rfc3339_micro(renewed)},
    )
    item["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]
    world.put(item)


def _condition(
    world: World,
    before: dict[str, dict[str, Any]],
    kind: str,
    status: str,
    reason: str,
    message: str,
    beat: float,
) -> dict[str, Any]:
    old = before.get(kind)
    same = old is not None and old["status"] == status
    since = old["lastTransitionTime"] if old is not None and same else rfc3339(world.changed_at or world.now)
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": rfc3339(beat),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


def _conditions(
    world: World, node: Object, last_post: float | None, problems: list[str], *, disk_full: bool = False
) -> None:
    before = {c["type"]: c for c in node["status"].get("conditions", [])}
    beat = world.now - world.now % 300 if last_post is None else last_post
    found: list[dict[str, Any]] = []
    if last_post is not None:
        for kind, _, _ in _PRESSURES:
            found.append(
                _condition(
                    world,
                    before,
                    kind,
                    "Unknown",
                    "NodeStatusUnknown",
                    "Kubelet stopped posting node status.",
                    beat,
                )
            )
        found.append(
            _condition(
                world,
                before,
                "Ready",
                "Unknown",
                "NodeStatusUnknown",
                "Kubelet stopped posting node status.",
                beat,
            )
        )
    else:
        for kind, reason, message in _PRESSURES:
            if kind == "DiskPressure" and disk_full:
                text = "kubelet has disk pressure"
                found.append(_condition(world, before, kind, "True", "KubeletHasDiskPressure", text, beat))
            else:
                found.append(_condition(world, before, kind, "False", reason, message, beat))
        if problems:
            text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            found.append(_condition(world, before, "Ready", "False", "KubeletNotReady", text, beat))
        else:
            found.append(
                _condition(
                    world, before, "Ready", "True", "KubeletReady", "kubelet is posting ready status", beat
                )
            )
    node["status"]["conditions"] = found


def _taints(world: World, node: Object, key: str) -> None:
    taints = [t for t in node["spec"].get("taints", []) if not t["key"].startswith("node.kubernetes.io/")]
    if key:
        at = rfc3339(world.changed_at or world.now)
        taints += [{"key": key, "effect": e, "timeAdded": at} for e in ("NoSchedule", "NoExecute")]
    if node["spec"].get("unschedulable"):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    if taints:
        node["spec"]["taints"] = taints
    else:
        node["spec"].pop("taints", None)


def _quantity(kib: int) -> str:
    """As the API server writes amounts of bytes: in the largest unit that leaves a whole number."""
    units = ["Ki", "Mi", "Gi"]
    while kib and kib % 1024 == 0 and len(units) > 1:
        kib, units = kib // 1024, units[1:]
    return f"{kib}{units[0]}"


def _capacity(cpus: int, memory_kb: int, reserved_kb: int) -> dict[str, Any]:
    def amounts(memory: int) -> dict[str, str]:
        return {
            "cpu": str(cpus),
            "ephemeral-storage": "104755180Ki",
            "memory": _quantity(memory),
            "pods": "110",
        }

    return {"capacity": amounts(memory_kb), "allocatable": amounts(memory_kb - reserved_kb)}


def windows_node(world: World, machine: Machine, kubelet: KubeletState) -> None:
    """Status, lease, taints and events of a Windows node."""
    node = world.find("v1", "Node", machine.name)
    if node is None:
        return
    memory = world.node_memory(machine.name)
    if kubelet.posts:
        memory.last_post = None
    elif memory.last_post is None:
        memory.last_post = world.changed_at or world.now
    status, plan = node["status"], world.plan
    if kubelet.posts:
        build, ubr = machine.os.build, machine.os.ubr
        status.update(_capacity(machine.os.cpus, machine.os.memory_kb, 2_200_000))
        override = kubelet.settings.node_name or machine.os.hostname.lower()
        address = next(
            (
                a[0]
                for card in machine.adapters
                if card.index != 1
                for a in card.addresses
                if a[0] == machine.address
            ),
            next(
                (a[0] for card in machine.adapters if card.index != 1 for a in card.addresses),
                machine.address,
            ),
        )
        status["addresses"] = [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": override},
        ]
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 10250}}
        status["nodeInfo"] = {
            "architecture": "amd64",
            "bootID": stable_hex(1, machine.name).upper(),
            "containerRuntimeVersion": "docker://19.3.18"
            if plan.classic
            else f"containerd://{containerd_version(machine)[0]}",
            "kernelVersion": f"10.0.{build}.{ubr}",
            "kubeProxyVersion": plan.version if plan.classic else "",
            "kubeletVersion": plan.version,
            "machineID": machine.os.hostname,
            "operatingSystem": "windows",
            "osImage": machine.os.product_name,
            "systemUUID": stable_uid("machine", machine.name).upper(),
        }
        status["images"] = [
            {
                "names": [f"{ref.rsplit(':', 1)[0]}@{digest(ref)}", ref],
                "sizeBytes": world.registries[ref].size,
            }
            for ref in sorted(memory.pulled)
            if ref in world.registries
        ]
        labels = node["metadata"]["labels"]
        labels["node.kubernetes.io/windows-build"] = f"10.0.{build}"
        labels["kubernetes.io/hostname"] = override
        notes = node["metadata"].setdefault("annotations", {})
        notes["volumes.kubernetes.io/controller-managed-attach-detach"] = "true"
    problems = [p for p in (_since(world, memory, kubelet.runtime), kubelet.network) if p]
    full = disk_full(machine)
    _conditions(world, node, memory.last_post, problems, disk_full=full)
    if (full or memory.ran_full is not None) and memory.last_post is None:
        text = (
            "Failed to garbage collect required amount of images. Attempted to free 12884901888 bytes, but only found "
            "0 bytes eligible to free."
        )
        ago = LAST if full or memory.ran_full is None else world.now - memory.ran_full
        node_event(
            world,
            machine.name,
            "Warning",
            "FreeDiskSpaceFailed",
            text,
            count=14,
            component="kubelet",
            ago=ago,
        )
    _taints(world, node, _UNREACHABLE if memory.last_post is not None else _NOT_READY if problems else "")
    ago = STARVED if starved(world, machine, kubelet.settings) else RENEWED
    _lease(world, machine.name, memory.last_post, machine.os.clock_offset, ago)
    if memory.last_post is not None or problems:
        node_event(
            world,
            machine.name,
            "Normal",
            "NodeNotReady",
            f"Node {machine.name} status is now: NodeNotReady",
            component="node-controller" if memory.last_post is not None else "kubelet",
            ago=max(1.0, world.now - (world.changed_at or world.now)),
        )


def _since(world: World, memory: NodeMemory, runtime: str) -> str:
    """The kubelet's complaint about its runtime, with the time for which its pods were not looked at."""
    if not runtime:
        memory.runtime_lost = None
        return ""
    if memory.runtime_lost is None:
        memory.runtime_lost = world.changed_at or world.now
    away = world.now - memory.runtime_lost
    down = "container runtime is down"
    if runtime.startswith(f"[{down}, "):
        if away < PLEG_THRESHOLD:
            return down
    elif "PLEG" in runtime:
        away += PLEG_THRESHOLD  # a kubelet whose runtime still answers says nothing before
    return _SEEN.sub(f"last seen active {_duration(away)} ago", runtime)


def _duration(seconds: float) -> str:
    """As Go prints it: 25m0.4s, 3h2m1.5s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:.1f}s"


def former_node(world: World, name: str, machine: Machine) -> None:
    """The Node that a machine had before it joined under another name: nobody posts for it any more."""
    node, now = world.find("v1", "Node", name), world.find("v1", "Node", machine.name)
    if node is None or now is None or "nodeInfo" not in now["status"]:
        return
    memory = world.node_memory(name)
    if memory.last_post is None:
        memory.last_post = world.changed_at or world.now
    kept = ("capacity", "allocatable", "daemonEndpoints", "nodeInfo", "images")
    node["status"].update({key: copy.deepcopy(now["status"][key]) for key in kept})
    addresses = (("InternalIP", machine.address), ("Hostname", name))
    node["status"]["addresses"] = [{"type": kind, "address": value} for kind, value in addresses]
    _conditions(world, node, memory.last_post, [])
    _taints(world, node, _UNREACHABLE)
    _lease(world, name, memory.last_post, machine.os.clock_offset)


def disk_full(machine: Machine) -> bool:
    """Whether less than a tenth of the system disk is free: the kubelet's default nodefs threshold."""
    return any(int(d["FreeSpace"]) * 10 < int(d["Size"]) for d in machine.disks if d["DeviceID"] == "C:")


def linux_node(world: World, linux: LinuxNode) -> None:
    node = world.get("v1", "Node", linux.name)
    plan = world.plan
    node["status"].update(_capacity(4, 16_393_220, 102_400))
    node["status"]["addresses"] = [
        {"type": "InternalIP", "address": linux.address},
        {"type": "Hostname", "address": linux.name},
    ]
    node["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 10250}}
    node["status"]["nodeInfo"] = {
        "architecture": "amd64",
        "bootID": stable_uid("boot", linux.name),
        "containerRuntimeVersion": "docker://19.3.11" if plan.classic else linux.runtime,
        "kernelVersion": linux.kernel,
        "kubeProxyVersion": plan.version if plan.minor < 33 else "",
        "kubeletVersion": plan.version,
        "machineID": stable_hex(32, linux.name),
        "operatingSystem": "linux",
        "osImage": linux.os_image,
        "systemUUID": stable_uid("machine", linux.name),
    }
    _conditions(world, node, None, [])
    _lease(world, linux.name, None, 0.0)
