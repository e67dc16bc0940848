"""What command-line programs on a Windows node print: crictl, docker, containerd, kubelet."""

from __future__ import annotations

import json
from typing import Any

from lab.world.images import digest
from lab.world.machine import Machine, Native
from lab.world.models import cni, kube_proxy
from lab.world.models.kubelet import KubeletState, lacks_cri_v1, runtime_up
from lab.world.models.pods import container_id, pause_reference
from lab.world.models.settings import NPIPE, containerd, containerd_version
from lab.world.state import World
from lab.world.text import rfc3339_nano, sentence

CRICTL = r"C:\Program Files\containerd\crictl.exe"
CONTAINERD = r"C:\Program Files\containerd\containerd.exe"
DOCKER = r"C:\Program Files\Docker\docker.exe"
KUBELET = r"C:\k\kubelet.exe"
_PREFIXES = ("", f"--runtime-endpoint {NPIPE} ", f"--runtime-endpoint {NPIPE} --timeout 5s ")


def print_natives(world: World, machine: Machine, kubelet: KubeletState) -> None:
    """Fill `machine.natives` from the state."""
    version = Native(f"Kubernetes {world.plan.version}\n")
    proxy = Native(f"Kubernetes {kube_proxy.version(world, machine)}\n")
    machine.natives = {KUBELET: {"--version": version}, kube_proxy.PROGRAM: {"--version": proxy}}
    if KUBELET not in machine.files:
        del machine.natives[KUBELET]
    source = machine.registry.get(r"HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters", {})
    server = str(source.get("NtpServer", "")).split(",")[0]
    answer = server if machine.services["W32Time"].state == "Running" else "Local CMOS Clock"
    machine.natives[r"C:\Windows\System32\w32tm.exe"] = {"/query /source": Native(answer + "\r\n")}
    if world.plan.classic:
        machine.natives[DOCKER] = _docker(world, machine, kubelet)
        return
    release = containerd_version(machine)[0]
    built = (
        f"containerd.exe github.com/containerd/containerd v{release} 7f7fdf5fed64eb6a7caf99b3e12efcf9d60e311c"
    )
    machine.natives[CONTAINERD] = {"--version": Native(built + "\n")}
    machine.natives[CRICTL] = _crictl(world, machine)


def _crictl(world: World, machine: Machine) -> dict[str, Native]:
    commands = ("info", "images -o json", "pods -o json", "ps -a -o json")
    if not runtime_up(world, machine):
        pipe = containerd(machine).address.replace("\\", "/")
        why = f"open {pipe}: {sentence(0x2, machine.os.ui_culture)}"
        text = (
            'validate service connection: validate CRI v1 runtime API for endpoint "'
            + NPIPE
            + '": rpc error: code = '
            f'Unavailable desc = connection error: desc = "transport: Error while dialing: {why}"\n'
        )
        answers = {c: Native("", text, 1) for c in commands}
    elif lacks_cri_v1(machine):  # crictl of 1.26 and newer speaks CRI v1 alone, too
        text = f'validate service connection: validate CRI v1 runtime API for endpoint "{NPIPE}": '
        answers = {c: Native("", text + lacks_cri_v1(machine) + "\n", 1) for c in commands}
    else:
        documents = (
            _info(world, machine),
            _images(world, machine),
            _pods(world, machine),
            _containers(world, machine),
        )
        answers = {
            c: Native(json.dumps(d, indent=2) + "\n") for c, d in zip(commands, documents, strict=True)
        }
    answers["--version"] = Native("crictl version v1.31.1\n")
    return {p + c: a for c, a in answers.items() for p in (_PREFIXES if c != "--version" else ("",))}


def _info(world: World, machine: Machine) -> dict[str, Any]:
    """`crictl info` of containerd 1.7."""
    settings = containerd(machine)
    load = cni.load_status(world, machine)
    network: dict[str, Any] = {"message": "", "reason": "", "status": True, "type": "NetworkReady"}
    if load != "OK":
        network |= {
            "message": "Network plugin returns error: cni plugin not initialized",
            "reason": "NetworkPluginNotReady",
            "status": False,
        }
    return {
        "config": {
            "cni": {
                "binDir": settings.bin_dir,
                "confDir": settings.conf_dir,
                "confTemplate": "",
                "ipPref": "",
                "maxConfNum": 1,
                "setupSerially": False,
            },
            "containerd": {"defaultRuntimeName": "runhcs-wcow-process", "snapshotter": "windows"},
            "containerdEndpoint": settings.address,
            "containerdRootDir": "C:\\ProgramData\\containerd\\root",
            "sandboxImage": settings.pause,
        },
        "golang": "go1.22.7",
        "lastCNILoadStatus": load,
        "lastCNILoadStatus.default": load,
        "status": {
            "conditions": [
                {"message": "", "reason": "", "status": True, "type": "RuntimeReady"},
                network,
            ]
        },
    }


def _images(world: World, machine: Machine) -> dict[str, Any]:
    pause = containerd(machine).pause
    pulled = world.node_memory(machine.name).pulled
    return {
        "images": [
            {
                "id": digest("config " + ref),
                "pinned": ref == pause,
                "repoDigests": [f"{ref.rsplit(':', 1)[0]}@{value}"],
                "repoTags": [ref],
                "size": str(world.registries[ref].size if ref in world.registries else 300_000),
                "spec": None,
                "uid": None,
                "username": "",
            }
            for ref, value in sorted(pulled.items())
        ]
    }


def _pods(world: World, machine: Machine) -> dict[str, Any]:
    return {
        "items": [
            {
                "annotations": {},
                "createdAt": str(int(s.created * 1e9)),
                "id": s.id,
                "labels": {
                    "io.kubernetes.pod.name": s.pod[1],
                    "io.kubernetes.pod.namespace": s.pod[0],
                    "io.kubernetes.pod.uid": s.uid,
                },
                "metadata": {"attempt": 0, "name": s.pod[1], "namespace": s.pod[0], "uid": s.uid},
                "runtimeHandler": "",
                "state": "SANDBOX_READY" if s.ready else "SANDBOX_NOTREADY",
            }
            for s in world.node_memory(machine.name).sandboxes.values()
        ]
    }


def _containers(world: World, machine: Machine) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for pod in world.pods_on(machine.name):
        sandbox = world.node_memory(machine.name).sandboxes.get(pod["metadata"]["uid"])
        for status in pod["status"].get("containerStatuses", []):
            if sandbox is None or not status.get("containerID"):
                continue
            found.append(
                {
                    "createdAt": str(int(sandbox.created * 1e9)),
                    "id": container_id(machine.name, sandbox, status["name"]),
                    "image": {"annotations": {}, "image": digest("config " + status["image"])},
                    "imageRef": digest("config " + status["image"]),
                    "labels": {"io.kubernetes.container.name": status["name"]},
                    "metadata": {"attempt": status["restartCount"], "name": status["name"]},
                    "podSandboxId": sandbox.id,
                    "state": "CONTAINER_RUNNING" if "running" in status["state"] else "CONTAINER_EXITED",
                }
            )
    return {"containers": found}


def _docker(world: World, machine: Machine, kubelet: KubeletState) -> dict[str, Native]:
    commands = (
        "version --format {{json .}}",
        "info --format {{json .}}",
        "images --format {{json .}}",
        _SANDBOXES,
    )
    pause = pause_reference(world, machine, kubelet)
    program = machine.files.get(DOCKER)
    version = program.version if program else ""
    if not runtime_up(world, machine):
        text = (
            "error during connect: Get http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.40/info: open //./pipe/docker_engine: "
            f"{sentence(0x2, machine.os.ui_culture)} In the default daemon configuration on Windows, the docker client "
            "must be run elevated to connect. This error may also indicate that the docker daemon is not running.\n"
        )
        client = json.dumps({"Client": _DOCKER_CLIENT, "Server": None}) + "\n"
        more = {_DOCKER_PODS: Native("", text, 1)}
        outputs = (Native(client, text, 1), *(Native("", text, 1) for _ in commands[1:]))
    else:
        server = {
            "Platform": {"Name": "Docker Engine - Enterprise"},
            "Version": version,
            "ApiVersion": "1.40",
            "MinAPIVersion": "1.24",
            "Os": "windows",
            "Arch": "amd64",
            "KernelVersion": f"10.0 {machine.os.build} ({machine.os.build}.1.amd64fre.rs5_release.180914-1434)",
        }
        info = {
            "Containers": len(world.node_memory(machine.name).sandboxes) * 2,
            "Driver": "windowsfilter",
            "Isolation": "process",
            "OSType": "windows",
            "OperatingSystem": f"{machine.os.product_name} Version 1809 (OS Build {machine.os.build}.{machine.os.ubr})",
            "ServerVersion": version,
            "DockerRootDir": "C:\\ProgramData\\docker",
            "Name": machine.os.hostname,
            "Plugins": {
                "Network": [
                    "ics",
                    "internal",
                    "l2bridge",
                    "l2tunnel",
                    "nat",
                    "null",
                    "overlay",
                    "private",
                    "transparent",
                ]
            },
        }
        lines = [
            json.dumps(
                {
                    "Containers": "N/A",
                    "CreatedAt": rfc3339_nano(world.epoch - 8_000_000),
                    "Digest": "<none>",
                    "ID": digest("config " + ref)[7:19],
                    "Repository": ref.rsplit(":", 1)[0],
                    "Size": "256MB" if ref == pause else "5.1GB",
                    "Tag": ref.rsplit(":", 1)[1],
                }
            )
            for ref in sorted(world.node_memory(machine.name).pulled)
        ]
        more = _docker_more(world, machine)
        both = {"Client": _DOCKER_CLIENT, "Server": server}
        outputs = (
            Native(json.dumps(both) + "\n"),
            Native(json.dumps(info) + "\n"),
            Native("\n".join(lines) + "\n"),
            Native("\n".join(_docker_sandboxes(world, machine)) + "\n"),
        )
    answers = dict(zip(commands, outputs, strict=True))
    if runtime_up(world, machine):
        for ref in world.node_memory(machine.name).pulled:
            builds = world.registries[ref].windows if ref in world.registries else ()
            if builds:
                found = f"10.0.{machine.os.build if machine.os.build in builds else builds[0]}.1"
                answers[f"image inspect --format {{{{.OsVersion}}}} {ref}"] = Native(found + "\n")
    answers["--version"] = Native("Docker version 19.03.18, build dd65d9e\n")
    return answers | more


_DOCKER_PODS = "ps -a --no-trunc --filter label=io.kubernetes.docker.type=podsandbox --format {{json .}}"


def _docker_more(world: World, machine: Machine) -> dict[str, Native]:
    """Sandboxes as dockershim names them, and the Windows version of each image on disk."""
    lines = [
        json.dumps(
            {
                "ID": s.id,
                "Names": f"k8s_POD_{s.pod[1]}_{s.pod[0]}_{s.uid}_0",
                "Status": "Up 3 hours" if s.ready else "Exited (1) 5 minutes ago",
            }
        )
        for s in world.node_memory(machine.name).sandboxes.values()
    ]
    answers = {_DOCKER_PODS: Native("".join(line + "\n" for line in lines))}
    for reference in world.node_memory(machine.name).pulled:
        known = world.registries.get(reference)
        builds = known.windows if known else ()
        build = machine.os.build if machine.os.build in builds else max(builds, default=0)
        if build:
            command = f"image inspect --format {{{{.OsVersion}}}} {reference}"
            answers[command] = Native(f"10.0.{build}.1\n")
    return answers


_SANDBOXES = "ps -a --no-trunc --filter label=io.kubernetes.docker.type=podsandbox --format {{json .}}"


def _docker_sandboxes(world: World, machine: Machine) -> list[str]:
    return [
        json.dumps(
            {
                "Command": '"cmd /S /C pauseloop.exe"',
                "CreatedAt": rfc3339_nano(s.created),
                "ID": s.id,
                "Image": world.plan.pause,
                "Labels": f"io.kubernetes.docker.type=podsandbox,io.kubernetes.pod.name={s.pod[1]},"
                f"io.kubernetes.pod.namespace={s.pod[0]},io.kubernetes.pod.uid={s.uid}",
                "Names": f"k8s_POD_{s.pod[1]}_{s.pod[0]}_{s.uid}_0",
                "Status": "Up 23 hours" if s.ready else "Exited (0) 2 minutes ago",
            }
        )
        for s in world.node_memory(machine.name).sandboxes.values()
    ]


_DOCKER_CLIENT = {
    "Platform": {"Name": "Docker Engine - Enterprise"},
    "Version": "19.03.18",
    "ApiVersion": "1.40",
    "Os": "windows",
    "Arch": "amd64",
}
