"""Is a runtime there, does it run, can the kubelet reach it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import extra_service, kubelet_flags, no_service
from checks.effects import NO_RUNTIME
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.runtime.named_pipes import pipe_of
from checks.versions import minor
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd
from facts.node.windows import EventLog, Process, Processes, Service, Services

_DOCKERSHIM_ENDS = 24


def reports_docker(node: ThisNode) -> bool:
    return node.object.status.node_info.container_runtime_version.startswith("docker://")


def _endpoint(kubelet: Kubelet | Failed) -> str:
    """The pipe that the kubelet is told to dial, by its name; empty where it is told none."""
    if isinstance(kubelet, Failed):
        return ""
    return pipe_of(str(kubelet.setting("container-runtime-endpoint", "containerRuntimeEndpoint") or ""))


def ended(found: Service) -> str:
    """How a service that stands still ended, and how it would start."""
    code = f"exit code {found.exit_code}" if found.exit_code else "no error code"
    return f"{found.state}, {code}, start mode {found.start_mode}"


def _without_containerd(draft: Draft) -> None:
    no_service("containerd")(draft)
    draft.put(Containerd, NotApplicable("The node has no containerd."))
    found = draft.get(Processes)
    draft.put(
        Processes, replace(found, processes=tuple(p for p in found.processes if p.name != "containerd.exe"))
    )


def _own_containerd(draft: Draft) -> None:
    found = draft.get(Processes)
    draft.put(Processes, replace(found, processes=(*found.processes, Process("containerd.exe", 4711))))


@check(
    "runtime.containerd.not-installed",
    title="containerd is installed",
    severity=ERROR,
    explains=NO_RUNTIME,
    cases=[
        Case("neither service nor program", FLANNEL_2022, (_without_containerd,), finds="node"),
        Case("started by RKE2, no service", FLANNEL_2022, (_without_containerd, _own_containerd), quiet=True),
        Case("Docker and 1.18", CLASSIC_2019, (), quiet=True),
        Case(
            "the kubelet asks cri-dockerd",
            FLANNEL_2022,
            (_without_containerd, kubelet_flags(container_runtime_endpoint="npipe:////./pipe/cri-dockerd")),
            quiet=True,
        ),
        Case("services not known", FLANNEL_2022, (fails(Services),), unknown=True),
        Case("processes not known", FLANNEL_2022, (_without_containerd, fails(Processes)), unknown=True),
    ],
)
def not_installed(
    node: ThisNode,
    services: Services,
    kubelet: Kubelet | Failed,
    processes: Processes | Failed,
    containerd: Containerd | Failed | NotApplicable,
) -> Iterator[Said]:
    """The kubelet has no runtime to talk to.

    Rule: there is no service containerd, no process of that name and no pipe \\\\.\\pipe\\containerd-containerd, and
    the kubelet is 1.24 or newer (or its version is not known).
    Remedy: `Install-Containerd.ps1` of sig-windows-tools, or `containerd.exe --register-service; Start-Service
    containerd`.
    Confused with: installed but stopped (runtime.containerd.stopped); RKE2 starts containerd itself, without a
    service.
    Source: kubernetes-sigs/sig-windows-tools, Install-Containerd.ps1 and PrepareNode.ps1.
    """
    version = kubelet.version if isinstance(kubelet, Kubelet) else ""
    number = minor(version or node.object.status.node_info.kubelet_version)
    if reports_docker(node) or (number is not None and number < _DOCKERSHIM_ENDS):
        yield Skip("This node's kubelet uses Docker.")
        return
    asked = _endpoint(kubelet)
    if asked and "containerd" not in asked.lower():
        yield Skip(f"This node's kubelet asks {asked}, not containerd.")
        return
    process = isinstance(processes, Processes) and bool(processes.named("containerd"))
    pipe = isinstance(containerd, Containerd) and containerd.pipe
    if services.named("containerd") is not None or process or pipe:
        return
    if isinstance(processes, Failed):
        yield CannotTell(
            f"There is no service containerd; whether something else started it is not known: {processes.why}",
            hint=processes.hint,
        )
    else:
        yield Problem(
            f"{node.name} has no containerd: no service, no process, no pipe.",
            proof={Services: "no service containerd"},
        )


def _stopped(**values: object) -> Change:
    fields_of: dict[str, object] = {"state": "Stopped", "exit_code": 1067, "pid": 0, **values}

    def edit(found: Services) -> Services:
        each = (replace(s, **fields_of) if s.name == "containerd" else s for s in found.services)
        return replace(found, services=tuple(each))

    return change(Services, edit)


def _listens(name: str) -> Change:
    def edit(found: Containerd) -> Containerd:
        rest = tuple(p for p in found.pipes if not p.lower().startswith("containerd-"))
        return replace(found, pipes=(*rest, name) if name else rest)

    return change(Containerd, edit)


@check(
    "runtime.containerd.stopped",
    title="containerd runs",
    severity=ERROR,
    explains=[
        *NO_RUNTIME,
        cause_of("runtime.containerd.pipe"),
    ],
    cases=[
        Case("died", FLANNEL_2022, (_stopped(),), finds="node"),
        Case("disabled", FLANNEL_2019, (_stopped(exit_code=0, start_mode="Disabled"),), finds="node"),
        Case(
            "left over beside Docker",
            CLASSIC_2019,
            (extra_service(Service("containerd", "Stopped", "Manual")),),
            quiet=True,
        ),
        Case(
            "left over beside the containerd that RKE2 starts",
            FLANNEL_2022,
            (
                _stopped(exit_code=0, start_mode="Manual"),
                extra_service(Service("rke2", "Running", "Auto")),
                _own_containerd,
            ),
            quiet=True,
        ),
    ],
)
def containerd_stopped(
    node: ThisNode,
    services: Services,
    containerd: Containerd | Failed | NotApplicable,
    processes: Processes | Failed,
    events: EventLog | Failed,
) -> Iterator[Said]:
    """No pod can be started or listed; the node becomes NotReady within a minute or so.

    Rule: the service containerd exists and its state is not Running (and RKE2 does not run one of its own beside it).
    Its exit code, the error in config.toml and the end of panic.log say why.
    Remedy: Read C:\\ProgramData\\containerd\\root\\panic.log; run `containerd.exe --config FILE` in a console to see
    what it complains of; then `Start-Service containerd`. `sc.exe failure containerd actions= restart/60000 reset= 900`
    lets Windows restart it.
    Confused with: a kubelet that stands still: then containerd answers `crictl info`.
    Source: Azure/AgentBaker, Windows scripts (panic.log, recovery actions); containerd, docs/man/config.toml.
    """
    found = services.named("containerd")
    if found is None or found.state == "Running":
        return
    if reports_docker(node):
        yield Skip("This node's kubelet uses Docker; containerd is left over.")
        return
    own = isinstance(processes, Processes) and bool(processes.named("containerd"))
    if own and services.running("rke2"):
        yield Skip("RKE2 runs a containerd of its own here; the service is left over.")
        return
    how = ended(found)
    proof: dict[type[Fact], str] = {Services: f"containerd: {how}"}
    why = ""
    if isinstance(containerd, Containerd) and (containerd.config_error or containerd.panic_log):
        why = (
            f"; {containerd.config_path} cannot be read: {containerd.config_error}"
            if containerd.config_error
            else ""
        )
        proof[Containerd] = containerd.config_error or "\n".join(containerd.panic_log.splitlines()[-30:])
    died = (
        [
            e
            for e in events.events
            if e.of_service("containerd")
            or (e.provider == "Service Control Manager" and "containerd" in e.properties)
        ]
        if isinstance(events, EventLog)
        else []
    )
    if died:
        last = max(died, key=lambda e: e.at)
        proof[EventLog] = f"{last.at:%Y-%m-%d %H:%M:%S} event {last.id}: {', '.join(last.properties)}"
    yield Problem(f"containerd on {node.name} does not run ({how}){why}.", proof=proof)


def _address(pipe: str) -> Change:
    def edit(found: Containerd) -> Containerd:
        grpc: dict[str, Any] = {**found.config.get("grpc", {}), "address": rf"\\.\pipe\{pipe}"}
        return replace(found, config={**found.config, "grpc": grpc})

    return change(Containerd, edit)


@check(
    "runtime.containerd.pipe",
    title="containerd listens where the kubelet asks",
    severity=ERROR,
    explains=NO_RUNTIME,
    cases=[
        Case("no pipe", FLANNEL_2022, (_listens(""),), finds="node"),
        Case(
            "another name",
            FLANNEL_2022,
            (_address("containerd-other"), _listens("containerd-other")),
            finds="node",
        ),
        Case(
            "another name that the kubelet knows",
            FLANNEL_2022,
            (
                _address("containerd-other"),
                _listens("containerd-other"),
                kubelet_flags(container_runtime_endpoint="npipe:////./pipe/containerd-other"),
            ),
            quiet=True,
        ),
        Case("stopped", FLANNEL_2022, (_stopped(), _listens("")), quiet=True),
        Case(
            "another name, and what the kubelet dials is not known",
            FLANNEL_2022,
            (_listens("containerd-other"), fails(Kubelet)),
            unknown=True,
        ),
    ],
)
def containerd_pipe(
    node: ThisNode, services: Services, containerd: Containerd, kubelet: Kubelet | Failed
) -> Iterator[Said]:
    """The service says Running, and the kubelet still cannot dial the runtime.

    Rule: the service runs and \\\\.\\pipe\\ has no pipe of the name that the kubelet's endpoint has (by default
    containerd-containerd). `[grpc] address` in config.toml tells where containerd listens.
    Remedy: In config.toml set `[grpc] address = '\\\\.\\pipe\\containerd-containerd'` and `Restart-Service containerd
    -Force`; the kubelet's form of it is `npipe:////./pipe/containerd-containerd`.
    Confused with: a caller without administrator's rights: the pipe is there, and opening it fails with 0x5.
    Source: containerd, defaults_windows.go; kubernetes-sigs/sig-windows-tools, guides.
    """
    if not services.running("containerd"):
        yield Skip("containerd does not run as a service here, or stands still (runtime.containerd.stopped).")
        return
    if reports_docker(node):
        yield Skip("This node's kubelet uses Docker.")
        return
    wanted = _endpoint(kubelet) or "containerd-containerd"
    if wanted.lower() in (p.lower() for p in containerd.pipes):
        return
    if isinstance(kubelet, Failed) and any("containerd" in p.lower() for p in containerd.pipes):
        yield CannotTell(f"Which pipe the kubelet dials is not known: {kubelet.why}", hint=kubelet.hint)
        return
    grpc = containerd.config.get("grpc")
    address = str(grpc.get("address", "")) if isinstance(grpc, dict) else ""
    other = (
        f"; config.toml has it listen on {address}"
        if address and pipe_of(address).lower() != wanted.lower()
        else ""
    )
    pipes = ", ".join(p for p in containerd.pipes if "containerd" in p.lower()) or "none"
    yield Problem(
        f"containerd runs on {node.name}, but there is no pipe {wanted}, which the kubelet dials{other}.",
        proof={Containerd: f"pipes of containerd: {pipes}; [grpc] address {address or 'not set'}"},
    )
