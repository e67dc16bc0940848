"""From causes to consequences: run every model once, in the order in which the real parts depend on each other.

`derive` is idempotent: a second run with nothing changed changes nothing but times that move with the clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.world.machine import Machine
from lab.world.models import (
    controllers,
    events,
    flannel,
    flows,
    joining,
    kube_proxy,
    logs,
    natives,
    nodes,
    pods,
    programs,
    scheduling,
)
from lab.world.models.kubelet import KubeletState, evaluate, runtime_up, settle_runtime
from lab.world.models.processes import processes_and_ports
from lab.world.net import host
from lab.world.state import LinuxNode, Object, Sandbox, World
from lab.world.text import rfc3339, rfc3339_nano, stable_hex

FLANNEL, PROXY = "flanneld", "kube-proxy"


@dataclass
class _Node:
    """What is found out about one Windows node during a derivation."""

    kubelet: KubeletState
    flannel: list[str] = field(default_factory=list)
    proxy: list[str] = field(default_factory=list)
    images: dict[str, dict[str, str]] = field(default_factory=dict)  # pod uid → container → pull error


def derive(world: World) -> None:
    """Bring all consequences in line with the causes.

    Two passes: what one daemon makes in the first (an endpoint, a network) another notices in the second.
    """
    _once(world)
    _once(world)


def _once(world: World) -> None:
    events.clear(world)
    joining.sign_requests(world)
    for machine in world.windows.values():
        joining.fetch_certificate(world, machine)
        joining.register(world, machine)
    controllers.allocate_pod_cidrs(world)
    controllers.collect_garbage(world)
    controllers.run_daemon_sets(world)
    controllers.run_deployments(world)
    scheduling.schedule(world)
    scheduling.unscheduled(world)
    for linux in world.linux.values():
        if world.find("v1", "Node", linux.name) is not None:
            _linux(world, linux)
    found = {name: _network_of(world, machine) for name, machine in world.windows.items()}
    for name, node in found.items():
        daemon = world.daemon(name, FLANNEL)
        if _runs(world, world.windows[name], FLANNEL):
            node.flannel = [*node.flannel, *flannel.sync_peers(world, world.windows[name], daemon)]
    for name, node in found.items():
        _pods_of(world, world.windows[name], node)
    controllers.endpoint_slices(world)
    for name, node in found.items():
        machine = world.windows[name]
        if _runs(world, machine, PROXY):
            node.proxy = kube_proxy.run(
                world, machine, world.daemon(name, PROXY), incarnation(world, machine, PROXY)
            )
        else:
            node.proxy = _last_words(world, machine, PROXY)
        _settle_service(world, machine, PROXY)
        _statuses(world, machine, node)
    controllers.endpoint_slices(world)
    controllers.workload_status(world)
    for name, node in found.items():
        _report(world, world.windows[name], node)
    for former, name in world.former.items():
        nodes.former_node(world, former, world.windows[name])
    flows.from_hosts(world)


def daemon_pod(world: World, node: str, daemon: str) -> Object | None:
    """The HostProcess pod that runs `daemon` on `node`."""
    start = "kube-flannel-ds-windows" if daemon == FLANNEL else "kube-proxy-windows"
    return next((p for p in world.pods_on(node) if p["metadata"]["name"].startswith(start)), None)


def incarnation(world: World, machine: Machine, daemon: str) -> str:
    """What changes when the daemon is started anew; empty when it does not run."""
    if world.plan.classic:
        service = machine.services.get(daemon)
        return f"{service.pid} {service.started}" if service and service.state == "Running" else ""
    pod = daemon_pod(world, machine.name, daemon)
    sandbox = world.node_memory(machine.name).sandboxes.get(pod["metadata"]["uid"]) if pod else None
    return sandbox.id + str(sandbox.created) if sandbox else ""


def _runs(world: World, machine: Machine, daemon: str) -> bool:
    now = incarnation(world, machine, daemon)
    if not now:
        world.daemon(machine.name, daemon).incarnation = ""
        return False
    pod = daemon_pod(world, machine.name, daemon)
    return pod is None or not pods.pull(world, machine, pod["spec"]["containers"][0]["image"])


def _last_words(world: World, machine: Machine, daemon: str) -> list[str]:
    """The log of a daemon that nssm has paused: what it wrote before it ended."""
    service = machine.services.get(daemon)
    memory = world.daemon(machine.name, daemon)
    paused = service is not None and service.state == "Paused"
    return [*memory.data.get("log", []), memory.exit] if paused and memory.exit else []


def _settle_service(world: World, machine: Machine, daemon: str) -> None:
    """nssm pauses a service whose program ends again and again."""
    service = machine.services.get(daemon)
    if (
        world.plan.classic
        and service
        and service.state == "Running"
        and world.daemon(machine.name, daemon).exit
    ):
        service.state = "Paused"


def _network_of(world: World, machine: Machine) -> _Node:
    """Runtime, kubelet, pods on the host network, flanneld."""
    settle_runtime(world, machine)
    node = _Node(evaluate(world, machine))
    pods.run_sandboxes(world, machine, node.kubelet, host_network=True)
    if _runs(world, machine, FLANNEL):
        daemon = world.daemon(machine.name, FLANNEL)
        node.flannel = flannel.run_windows(world, machine, daemon, incarnation(world, machine, FLANNEL))
    else:
        node.flannel = _last_words(world, machine, FLANNEL)
    _settle_service(world, machine, FLANNEL)
    node.kubelet = evaluate(world, machine)
    return node


def _pods_of(world: World, machine: Machine, node: _Node) -> None:
    """kube-proxy reserves its source VIP first, as it does on a node that has just booted; then the other pods."""
    if _runs(world, machine, PROXY):
        daemon = world.daemon(machine.name, PROXY)
        kube_proxy.run(world, machine, daemon, incarnation(world, machine, PROXY), only_start=True)
    pods.run_sandboxes(world, machine, node.kubelet, host_network=False)
    for pod in world.pods_on(machine.name):
        if pod["metadata"]["uid"] in world.node_memory(machine.name).sandboxes and node.kubelet.posts:
            errors = {c["name"]: pods.pull(world, machine, c["image"]) for c in pod["spec"]["containers"]}
            node.images[pod["metadata"]["uid"]] = {name: error for name, error in errors.items() if error}
    _statuses(world, machine, node)


def _statuses(world: World, machine: Machine, node: _Node) -> None:
    memory = world.node_memory(machine.name)
    for pod in world.pods_on(machine.name):
        exits: dict[str, str] = {}
        for daemon in (FLANNEL, PROXY):
            own = None if world.plan.classic else daemon_pod(world, machine.name, daemon)
            if own is pod and world.daemon(machine.name, daemon).exit:
                exits[pod["spec"]["containers"][0]["name"]] = world.daemon(machine.name, daemon).exit
        frozen = not node.kubelet.posts or not runtime_up(world, machine)
        uid = pod["metadata"]["uid"]
        pods.pod_status(
            world,
            pod,
            machine.address,
            memory.sandboxes.get(uid),
            exits=exits,
            images=node.images.get(uid, {}),
            unready=programs.unready(world, pod),
            frozen=frozen,
        )


def _linux(world: World, linux: LinuxNode) -> None:
    """A Linux node is healthy unless a cause of this lab says otherwise: all its pods run."""
    start = world.epoch + linux.boot
    lines = logs.linux_flannel_lines(world, linux)
    nodes.linux_node(world, linux)
    memory = world.node_memory(linux.name)
    cidr = world.get("v1", "Node", linux.name)["spec"].get("podCIDR", "")
    for pod in world.pods_on(linux.name):
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        if uid not in memory.sandboxes:
            used = {s.ip for s in memory.sandboxes.values()}
            free = [a for a in (host(cidr, i) for i in range(2, 255)) if a not in used] if cidr else [""]
            address = "" if pods.on_host_network(pod) else free[0]
            key = (pod["metadata"]["namespace"], name)
            memory.sandboxes[uid] = Sandbox(stable_hex(64, "sandbox", uid), key, uid, start + 20, address)
        pods.pod_status(world, pod, linux.address, memory.sandboxes[uid], exits={}, images={}, frozen=False)
        for container in pod["spec"]["containers"]:
            key3 = (pod["metadata"]["namespace"], name, container["name"])
            if container["name"] == "kube-flannel":
                world.logs[key3] = lines
            elif key3 not in world.logs:
                world.logs[key3] = [(start + 25, f"{rfc3339(start + 25)} {container['name']} started")]


def _report(world: World, machine: Machine, node: _Node) -> None:
    """Node object, events, logs, and what programs on the node print."""
    nodes.windows_node(world, machine, node.kubelet)
    pods.sandbox_events(world, machine)
    _back_off_events(world, machine)
    for each in world.pods_on(machine.name):
        on_the_way = {
            c for c, why in node.images.get(each["metadata"]["uid"], {}).items() if why == pods.PULLING
        }
        pods.pull_events(world, machine, each, on_the_way)
    programs.readiness_events(world, machine)
    start = world.epoch + (
        machine.services["kubelet"].started if "kubelet" in machine.services else -86_000.0
    )
    flannel_log = logs.flannel_lines(node.flannel, start + 60)
    proxy_log = logs.proxy_lines(node.proxy, start + 70)
    kubelet_log = logs.kubelet_lines(world, machine, node.kubelet)
    if world.plan.classic:
        written = {
            r"C:\k\kubelet.log": kubelet_log,
            r"C:\k\flanneld.log": flannel_log,
            r"C:\k\kube-proxy.log": proxy_log,
        }
    else:
        written = {r"C:\var\log\kubelet\kubelet.err.log": kubelet_log}
        for daemon, lines in ((FLANNEL, flannel_log), (PROXY, proxy_log)):
            pod = daemon_pod(world, machine.name, daemon)
            if pod is not None:
                meta = pod["metadata"]
                container = pod["spec"]["containers"][0]["name"]
                world.logs[(meta["namespace"], meta["name"], container)] = lines
                folder = rf"C:\var\log\pods\{meta['namespace']}_{meta['name']}_{meta['uid']}\{container}"
                written[rf"{folder}\0.log"] = [(at, f"{rfc3339_nano(at)} stderr F {t}") for at, t in lines]
        for path in [p for p in machine.files if p.startswith(r"C:\var\log\pods") and p not in written]:
            del machine.files[path]
    logs.write_files(machine, written)
    for pod in world.pods_on(machine.name):
        meta = pod["metadata"]
        key = (meta["namespace"], meta["name"], pod["spec"]["containers"][0]["name"])
        lines = programs.log_lines(world, pod, world.logs.get(key, []))
        if lines:
            world.logs[key] = lines
    logs.service_events(world, machine)
    natives.print_natives(world, machine, node.kubelet)
    processes_and_ports(
        world,
        machine,
        node.kubelet,
        {
            d: _runs(world, machine, d)
            and not world.daemon(machine.name, d).exit
            and not world.daemon(machine.name, d).data.get("unstarted")
            for d in (FLANNEL, PROXY)
        },
    )


def _back_off_events(world: World, machine: Machine) -> None:
    for pod in world.pods_on(machine.name):
        meta = pod["metadata"]
        for status in pod["status"].get("containerStatuses", []):
            reason = status["state"].get("waiting", {}).get("reason", "")
            name = status["name"]
            if reason == "CrashLoopBackOff":
                where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
                text = f"Back-off restarting failed container {name} in pod {where}"
                events.pod_event(world, pod, "Warning", "BackOff", text, count=58, component="kubelet")
            elif reason == "ImagePullBackOff":
                text = status["state"]["waiting"]["message"].split(": ", 1)[-1]
                events.pod_event(
                    world,
                    pod,
                    "Warning",
                    "Failed",
                    f'Failed to pull image "{status["image"]}": {text}',
                    count=12,
                    component="kubelet",
                )
                events.pod_event(
                    world,
                    pod,
                    "Warning",
                    "BackOff",
                    f'Back-off pulling image "{status["image"]}"',
                    count=60,
                    component="kubelet",
                )
