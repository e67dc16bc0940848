"""Is the node's clock right, does something keep it right, and does its heart beat?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import kubelet_config, service, silent
from checks.effects import NO_API
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said, Severity, Skip
from checks.versions import clock, span
from facts.access import Now, ThisNode
from facts.cluster.nodes import Leases, Nodes
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import Kubelet
from facts.node.windows import Clock, Services, TimeSource

W32TIME_REFUSES = timedelta(seconds=54_000)  # where nobody has set another limit, on a machine in no domain

_AGREES = timedelta(seconds=60)

_STEPS: tuple[tuple[float, Severity], ...] = ((300, ERROR), (60, WARN), (2, INFO))


def _skewed(seconds: float, uncertain: float = 0.4) -> Change:
    return fields(Clock, skew=timedelta(seconds=seconds), uncertainty=timedelta(seconds=uncertain))


def set_clock(skew: timedelta) -> str:
    """What mends a clock that W32Time leaves as it is, because it is too far off."""
    back = -round(skew.total_seconds())
    days, seconds = int(back / 86_400), back - int(back / 86_400) * 86_400
    return (
        f"On the node `Set-Date -Adjust (New-TimeSpan -Days {days} -Seconds {seconds})` first: in no domain, W32Time "
        "refuses corrections of more than 15 h (MaxPosPhaseCorrection, MaxNegPhaseCorrection: 54,000 s; domain members "
        "have no limit of their own) and only logs an event. Then `w32tm /resync /rediscover; Restart-Service kubelet`."
        " If it falls back after a restart, look at the firmware's clock and its battery, or at the hypervisor's time "
        "synchronisation."
    )


def _linux_renewed(ahead: float) -> Change:
    """The Linux nodes renewed their leases just now, by clocks that are so many seconds ahead of the console's."""

    def apply(draft: Draft) -> None:
        linux = {n.name for n in draft.get(Nodes).linux}
        at = draft.get(Now).utc + timedelta(seconds=ahead - 4)
        items = tuple(
            replace(i, spec=replace(i.spec, renew_time=at)) if i.metadata.name in linux else i
            for i in draft.get(Leases).items
        )
        draft.put(Leases, Leases(items))

    return apply


def _consoles_own(
    clocks: Clock, nodes: Nodes | Failed, leases: Leases | Failed, now: Now
) -> timedelta | None:
    """How far the Linux nodes are ahead of the console, by their last heartbeats, where they agree with the node and
    not with the console; else None."""
    if isinstance(nodes, Failed) or isinstance(leases, Failed):
        return None
    ready = {n.name for n in nodes.linux if (c := n.condition("Ready")) is not None and c.status == "True"}
    times = sorted(i.spec.renew_time for i in leases.items if i.metadata.name in ready and i.spec.renew_time)
    if not times:
        return None
    ahead = times[len(times) // 2] - now.utc
    return ahead if abs(clocks.skew - ahead) < _AGREES < abs(ahead) else None


@check(
    "time.skew",
    title="The node's clock is right",
    severity=ERROR,
    explains=NO_API,
    cases=[
        Case("an hour ahead", FLANNEL_2022, (_skewed(3600),), finds="node", severity=ERROR),
        Case("ten minutes behind", CLASSIC_2019, (_skewed(-600),), finds="node", severity=ERROR),
        Case("ten years behind", FLANNEL_2022, (_skewed(-315_576_000),), finds="node", severity=ERROR),
        Case("90 seconds", FLANNEL_2022, (_skewed(90),), finds="node", severity=WARN),
        Case("5 seconds", FLANNEL_2019, (_skewed(5),), finds="node", severity=INFO),
        Case("a slow way in", FLANNEL_2022, (_skewed(8, uncertain=9),), quiet=True),
        Case(
            "it is the console's clock: the Linux nodes have the node's",
            FLANNEL_2022,
            (_skewed(3600), _linux_renewed(3600)),
            finds="node",
            severity=INFO,
        ),
        Case(
            "the Linux nodes have the console's clock",
            CLASSIC_2019,
            (_skewed(3600), _linux_renewed(0)),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "the clock is not known", FLANNEL_2022, (fails(Clock, "no way in", "unreachable"),), unknown=True
        ),
    ],
)
def skew(
    node: ThisNode, clocks: Clock, nodes: Nodes | Failed, leases: Leases | Failed, now: Now
) -> Iterator[Said]:
    """Certificates look expired or not yet valid, tokens are refused, Kerberos fails.

    Rule: the node's UTC differs from the console's by more than 2 s (info), 60 s (warn) or 300 s (error), after the
    time that the question took is taken off, since the difference is known no better than that. Where the heartbeats
    of the Linux nodes fit the node's clock and not the console's, it is the console's that is wrong: info.
    Remedy: On the node: `w32tm /config /syncfromflags:manual /manualpeerlist:"SERVER" /update; Restart-Service
    w32time; w32tm /resync /rediscover`. More than 15 h off, set it with `Set-Date` first: W32Time of a machine in no
    domain refuses such a correction, and what set the clock wrong is the firmware's clock (its battery) or the
    hypervisor.
    Confused with: certificates that have expired by correct clocks (certs.client-expired); timestamps that differ by
    whole hours are a time zone, not a clock.
    Source: experience for the thresholds; Go's crypto/x509 for the symptom (`certificate has expired or is not yet
    valid`); five minutes is Kerberos' own limit. For W32Time's limits: Microsoft Learn, "Windows Time service tools and
    settings" and "How to configure the Windows Time service against a large time offset" (KB 884776).
    """
    certain = abs(clocks.skew.total_seconds()) - clocks.uncertainty.total_seconds()
    cluster = _consoles_own(clocks, nodes, leases, now)
    if certain > 60 and cluster is not None:
        way = "behind" if clocks.skew > timedelta(0) else "ahead of"
        yield Problem(
            f"The console's clock is {span(clocks.skew)} {way} those of {node.name} and of the Linux nodes: set it.",
            severity=INFO,
            proof={
                Clock: f"node − console = {clocks.skew.total_seconds():+.1f} s",
                Leases: f"heartbeats of Linux nodes − console = {cluster.total_seconds():+.1f} s",
            },
            remedy="Set the clock of the computer that kwinnow runs on.",
        )
        return
    for limit, severity in _STEPS:
        if certain > limit:
            way = "ahead of" if clocks.skew > timedelta(0) else "behind"
            seconds, doubt = clocks.skew.total_seconds(), clocks.uncertainty.total_seconds()
            proof = f"node − console = {seconds:+.1f} s, ± {doubt:.1f} s"
            looks = "expired" if clocks.skew > timedelta(0) else "not yet valid"
            then = (
                f": certificates may look {looks} there, and the kubelet then reaches no API server"
                if severity is ERROR
                else ""
            )
            yield Problem(
                f"The clock of {node.name} is {span(clocks.skew)} {way} the console's{then}.",
                severity=severity,
                proof={Clock: proof},
                remedy=set_clock(clocks.skew) if abs(clocks.skew) > W32TIME_REFUSES else "",
            )
            return


def _source(kind: str, server: str = "") -> Change:
    return fields(TimeSource, type=kind, ntp_server=server)


@check(
    "time.w32time",
    title="Something keeps the node's clock right",
    severity=WARN,
    explains=[cause_of("time.skew")],
    cases=[
        Case(
            "stopped", FLANNEL_2022, (service("W32Time", state="Stopped", start_mode="Auto"),), finds="node"
        ),
        Case(
            "disabled",
            CLASSIC_2019,
            (service("W32Time", state="Stopped", start_mode="Disabled"),),
            finds="node",
        ),
        Case(
            "started on demand",
            FLANNEL_2022,
            (service("W32Time", state="Stopped", start_mode="Manual"),),
            quiet=True,
        ),
        Case(
            "started on demand, and 10 s off",
            FLANNEL_2022,
            (service("W32Time", state="Stopped", start_mode="Manual"), _skewed(10)),
            finds="node",
        ),
        Case("follows nobody, and 10 s off", FLANNEL_2022, (_source("NoSync"), _skewed(10)), finds="node"),
        Case("follows the hypervisor", FLANNEL_2022, (_source("NoSync"), _skewed(0)), quiet=True),
        Case(
            "follows nobody, and it is the console's clock that is off",
            FLANNEL_2022,
            (_source("NoSync"), _skewed(3600), _linux_renewed(3600)),
            quiet=True,
        ),
    ],
)
def w32time(
    node: ThisNode,
    services: Services,
    source: TimeSource | Failed,
    clocks: Clock | Failed,
    nodes: Nodes | Failed,
    leases: Leases | Failed,
    now: Now,
) -> Iterator[Said]:
    """Without a source the clock drifts, and one day certificates look wrong.

    Rule: the service W32Time stands still although it starts with Windows or is disabled; or it is started on demand
    only, or follows nobody (`Type` NoSync, or NTP without a server), and the clock is off by more than 2 s already.
    Remedy: `Set-Service W32Time -StartupType Automatic; Start-Service W32Time; w32tm /config
    /syncfromflags:manual /manualpeerlist:"SERVER" /update`.
    Confused with: a virtual machine that follows its hypervisor, which is a good source and needs no NTP server; a
    server in no domain starts the service on a trigger and stops it again; another NTP program, for which somebody
    disabled this one.
    Source: Microsoft Learn, "How the Windows Time Service works" (behaviour from experience).
    """
    found = services.named("W32Time")
    off = (
        isinstance(clocks, Clock)
        and abs(clocks.skew) - clocks.uncertainty > timedelta(seconds=2)
        and _consoles_own(clocks, nodes, leases, now) is None
    )
    nobody = isinstance(source, TimeSource) and (
        source.type == "NoSync" or (source.type == "NTP" and not source.ntp_server)
    )
    state = (
        f"W32Time is {found.state}, start mode {found.start_mode}" if found else "there is no service W32Time"
    )
    if found is None or (found.state != "Running" and (off or found.start_mode in ("Auto", "Disabled"))):
        yield Problem(
            f"Windows does not keep the clock of {node.name} right: {state}.",
            proof={Services: state},
        )
    elif nobody and off and isinstance(source, TimeSource):
        said = f"Type {source.type}, NtpServer {source.ntp_server or 'empty'}"
        yield Problem(
            f"W32Time on {node.name} follows nobody ({said}), and the clock is off.", proof={TimeSource: said}
        )


_LASTS = timedelta(seconds=40)  # the kubelet's default; it renews after a quarter of it


def _renewed(seconds_ago: float) -> Change:
    """The first node's lease was renewed so long before the leases were read, by the node's own clock."""

    def apply(draft: Draft) -> None:
        skew = draft.get(Clock).skew
        at = draft.get(Now).utc - timedelta(seconds=seconds_ago) + skew
        items = tuple(
            replace(i, spec=replace(i.spec, renew_time=at)) if i.metadata.name == draft.node else i
            for i in draft.get(Leases).items
        )
        draft.put(Leases, Leases(items))

    return apply


def _no_lease() -> Change:
    return change(Leases, lambda found: Leases(()))


@check(
    "time.lease",
    title="The node's heartbeat is on time",
    severity=WARN,
    cases=[
        Case("half a minute late", FLANNEL_2022, (_renewed(30),), finds="node", severity=WARN),
        Case("two minutes late", CLASSIC_2019, (_renewed(120),), finds="node", severity=ERROR),
        Case("an hour behind, and on time", FLANNEL_2022, (_skewed(-3600), _renewed(5)), quiet=True),
        Case(
            "half a minute, where the kubelet has two for it",
            FLANNEL_2022,
            (_renewed(30), kubelet_config(nodeLeaseDurationSeconds=120)),
            quiet=True,
        ),
        Case("already NotReady", FLANNEL_2022, (_renewed(600), silent()), quiet=True),
        Case("no lease", FLANNEL_2019, (_no_lease(),), unknown=True),
        Case("the node's clock is not known", FLANNEL_2022, (fails(Clock),), unknown=True),
    ],
)
def lease(
    node: ThisNode, leases: Leases, now: Now, clocks: Clock, kubelet: Kubelet | Failed
) -> Iterator[Said]:
    """The kubelet's sign of life comes late: soon the node will be NotReady.

    Rule: the kubelet renews its Lease every 10 s by its own clock; the age, corrected by the difference between the
    node's clock and the console's, is more than 20 s (warn) or 40 s (error) while Ready is not yet Unknown; where the
    kubelet has another nodeLeaseDurationSeconds than 40, half of it and all of it.
    Remedy: As for node.notready: the kubelet's process, its way to the API server, its certificate, an overloaded
    node.
    Confused with: a clock that is behind: the renewals are on time then, and only look old.
    Source: Kubernetes documentation, "Node Status", section on heartbeats.
    """
    ready = node.object.condition("Ready")
    if ready is not None and ready.status == "Unknown":
        yield Skip("The control plane has noticed already: see node.notready.")
        return
    found = leases.of(node.name)
    if found is None or found.spec.renew_time is None:
        yield CannotTell(f"There is no Lease kube-node-lease/{node.name}.")
        return
    told = kubelet.config.get("nodeLeaseDurationSeconds") if isinstance(kubelet, Kubelet) else None
    lasts = timedelta(seconds=told) if isinstance(told, int) and told > 0 else _LASTS
    age = now.utc - (found.spec.renew_time - clocks.skew)
    if age - clocks.uncertainty > lasts / 2:
        severity = ERROR if age - clocks.uncertainty > lasts else WARN
        said = f"renewTime {clock(found.spec.renew_time)}, node's clock {clocks.skew.total_seconds():+.1f} s"
        yield Problem(
            f"The kubelet of {node.name} renewed its lease {span(age)} ago; it should do so every {span(lasts / 4)}.",
            severity=severity,
            proof={Leases: said},
        )
