"""The kubelet on a Windows node: does it start, does it reach the API server, what does it say about the node?"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.world.machine import Machine
from lab.world.models import cni, nssm
from lab.world.models.reach import kubelet_api_error
from lab.world.models.settings import (
    BOOTSTRAP,
    REMOVED_FLAGS,
    KubeletSettings,
    containerd,
    containerd_version,
    file,
    kubeconfig,
    kubelet,
    running,
)
from lab.world.state import World
from lab.world.text import sentence

PROGRAM = r"C:\k\kubelet.exe"


@dataclass
class KubeletState:
    """What the model knows about one node's kubelet.

    `exit`: the line with which the process ended (empty: it runs, or was never started). `missing`: there is no such
    program, so that `exit` is what its starter says. `api`: why the API server is not reached (empty: it is). `ready`:
    reasons for NotReady (empty list: Ready).
    """

    service: str  # Running, Stopped, Paused, or "" when there is no such service
    settings: KubeletSettings = field(default_factory=KubeletSettings)
    exit: str = ""
    missing: bool = False
    api: str = ""
    waiting: str = ""  # runs, but is not registered (waits for its certificate)
    runtime: str = ""  # why the runtime is not ready
    network: str = ""  # why the network is not ready

    @property
    def alive(self) -> bool:
        return self.service == "Running" and not self.exit

    @property
    def posts(self) -> bool:
        return self.alive and not self.api and not self.waiting


def runtime_up(world: World, machine: Machine) -> bool:
    return running(machine, "docker" if world.plan.classic else "containerd")


def pipe_of(world: World, machine: Machine) -> str:
    return r"\\.\pipe\docker_engine" if world.plan.classic else containerd(machine).address


def settle_runtime(world: World, machine: Machine) -> None:
    """containerd with a broken configuration does not run; what runs has its pipe."""
    if not world.plan.classic and runtime_up(world, machine) and containerd(machine).error:
        service = machine.services["containerd"]
        service.state, service.exit_code, service.pid = "Stopped", 1, 0
    up = runtime_up(world, machine)
    keep = [p for p in machine.pipes if not p.startswith(("containerd-", "docker_"))]
    machine.pipes = keep + ([pipe_of(world, machine).rsplit("\\", 1)[-1]] if up else [])


def lacks_cri_v1(machine: Machine) -> str:
    """What gRPC answers to a client that speaks CRI v1 alone; empty since containerd 1.6."""
    if containerd_version(machine)[1] >= (1, 6):
        return ""
    return "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"


def starved(world: World, machine: Machine, settings: KubeletSettings) -> bool:
    """Whether programs in pods leave the kubelet too little CPU: they want all, no limit holds them, and it runs at
    their own priority (https://github.com/kubernetes/kubernetes/issues/95735)."""
    if settings.flags.get("--windows-priorityclass", "NORMAL_PRIORITY_CLASS") != "NORMAL_PRIORITY_CLASS":
        return False
    taken = 0
    for sandbox in world.node_memory(machine.name).sandboxes.values():
        pod = world.find("v1", "Pod", sandbox.pod[1], sandbox.pod[0])
        app = pod["metadata"].get("labels", {}).get("app", "") if pod else ""
        if pod and not any(
            c.get("resources", {}).get("limits", {}).get("cpu") for c in pod["spec"]["containers"]
        ):
            taken += world.appetite.get((sandbox.pod[0], app), 0)
    return taken >= machine.os.cpus


def _endpoint_pipe(endpoint: str) -> str:
    return endpoint.replace("/", "\\").rsplit("\\", 1)[-1]


def _refused(settings: KubeletSettings, minor: int) -> list[str]:
    """Settings of control groups with which the kubelet ends. Since 1.31 those that only Windows has not are a warning
    (https://github.com/kubernetes/kubernetes/pull/123137); that the two contradict each other ends it everywhere."""
    on = str(settings.value("--cgroups-per-qos", "cgroupsPerQOS", True)).lower() == "true"
    enforced = settings.value("--enforce-node-allocatable", "enforceNodeAllocatable", ["pods"])
    nothing = enforced in ([], "", '""') or (minor >= 31 and enforced in (["none"], "none"))
    wrong = []
    if not on and not nothing:
        wrong.append(
            "invalid configuration: enforceNodeAllocatable (--enforce-node-allocatable) is not supported unless "
            "cgroupsPerQOS (--cgroups-per-qos) is set to true"
        )
    if minor >= 31:
        return wrong
    if on:
        wrong.append(
            "invalid configuration: CgroupsPerQOS (--cgroups-per-qos) true is not supported on Windows"
        )
    if not nothing:
        wrong.append(
            "invalid configuration: EnforceNodeAllocatable (--enforce-node-allocatable) [pods] is not supported "
            "on Windows"
        )
    return wrong


def start_failure(world: World, machine: Machine, settings: KubeletSettings) -> str:
    """Why the kubelet ends at start, as its last log line says; empty if it does not."""
    culture = machine.os.ui_culture
    minor = world.plan.minor
    if file(machine, PROGRAM) is None:
        return "" if nssm.runs(machine, "kubelet", PROGRAM) else nssm.not_recognized(PROGRAM, culture)
    for flag in settings.flags:
        if REMOVED_FLAGS.get(flag, 99) <= minor:
            return f'"command failed" err="failed to parse kubelet flag: unknown flag: {flag}"'
    if settings.config_missing:
        path = "/var/lib/kubelet/config.yaml"
        return (
            f'"command failed" err="failed to load kubelet config file, path: {path}, error: failed to load Kubelet '
            f'config file {path}, error failed to read kubelet config file \\"{path}\\", error: open {path}: '
            f'{sentence(0x2, culture)}"'
        )
    wrong = _refused(settings, minor)
    if wrong:
        return f'"command failed" err="failed to validate kubelet configuration, error: [{", ".join(wrong)}]"'
    config = kubeconfig(machine, settings.kubeconfig)
    if config is None and file(machine, settings.flags.get("--bootstrap-kubeconfig", BOOTSTRAP)) is None:
        path = settings.kubeconfig if world.plan.classic else BOOTSTRAP
        what = (
            "invalid kubeconfig: stat" if world.plan.classic else "unable to load bootstrap kubeconfig: stat"
        )
        return f'"command failed" err="failed to run Kubelet: {what} {path}: {sentence(0x2, culture)}"'
    if config is not None and config.error:
        why = f"invalid kubeconfig: error loading config file: {config.error}"
        return f'"command failed" err="failed to run Kubelet: {why}"'
    if not world.plan.classic:
        endpoint = settings.endpoint
        if endpoint.startswith("unix://") or _endpoint_pipe(endpoint) != "containerd-containerd":
            reason = "open " + endpoint.removeprefix("npipe://").replace("//./", r"\\.\ ".strip())
            return (
                '"command failed" err="failed to run Kubelet: validate service connection: validate CRI v1 runtime API '
                f'for endpoint \\"{endpoint}\\": rpc error: code = Unavailable desc = connection error: desc = '
                f'\\"transport: Error while dialing: {reason}: {sentence(0x2, culture)}\\""'
            )
        if runtime_up(world, machine) and minor >= 26 and lacks_cri_v1(machine):
            return (
                '"command failed" err="failed to run Kubelet: validate service connection: validate CRI v1 runtime API '
                f'for endpoint \\"{endpoint}\\": {lacks_cri_v1(machine)}"'
            )
    return ""


def evaluate(world: World, machine: Machine) -> KubeletState:
    """Follow the kubelet from its service to its opinion of the node.

    Sets the service to Paused or Stopped where nssm would.
    """
    service = machine.services.get("kubelet")
    state = KubeletState(service.state if service else "", kubelet(machine, world.plan))
    if service is None:
        return state
    state.missing = file(machine, PROGRAM) is None
    if service.state == "Running" and state.missing and nssm.runs(machine, "kubelet", PROGRAM):
        nssm.cannot_start(service)
        state.service = service.state
    if service.state in ("Running", "Paused"):
        state.exit = start_failure(world, machine, state.settings)
    if service.state == "Running" and state.exit and service.nssm:
        service.state, service.pid = "Paused", service.pid
        state.service = "Paused"
    if service.state == "Paused" and not state.exit:
        state.exit = "exited"
    if not state.alive:
        return state
    if kubeconfig(machine, state.settings.kubeconfig) is None:
        state.waiting = '"Waiting for client certificate to be issued"'
        return state
    state.api = kubelet_api_error(world, machine, state.settings.kubeconfig)
    name = state.settings.node_name or machine.os.hostname.lower()
    if not state.api and world.find("v1", "Node", name) is None:
        state.api = f'nodes "{name}" not found'
    if name != machine.name and not state.api:
        state.waiting = f'"Posting as another node" node="{name}"'
    _conditions(world, machine, state)
    return state


def _conditions(world: World, machine: Machine, state: KubeletState) -> None:
    culture = machine.os.ui_culture
    dialled = "docker_engine" if world.plan.classic else _endpoint_pipe(state.settings.endpoint)
    if dialled not in machine.pipes:
        pipe = pipe_of(world, machine)
        if world.plan.classic:
            slashed = pipe.replace("\\", "/")
            state.runtime = (
                "docker daemon is not ready: error during connect: "
                "Get http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.40/info: "
                f"open {slashed}: {sentence(0x2, culture)}"
            )
        else:
            state.runtime = (
                "[container runtime is down, PLEG is not healthy: pleg was last seen active 14m12.6s ago; "
                "threshold is 3m0s]"
            )
    elif not running(machine, "vmcompute"):
        state.runtime = "PLEG is not healthy: pleg was last seen active 12m41.1s ago; threshold is 3m0s"
    missing = cni.not_ready(world, machine)
    if missing and not state.runtime:
        start = "runtime network not ready" if world.plan.classic else "container runtime network not ready"
        state.network = f"{start}: NetworkReady=false reason:NetworkPluginNotReady message:{missing}"
