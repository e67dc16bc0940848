"""HNS itself: does it run, does it answer, did it die behind kube-proxy's back? And VFP below it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields, without
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_flanneld, no_load_balancers, no_packets, no_pods
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.hns import Hns
from facts.node.windows import Event, EventLog, Processes, Services

DEADLOCK = 200  # threads of HNS from which microsoft/SDN's networkhealth.ps1 speaks of a probable deadlock
CERTAIN = 1000
HUNG = "hung"  # the collector's code for a question that did not come back while the others did
AFTER = timedelta(seconds=30)
DIED = (7031, 7034)  # Service Control Manager: a service ended unexpectedly


def _disabled(draft: Draft) -> None:
    def edit(services: Services) -> Services:
        gone = tuple(
            replace(s, state="Stopped", start_mode="Disabled") if s.name.lower() == "hns" else s
            for s in services.services
        )
        return replace(services, services=gone)

    change(Services, edit)(draft)
    fails(Hns, "The question hns failed on the node: 0x6ba", "script")(draft)


def _on_demand(draft: Draft) -> None:
    """Stopped a moment before somebody asked: reading HNS starts it."""
    edit = change(
        Services,
        lambda s: replace(
            s,
            services=tuple(
                replace(x, state="Stopped", start_mode="Manual") if x.name.lower() == "hns" else x
                for x in s.services
            ),
        ),
    )
    edit(draft)


@check(
    "hns.service",
    title="HNS runs",
    severity=ERROR,
    explains=[cause_of("hns.crash"), cause_of("cni.flannel.mgmt-ip"), *no_flanneld(), *no_packets()],
    cases=[
        Case("disabled", FLANNEL_2022, (_disabled,), "node"),
        Case(
            "not there: the feature Containers is missing",
            CLASSIC_2019,
            (
                change(
                    Services,
                    lambda s: replace(s, services=without(s.services, lambda x: x.name.lower() == "hns")),
                ),
                fails(Hns),
            ),
            "node",
        ),
        Case("started on demand", FLANNEL_2022, (_on_demand,), quiet=True),
    ],
)
def service(node: ThisNode, services: Services, hns: Hns | Failed) -> Iterator[Said]:
    """Without the Host Networking Service no network object can be made or read.

    Rule: the service hns does not exist, or does not run and is disabled, or does not run and reading HNS
    fails. A stopped service that starts on demand and answers is well.
    Remedy: Set-Service hns -StartupType Manual; Start-Service hns. If it does not exist:
    Install-WindowsFeature Containers, then reboot.
    Confused with: HNS that runs and does not answer (hns.deadlock).
    Source: kubernetes-sigs/sig-windows-tools debug scripts; Microsoft, "Windows container networking".
    """
    found = services.named("hns")
    proof: dict[type[Fact], str] = {}
    if isinstance(hns, Failed):
        proof[Hns] = hns.why
    if found is None:
        yield Problem(
            f"{node.name} has no service hns: the feature Containers is not installed.",
            proof={Services: "hns: not found", **proof},
        )
    elif found.state != "Running" and (found.start_mode == "Disabled" or isinstance(hns, Failed)):
        text = (
            f"HNS on {node.name} is {found.state or 'in no state'} (start mode {found.start_mode}), "
            "so no pod network can be made or read."
        )
        yield Problem(
            text,
            proof={Services: f"hns: {found.state}, {found.start_mode}, exit code {found.exit_code}", **proof},
        )


def _restarted(draft: Draft) -> None:
    """HNS was started anew, ten minutes after kube-proxy."""
    processes = draft.get(Processes)
    proxies = [p for p in processes.processes if "kube-proxy" in p.name.lower() and p.created is not None]
    latest = max((p.created for p in proxies if p.created is not None), default=None)
    if latest is not None and processes.hns is not None:
        new = replace(processes.hns, created=latest + timedelta(minutes=10))
        draft.put(Processes, replace(processes, hns=new))


@check(
    "hns.crash",
    title="HNS has not been restarted behind kube-proxy's back",
    severity=ERROR,
    explains=[*no_load_balancers(), *no_pods(), *no_packets()],
    cases=[
        Case(
            "HNS is younger than kube-proxy, and empty",
            CLASSIC_2019,
            (_restarted, fields(Hns, load_balancers=())),
            "node",
            ERROR,
        ),
        Case("it has load balancers again", FLANNEL_2022, (_restarted,), "node", WARN),
        Case("what it holds is not known", FLANNEL_2022, (_restarted, fails(Hns)), "node", ERROR),
        Case(
            "it died a day ago, and kube-proxy was started after that",
            CLASSIC_2019,
            (change(EventLog, lambda e: replace(e, events=(*e.events, *_death(e)))),),
            quiet=True,
        ),
    ],
)
def crash(node: ThisNode, processes: Processes, hns: Hns | Failed, log: EventLog | Failed) -> Iterator[Said]:
    """When HNS dies its load balancers may die with it; kube-proxy does not notice and does not make again what it
    believes to be there.

    Rule: the process of HNS started more than 30 s after kube-proxy did: error; warn where HNS holds load balancers,
    which it may have restored (proxy.lb-missing says whether some are missing). The System log's records 7031 and
    7034 of the Service Control Manager for the service hns say why.
    Remedy: Restart-Service kube-proxy, or delete the node's kube-proxy pod (with Calico also calico-node).
    AKS does this by itself whenever the process id of HNS changes.
    Confused with: a planned restart of HNS by somebody: the consequence is the same.
    Source: microsoft/SDN Kubernetes/windows/debug/networkhealth.ps1; Azure/AgentBaker;
    https://github.com/kubernetes/kubernetes/issues/110849 and 139519 (what HNS restores).
    """
    proxies = [p.created for p in processes.named("kube-proxy") if p.created is not None]
    if not proxies:
        yield Skip("No kube-proxy runs on the host.")
        return
    if processes.hns is None or processes.hns.created is None:
        yield CannotTell(
            "the process of HNS was not found, so its start cannot be compared with kube-proxy's"
        )
        return
    started = max(proxies)
    late = processes.hns.created - started
    if late <= AFTER:
        return
    minutes = max(1, int(late.total_seconds() // 60))
    proof: dict[type[Fact], str] = {
        Processes: f"hns pid {processes.hns.pid} started {processes.hns.created:%Y-%m-%dT%H:%M:%SZ}; "
        f"kube-proxy started {started:%Y-%m-%dT%H:%M:%SZ}"
    }
    records = [
        e for e in (log.events if isinstance(log, EventLog) else ()) if _about_hns(e) and e.at >= started
    ]
    if records:
        last = max(records, key=lambda e: e.at)
        proof[EventLog] = (
            f"{last.provider} {last.id} at {last.at:%Y-%m-%dT%H:%M:%SZ}: {', '.join(last.properties)}"
        )
    died = "died and was started again" if records else "was started again"
    left, severity = "its load balancers may be gone", ERROR
    if isinstance(hns, Hns):
        held = len(hns.load_balancers)
        proof[Hns] = f"{held} load balancers"
        if held:
            left, severity = f"it holds {held} load balancers, and kube-proxy makes no missing one anew", WARN
        else:
            left = "its load balancers are gone"
    yield Problem(
        f"HNS on {node.name} {died} {minutes} minutes after kube-proxy: {left}.",
        severity=severity,
        proof=proof,
    )


def _about_hns(event: Event) -> bool:
    """A record of the Service Control Manager that HNS ended. Old recordings have no key name: English alone tells."""
    if event.provider.lower() != "service control manager" or event.id not in DIED:
        return False
    words = {w.lower() for w in event.properties} | {event.message.lower()}
    return event.of_service("hns") or "hns" in words or any("host network" in w for w in words)


def _death(log: EventLog) -> tuple[Event, ...]:
    from datetime import UTC, datetime

    at = min((e.at for e in log.events), default=datetime(2000, 1, 1, tzinfo=UTC))
    return (
        Event(
            "System",
            "Service Control Manager",
            7031,
            2,
            at,
            ("Hostnetzwerkdienst", "1", "60000"),
            service="hns",
        ),
    )


def _hangs(draft: Draft) -> None:
    draft.put(
        Hns, Failed("deadline", "The question hns did not come back within 15 s on the node.", code=HUNG)
    )


@check(
    "hns.deadlock",
    title="HNS answers",
    severity=ERROR,
    explains=[cause_of("hns.crash"), *no_flanneld(), *no_packets()],
    cases=[
        Case("it does not come back", FLANNEL_2022, (_hangs,), "node"),
        Case("the node as a whole is slow", FLANNEL_2022, (fails(Hns),), unknown=True),
        Case(
            "it has 412 threads",
            FLANNEL_2022,
            (
                change(
                    Processes,
                    lambda p: replace(
                        p, hns_shared=False, hns=replace(p.hns, threads=412) if p.hns else None
                    ),
                ),
            ),
            "node",
        ),
        Case(
            "many threads of a process that it shares",
            FLANNEL_2022,
            (
                change(
                    Processes,
                    lambda p: replace(p, hns_shared=True, hns=replace(p.hns, threads=412) if p.hns else None),
                ),
            ),
            quiet=True,
        ),
    ],
)
def deadlock(
    node: ThisNode, hns: Hns | Failed, processes: Processes | Failed, services: Services | Failed
) -> Iterator[Said]:
    """A hung HNS blocks every network operation of the node: pods stay ContainerCreating, kube-proxy stops.

    Rule: reading HNS does not come back within 15 s while its service runs; or its process, which it shares
    with no other service, has more than 200 threads (probable), from 1000 on certainly.
    Remedy: if hns is alone in its process (tasklist /svc /fi "services eq hns"), Stop-Process -Force -Id PID,
    Restart-Service -Force hns, restart kube-proxy; if it shares the process or that hangs too, drain and reboot
    the node.
    Confused with: a slow WMI, which slows other questions as well.
    Source: microsoft/SDN Kubernetes/windows/debug/networkhealth.ps1 and its mitigation script.
    """
    stopped = isinstance(services, Services) and not services.running("hns")
    # A node that is slow as a whole runs out of time elsewhere: only the node's own word about this question counts.
    hung = isinstance(hns, Failed) and hns.code == HUNG and isinstance(services, Services) and not stopped
    proof: dict[type[Fact], str] = {}
    process = processes.hns if isinstance(processes, Processes) and not processes.hns_shared else None
    threads = process.threads if process else 0
    if process and threads > DEADLOCK:
        proof[Processes] = f"hns pid {process.pid}: {threads} threads"
    if hung and isinstance(hns, Failed):
        proof[Hns] = hns.why
        text = f"HNS on {node.name} runs and does not answer" + (
            f"; it has {threads} threads." if proof.get(Processes) else "."
        )
        yield Problem(text, proof=proof)
    elif proof:
        how = "certainly" if threads >= CERTAIN else "probably"
        yield Problem(f"HNS on {node.name} has {threads} threads: it is {how} deadlocked.", proof=proof)
    elif stopped:
        yield Skip("HNS does not run (hns.service).")
    elif isinstance(hns, Failed):
        yield CannotTell(hns.why, hint=hns.hint)


def _driver(state: str) -> Change:
    return change(Services, lambda s: replace(s, drivers={**s.drivers, "vfpext": state}))


@check(
    "hns.vfpext",
    title="The virtual filtering platform (VFP) is loaded",
    severity=ERROR,
    explains=[*no_flanneld(), *no_packets()],
    cases=[
        Case("stopped", FLANNEL_2022, (_driver("Stopped"),), "node"),
        Case(
            "absent",
            CLASSIC_2019,
            (
                change(
                    Services,
                    lambda s: replace(
                        s, drivers={k: v for k, v in s.drivers.items() if k.lower() != "vfpext"}
                    ),
                ),
            ),
            "node",
        ),
    ],
)
def vfpext(node: ThisNode, services: Services) -> Iterator[Said]:
    """VFP does NAT, load balancing and policies of pods in the virtual switch; without its driver there is
    none of them.

    Rule: the driver vfpext is absent or not Running.
    Remedy: sc.exe start vfpext; if it does not start, reboot; if it is absent, reinstall the feature
    Containers.
    Confused with: rules that are missing for one pod's port.
    Source: microsoft/SDN Kubernetes/windows/debug/collectlogs.ps1.
    """
    if not services.drivers:
        yield CannotTell(
            "The node's drivers could not be read.",
            hint="PowerShell in Constrained Language Mode does not list them: see os.clm.",
        )
        return
    state = next((v for k, v in services.drivers.items() if k.lower() == "vfpext"), "")
    if state != "Running":
        shown = f"vfpext: {state or 'absent'}"
        yield Problem(
            f"The driver vfpext on {node.name} is {state or 'absent'}: no NAT, load balancing or policies.",
            proof={Services: shown},
        )
