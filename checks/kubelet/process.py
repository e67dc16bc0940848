"""Does the kubelet run, once, and with the rights that it needs?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PureWindowsPath

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import extra_service, no_service, service
from checks.finding import ERROR, INFO, CannotTell, Problem, Said, Severity, Skip
from checks.kubelet.settings import ended_now, worked_out
from checks.relations import kubelet_silent
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.kubernetes import Kubelet, LogTail, NodeLogs
from facts.node.windows import Process, Processes, Service, Services


def not_launched(found: Service) -> bool:
    """Whether nssm could not start the program at all: it ends the service with 3, a code of its own (1066)."""
    codes = (found.exit_code, found.service_exit_code)
    return found.state == "Stopped" and found.nssm is not None and codes == (1066, 3)


def last_words(logs: NodeLogs | Failed) -> str:
    """The kubelet's last line with an error, or its last line at all."""
    lines = [line for line in logs.lines("kubelet") if line.strip()] if isinstance(logs, NodeLogs) else []
    worst = [line for line in lines[-50:] if re.match(r"[EF]\d{4} |Error|F\d", line) or "err=" in line]
    return (worst or lines or [""])[-1][:400]


def _kubelets(processes: Processes) -> tuple[Process, ...]:
    """The kubelets of the host. The collector itself starts one for a moment, to ask it for its version."""
    found = processes.named("kubelet")
    return tuple(p for p in found if not p.command_line.rstrip('" ').endswith("--version"))


def _processes(count: int, **values: object) -> Change:
    def edit(found: Processes) -> Processes:
        rest = tuple(p for p in found.processes if p.name.lower() != "kubelet.exe")
        added = tuple(replace(Process("kubelet.exe", 3000 + i), **values) for i in range(count))
        return replace(found, processes=(*rest, *added))

    return change(Processes, edit)


def _one_more(**values: object) -> Change:
    def edit(found: Processes) -> Processes:
        added = replace(Process("kubelet.exe", 3100), **values)
        return replace(found, processes=(*found.processes, added))

    return change(Processes, edit)


_RKE2 = (no_service("kubelet"), extra_service(Service("rke2", "Running", "Auto")))


@check(
    "kubelet.not-running",
    title="One kubelet runs",
    severity=ERROR,
    explains=[cause_of("node.notready", when=kubelet_silent), cause_of("time.lease")],
    cases=[
        Case("stopped", FLANNEL_2022, (service("kubelet", state="Stopped"), _processes(0)), finds="node"),
        Case(
            "disabled",
            CLASSIC_2019,
            (service("kubelet", state="Stopped", start_mode="Disabled"), _processes(0)),
            finds="node",
        ),
        Case(
            "the service says Running, and no process is there", FLANNEL_2019, (_processes(0),), finds="node"
        ),
        Case("no service and no process", FLANNEL_2022, (no_service("kubelet"), _processes(0)), finds="node"),
        Case("a console window and a service", FLANNEL_2022, (_one_more(session=2),), finds="node"),
        Case(
            "in a console window only",
            CLASSIC_2019,
            (service("kubelet", state="Stopped"), _processes(1, session=2)),
            quiet=True,
        ),
        Case(
            "a second one inside a container",
            FLANNEL_2022,
            (_one_more(session=3), change(Processes, lambda p: replace(p, container_sessions=(3,)))),
            quiet=True,
        ),
        Case(
            "asked for its version at that moment",
            FLANNEL_2022,
            (_one_more(command_line=r"C:\k\kubelet.exe --version"),),
            quiet=True,
        ),
        Case("a child of RKE2", FLANNEL_2022, (*_RKE2, _processes(1)), quiet=True),
        Case("RKE2 without it", FLANNEL_2022, (*_RKE2, _processes(0)), finds="node"),
        Case(
            "a child of RKE2, as far as can be seen", FLANNEL_2022, (*_RKE2, fails(Processes)), unknown=True
        ),
        Case(
            "held back by nssm", FLANNEL_2022, (service("kubelet", state="Paused"), _processes(0)), quiet=True
        ),
        Case(
            "nssm could not start it",
            CLASSIC_2019,
            (service("kubelet", state="Stopped", exit_code=1066, service_exit_code=3), _processes(0)),
            quiet=True,
        ),
        Case(
            "it ended with a code of its own, and nssm has no part in it",
            FLANNEL_2022,
            (
                service("kubelet", state="Stopped", exit_code=1066, service_exit_code=3, nssm=None),
                _processes(0),
            ),
            finds="node",
        ),
        Case("services not known", FLANNEL_2022, (fails(Services),), unknown=True),
    ],
)
def not_running(node: ThisNode, services: Services, processes: Processes | Failed) -> Iterator[Said]:
    """Without a kubelet nobody reports for the node: NotReady about 40 s to a minute later.

    Rule: there is no process kubelet.exe on the host (or, where processes are not known, the service does not run), or
    there is more than one. A service that nssm has paused, or whose program it could not start, is
    kubelet.nssm-paused.
    Remedy: `Start-Service kubelet`; with RKE2, whose child it is, `Restart-Service rke2`. If it ends again read its
    log: C:\\var\\log\\kubelet\\kubelet.err.log, C:\\k\\kubelet*.log, or
    C:\\var\\lib\\rancher\\rke2\\agent\\logs\\kubelet.log. Two of them: close the console window and keep the service.
    Confused with: a machine that has not joined yet, where the kubelet starts again and again (kubelet.prejoin-loop).
    Source: kubernetes-sigs/sig-windows-tools, debug scripts (exactly one process) and PrepareNode.ps1.
    """
    found = services.named("kubelet")
    if found is not None and found.state == "Paused":
        yield Skip("nssm has paused the service: see kubelet.nssm-paused.")
        return
    if found is not None and not_launched(found):
        yield Skip("nssm could not start the program: see kubelet.nssm-paused.")
        return
    count = len(_kubelets(processes)) if isinstance(processes, Processes) else -1
    state = _state(found)
    proof: dict[type[Fact], str] = {Services: f"kubelet: {state}"}
    if count >= 0:
        proof[Processes] = f"kubelet.exe: {count}"
    if count > 1:
        yield Problem(
            f"{count} kubelets run on {node.name}: they overwrite each other's reports.", proof=proof
        )
    elif count < 0 and found is None:
        yield CannotTell(
            f"{node.name} has no service kubelet; whether another program has started one is not known."
        )
    elif count == 0 or (count < 0 and not services.running("kubelet")):
        rke2 = services.named("rke2") if found is None else None
        starter = f"RKE2's service is {rke2.state}" if rke2 else f"service: {state}"
        remedy = "`Restart-Service rke2`: RKE2 starts the kubelet as its child." if rke2 else ""
        yield Problem(f"No kubelet runs on {node.name} ({starter}).", proof=proof, remedy=remedy)


def _state(found: Service | None) -> str:
    if found is None:
        return "there is none"
    code = f", exit code {found.exit_code}" if found.exit_code else ""
    return f"{found.state}{code}, start mode {found.start_mode}"


def _program_gone(words: str = "") -> Change:
    """No kubelet.exe on the node; `words`: what its starter wrote into the log about that."""

    def apply(draft: Draft) -> None:
        fields(Kubelet, program="", version="")(draft)
        if words:
            path = r"C:\var\log\kubelet\kubelet.err.log"
            draft.put(NodeLogs, NodeLogs((LogTail("kubelet", path, None, words),)))

    return apply


def missing_program(found: Service, kubelet: Kubelet | Failed, logs: NodeLogs | Failed) -> str:
    """The path of the kubelet that the service wants to start and that is not there; empty if that is not known.

    nssm names it, or the last lines of the log do, where a script starts it: cmd.exe repeats the path, and only the
    path is the same in every language.
    """
    if found.nssm is None or not isinstance(kubelet, Kubelet):
        return ""
    wanted = found.nssm.application
    if wanted.lower().endswith("kubelet.exe"):
        return wanted if kubelet.program.lower() != wanted.lower() else ""
    if kubelet.program or not isinstance(logs, NodeLogs):
        return ""
    last = [line for line in logs.lines("kubelet") if line.strip()][-3:]
    named = [
        m.group() for line in last if (m := re.search(r"[A-Za-z]:\\[^\"'<>|]*?kubelet\.exe", line, re.I))
    ]
    return named[-1] if named else ""


@check(
    "kubelet.nssm-paused",
    title="The kubelet does not end as soon as it starts",
    severity=ERROR,
    explains=[cause_of("node.notready", when=kubelet_silent), cause_of("time.lease")],
    cases=[
        Case("held back", FLANNEL_2022, (service("kubelet", state="Paused"), _processes(0)), finds="node"),
        Case(
            "held back, classic",
            CLASSIC_2019,
            (service("kubelet", state="Paused"), _processes(0)),
            finds="node",
        ),
        Case(
            "nssm could not start it: the program is gone",
            CLASSIC_2019,
            (
                service("kubelet", state="Stopped", exit_code=1066, service_exit_code=3),
                _processes(0),
                _program_gone(),
            ),
            finds="node",
        ),
        Case(
            "its start script does not find it",
            FLANNEL_2022,
            (
                service("kubelet", state="Paused"),
                _processes(0),
                _program_gone(
                    'Der Befehl "C:\\k\\kubelet.exe" ist entweder falsch geschrieben oder\r\nkonnte nicht'
                ),
            ),
            finds="node",
        ),
        Case("stopped", FLANNEL_2022, (service("kubelet", state="Stopped"), _processes(0)), quiet=True),
    ],
)
def nssm_paused(
    node: ThisNode, services: Services, logs: NodeLogs | Failed, kubelet: Kubelet | Failed
) -> Iterator[Said]:
    """nssm waits ever longer before it starts a program that ends at once; Windows shows the service as Paused. A
    program that it cannot start at all makes it end the service.

    Rule: the state of the service kubelet is Paused; or nssm ended it with exit code 1066 and its own code 3, as it
    does where CreateProcess fails. kubelet.exe is gone where neither nssm's path nor any other known one has it.
    Remedy: kubelet.exe gone: look what took it (`Get-MpThreatDetection`), exclude the folder (`Add-MpPreference
    -ExclusionPath C:\\k`), copy kubelet.exe of the same version from Kubernetes' release archive to its old path, then
    `Start-Service kubelet`. Else read the end of the file that `nssm get kubelet AppStderr` names, mend what it says,
    then `nssm restart kubelet`.
    Confused with: somebody who pressed Pause: the kubelet itself cannot be paused.
    Source: https://github.com/kubernetes/kubernetes/issues/123173; nssm 2.24, service.cpp (start_service,
    throttle_restart) and messages.mc (events 1006 and 1010 of source nssm in the Application log).
    """
    found = services.named("kubelet")
    if found is None or not (found.state == "Paused" or not_launched(found)):
        return
    state = "Paused" if found.state == "Paused" else "Stopped, exit code 1066, nssm's own code 3"
    proof: dict[type[Fact], str] = {Services: f"kubelet: {state}"}
    gone = missing_program(found, kubelet, logs)
    if gone:
        elsewhere = kubelet.program if isinstance(kubelet, Kubelet) else ""
        proof[Kubelet] = f"kubelet.exe: {elsewhere or 'in none of the known folders'}"
        starter = "nssm" if found.nssm is not None and found.nssm.application == gone else "the start script"
        yield Problem(
            f"The program {gone} that {starter} starts as kubelet is not there on {node.name}.",
            proof=proof,
            remedy=(
                "Look what took it (`Get-MpThreatDetection`) and exclude its folder: `Add-MpPreference "
                f"-ExclusionPath '{PureWindowsPath(gone).parent}'`. Copy kubelet.exe of the same version from "
                f"Kubernetes' release archive to {gone}, then `Start-Service kubelet` (`Restart-Service kubelet` where "
                "it is Paused)."
            ),
        )
        return
    if found.state != "Paused":
        program = found.nssm.application if found.nssm else ""
        yield Problem(
            f"nssm on {node.name} cannot start {program}; the event 1010 of source nssm in the Application log says "
            "why.",
            proof=proof,
        )
        return
    words = last_words(logs)
    said = f"; its last words: {words}" if words else ""
    if words:
        proof[NodeLogs] = words
    yield Problem(
        f"The kubelet on {node.name} ends as soon as it starts, so that nssm holds it back{said}", proof=proof
    )


def _lost_config() -> Change:
    return fields(
        Kubelet, config_exists=False, config={}, flags={"config": r"C:\var\lib\kubelet\config.yaml"}
    )


def _config_by_variable() -> Change:
    path = "$env:KUBELET_CONFIG"
    return fields(Kubelet, config_exists=False, config={}, config_path=path, flags={"config": path})


def _log_without_config(draft: Draft) -> None:
    line = 'E0102 03:04:05.0 412 run.go:72] "command failed" err="open /var/lib/kubelet/config.yaml: cannot find"'
    draft.put(NodeLogs, NodeLogs((LogTail("kubelet", r"C:\var\log\kubelet\kubelet.err.log", None, line),)))


@check(
    "kubelet.prejoin-loop",
    title="The kubelet finds its configuration",
    severity=INFO,
    explains=[
        cause_of("kubelet.nssm-paused"),
        cause_of("kubelet.not-running"),
        cause_of("node.notready", when=kubelet_silent),
    ],
    cases=[
        Case(
            "lost",
            FLANNEL_2022,
            (_lost_config(), _log_without_config, service("kubelet", state="Paused")),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "lost, and the kubelet still runs", FLANNEL_2022, (_lost_config(),), finds="node", severity=INFO
        ),
        Case("flags only", CLASSIC_2019, (fields(Kubelet, config_exists=False),), quiet=True),
        Case("its script works the path out", FLANNEL_2022, (_config_by_variable(),), unknown=True),
    ],
)
def prejoin_loop(node: ThisNode, kubelet: Kubelet, services: Services | Failed) -> Iterator[Said]:
    """Before a join the kubelet starts and ends again and again, since config.yaml comes with the join.

    Rule: the kubelet is told to read a configuration file (`--config`) that does not exist. As this machine is a Node,
    it has joined and the file was lost: an error where the kubelet stands still, else something for its next start.
    Remedy: Copy config.yaml from another Windows node of this cluster, and compare kubeadm-flags.env beside it; then
    `Restart-Service kubelet`. Without another node run the join command again (`kubeadm reset` first, which takes the
    node's credentials away), which writes both files.
    Confused with: a real crash: the file is there then.
    Source: kubernetes-sigs/sig-windows-tools, PrepareNode.ps1 and StartKubelet.ps1 (inference).
    """
    if kubelet.config_exists or "config" not in kubelet.flags:
        return
    if worked_out(kubelet.config_path):
        yield CannotTell(f"Which file {kubelet.config_path} is on {node.name} is not known.")
        return
    stands = ended_now(services)
    severity: Severity = ERROR if stands else INFO
    then = "and it ends at its start" if stands else "and it will end at its next start"
    yield Problem(
        f"The kubelet on {node.name} is told to read {kubelet.config_path}, which does not exist, {then}.",
        severity=severity,
        proof={Kubelet: f"--config={kubelet.flags['config']}; {kubelet.config_path} does not exist"},
    )
