"""Processes and listening ports of a Windows node, from what runs on it."""

from __future__ import annotations

from lab.world.machine import Machine, Process
from lab.world.models.flannel import command as flanneld_command
from lab.world.models.kube_proxy import settings as proxy_settings
from lab.world.models.kubelet import KubeletState, runtime_up
from lab.world.state import World

_OURS = (
    "kubelet.exe",
    "kube-proxy.exe",
    "flanneld.exe",
    "containerd.exe",
    "dockerd.exe",
    "containerd-shim-runhcs-v1.exe",
)
HEALTHY_THREADS, HUNG_THREADS = 22, 614


def processes_and_ports(
    world: World, machine: Machine, kubelet: KubeletState, daemons: dict[str, bool]
) -> None:
    """Replace the processes that the models own; leave all others as they are."""
    keep = [p for p in machine.processes if p.name not in _OURS and not p.name.startswith("nssm")]
    found: list[Process] = []
    runtime = machine.services.get("docker" if world.plan.classic else "containerd")
    if runtime is not None and runtime_up(world, machine):
        name = "dockerd.exe" if world.plan.classic else "containerd.exe"
        runtime.pid = runtime.pid or 2410
        found.append(Process(name, runtime.pid, 712, runtime.path, created=runtime.started, threads=34))
        if not world.plan.classic:
            for place, sandbox in enumerate(world.node_memory(machine.name).sandboxes.values()):
                line = (
                    r"containerd-shim-runhcs-v1.exe -namespace k8s.io -address \\.\pipe\containerd-containerd"
                )
                line += f" -id {sandbox.id}"
                found.append(
                    Process("containerd-shim-runhcs-v1.exe", 5200 + place * 4, runtime.pid, line, threads=11)
                )
    service = machine.services.get("kubelet")
    if service is not None and kubelet.alive:
        service.pid = service.pid or 3324
        found.append(Process("nssm.exe", service.pid, 712, service.path, created=service.started, threads=3))
        found.append(
            Process(
                "kubelet.exe",
                3728,
                service.pid,
                kubelet.settings.command,
                created=service.started,
                threads=31,
            )
        )
    if daemons["flanneld"]:
        found.append(Process("flanneld.exe", 4102, 4096, flanneld_command(world, machine), created=-85_900.0))
    if daemons["kube-proxy"]:
        found.append(
            Process("kube-proxy.exe", 4310, 4302, proxy_settings(world, machine).command, created=-85_880.0)
        )
    machine.processes = keep + found
    for process in machine.processes:
        if process.pid == machine.services["hns"].pid and machine.services["hns"].pid:
            process.threads = HUNG_THREADS if machine.hns.hangs else HEALTHY_THREADS
    ports = [(a, p, pid) for a, p, pid in machine.listening if pid not in (3728, 4310)]
    if kubelet.alive:
        ports += [("0.0.0.0", 10250, 3728), ("127.0.0.1", 10248, 3728)]
    if daemons["kube-proxy"]:
        ports += [("0.0.0.0", 10256, 4310), ("127.0.0.1", 10249, 4310)]
    machine.listening = ports
