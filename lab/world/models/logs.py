"""Log lines of daemons and workloads: pod logs for the API, files on Windows nodes, records of the event log."""

from __future__ import annotations

from collections.abc import Iterable

from lab.world.machine import Event, File, Machine
from lab.world.models import flannel_lease, nssm, start_script
from lab.world.models.flannel import WAITING
from lab.world.models.kubelet import KubeletState, starved
from lab.world.net import admits_udp, network_named, remote_routes
from lab.world.state import Daemon, LinuxNode, LogLine, World
from lab.world.text import klog_time

PID = 3728


def klog(at: float, level: str, source: str, text: str) -> str:
    """A line with a klog header: `I0102 03:04:05.000000    3728 main.go:203] text`."""
    return f"{level}{klog_time(at)} {PID:>7} {source}] {text}"


def stamped(lines: Iterable[tuple[str, str]], source: str, start: float, step: float = 0.35) -> list[LogLine]:
    """(level, text) pairs as klog lines, `step` seconds apart from `start` on."""
    return [
        (start + i * step, klog(start + i * step, level, source, text))
        for i, (level, text) in enumerate(lines)
    ]


_ERRORS = ("Error ", "Failed to", "Unable to", "Could not")


def flannel_lines(lines: list[str], start: float) -> list[LogLine]:
    def level(text: str) -> str:
        if text.startswith(_ERRORS):
            return "E"
        return "W" if text.startswith(("VNI is", "ignoring")) else "I"

    made = stamped([(level(text), text) for text in lines], "main.go:537", start)
    # What the script that started flanneld prints has no header.
    return [
        (at, text if text == WAITING or start_script.prints(text) else line)
        for (at, line), text in zip(made, lines, strict=True)
    ]


def proxy_lines(lines: list[str], start: float) -> list[LogLine]:
    def level(text: str) -> str:
        return (
            "E"
            if any(w in text for w in ("failed", "Unable", "not present", "not initialized", "Error"))
            else "I"
        )

    return stamped([(level(text), text) for text in lines], "proxier.go:1318", start)


def kubelet_lines(world: World, machine: Machine, state: KubeletState) -> list[LogLine]:
    """The tail of the kubelet's log: its start, and what it keeps complaining about."""
    start = world.epoch + (machine.services["kubelet"].started if "kubelet" in machine.services else -86_000)
    lines: list[tuple[str, str]] = [
        ("I", f'"Kubelet version" kubeletVersion="{world.plan.version}"'),
        ("I", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""'),
    ]
    if state.missing and state.service in ("Stopped", "Paused"):
        return [
            *stamped(lines, "server.go:491", start),
            *((world.now, line) for line in state.exit.split("\r\n") if line),
        ]
    if state.exit:
        if state.exit != "exited":
            lines.append(("E", state.exit))
        return stamped(lines, "run.go:72", world.now - world.now % 60 - 25)
    first = stamped(lines, "server.go:491", start)
    complaints: list[tuple[str, str]] = []
    name = machine.name
    if state.waiting:
        complaints.append(("I", state.waiting))
    if state.api:
        complaints.append(
            (
                "E",
                f'"Error updating node status, will retry" err="error getting node \\"{name}\\": {state.api}"',
            )
        )
        complaints.append(
            ("E", '"Unable to update node status" err="update node status exceeds retry count"')
        )
    if state.runtime:
        complaints.append(("E", f'"Skipping pod synchronization" err="{state.runtime}"'))
    if state.network:
        complaints.append(
            ("E", f'"Container runtime network not ready" networkReady="{state.network.split(": ", 1)[-1]}"')
        )
    for uid, (reason, message) in world.node_memory(name).failures.items():
        pod = next((p["metadata"] for p in world.pods_on(name) if p["metadata"]["uid"] == uid), None)
        if pod and reason == "FailedCreatePodSandBox":
            text = message.removeprefix("Failed to create pod sandbox: ")
            complaints.append(
                (
                    "E",
                    f'"CreatePodSandbox for pod failed" err="{text}" pod="{pod["namespace"]}/{pod["name"]}"',
                )
            )
    if state.service != "Running":
        return first
    if world.plan.minor >= 22 and starved(world, machine, state.settings):
        what = '"Housekeeping took longer than expected" err="housekeeping took too long"'
        complaints.append(("E", f'{what} expected="1s" actual="11.84s"'))
    refused = stamped(
        _refused_forwards(world, machine, state), "httpstream.go:251", world.now - world.now % 60 - 8
    )
    if not complaints:
        complaints.append(("I", f'"Fast updating node status as it just became ready" node="{name}"'))
        return first + stamped(complaints, "kubelet_node_status.go:497", start + 30) + refused
    return first + stamped(complaints, "kubelet.go:2901", world.now - world.now % 60 - 20, 0.2) + refused


def _refused_forwards(world: World, machine: Machine, state: KubeletState) -> list[tuple[str, str]]:
    """With Docker the kubelet runs wincat.exe in the pause container; 126: that program is not there.

    The line is taken from https://github.com/rancher/rancher/issues/32577.
    """
    reference = state.settings.flags.get("--pod-infra-container-image", "")
    image = world.registries.get(reference)
    if not world.plan.classic or image is None or image.wincat:
        return []
    found = []
    sandboxes = world.node_memory(machine.name).sandboxes
    for forward in world.port_forwards:
        for pod in world.pods_on(machine.name) if forward.node == machine.name else ():
            meta = pod["metadata"]
            wanted = (meta["namespace"], meta.get("labels", {}).get("app")) == (
                forward.namespace,
                forward.app,
            )
            if wanted and meta["uid"] in sandboxes:
                container = sandboxes[meta["uid"]].id
                why = "Error executing in Docker Container: 126"
                found.append(("E", f"error forwarding port {forward.port} to pod {container}, uid : {why}"))
    return found


def write_files(machine: Machine, files: dict[str, list[LogLine]]) -> None:
    """Put log lines into files on the node."""
    for path, lines in files.items():
        machine.files[path] = File("\r\n".join(text for _, text in lines) + "\r\n", modified=-20.0)


def service_events(world: World, machine: Machine) -> None:
    """Records about services that stopped with an error: 7023, or 7024 where the code is the service's own; nssm's."""
    machine.events = [e for e in machine.events if e.provider not in ("Service Control Manager", "nssm")]
    at = (world.changed_at or world.now) - world.epoch
    for name, service in machine.services.items():
        machine.events += nssm.events(machine, name, at)
        if service.state == "Stopped" and service.exit_code == nssm.SERVICE_SPECIFIC:
            own = f"%%{service.service_exit_code}"
            text = f"The {service.display_name} service terminated with the following service-specific error: {own}"
            machine.events.append(
                Event(
                    "System", "Service Control Manager", 7024, 2, at, [service.display_name, own], text, name
                )
            )
            continue
        if service.state == "Stopped" and service.exit_code and service.start_mode == "Auto":
            text = (
                f"The {service.display_name} service terminated with the following error: {service.exit_code}"
            )
            machine.events.append(
                Event(
                    "System",
                    "Service Control Manager",
                    7023,
                    2,
                    at,
                    [service.display_name, f"%%{service.exit_code}"],
                    text,
                    name,
                )
            )


def overlay_works(world: World, machine: Machine, peer: str) -> bool:
    """Whether packets from pods on `machine` reach pods on the node `peer`, and the answers come back."""
    if frozenset((machine.name, peer)) in world.no_tunnel:
        return False
    daemon = world.daemon(machine.name, "flanneld")
    network = network_named(machine, str(daemon.data.get("network", "")))
    node = world.find("v1", "Node", peer)
    if (
        network is None
        or node is None
        or network["ManagementIP"] != machine.address
        or not admits_udp(machine, 4789)
    ):
        return False
    route = remote_routes(network).get(node["spec"].get("podCIDR", ""))
    if route is None or route["IsolationId"] != network["Subnets"][0]["Policies"][0]["VSID"]:
        return False
    linux = world.linux.get(peer)
    if linux is not None:
        backend = linux.flannel_conf.get("Backend", {})
        return bool(backend.get("VNI", 1) == route["IsolationId"] and backend.get("Port", 8472) == 4789)
    other = world.windows.get(peer)
    return other is None or admits_udp(other, 4789)


def linux_flannel_lines(world: World, linux: LinuxNode) -> list[LogLine]:
    return flannel_lines(flannel_lease.run_linux(world, linux), world.epoch + linux.boot + 60)


def daemon_lines(daemon: Daemon, fresh: list[str], start: float, *, proxy: bool) -> list[LogLine]:
    return (proxy_lines if proxy else flannel_lines)(fresh, start)
