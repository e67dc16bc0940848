"""What the console has been told so far: progress by node, trouble, and how the fleet looks because of it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from checks.chain import NOT_READY, first_cause
from checks.engine import Report
from checks.finding import Finding, OutcomeKind, Severity
from facts.access import Access
from facts.answers import Progress
from facts.cluster.nodes import Nodes
from facts.cluster.objects import NodeObject
from facts.fact import Failed
from facts.node.windows import Os
from tui.investigation import Knows

CLUSTER = ""  # stands for the cluster where nodes are named


@dataclass
class Asked:
    """How far one node (or the cluster) is."""

    done: int = 0
    total: int = 0
    failed: int = 0
    finished: bool = False


@dataclass
class Seen:
    """Progress by node; "" is the cluster."""

    asked: dict[str, Asked] = field(default_factory=dict)
    whys: Whys = field(default_factory=lambda: Whys())

    def take(self, progress: Progress) -> None:
        """Count one piece of progress."""
        if progress.outcome == "started" or progress.node not in self.asked:
            self.asked[progress.node] = Asked()
        at = self.asked[progress.node]
        if progress.outcome == "finished":
            at.finished = True
            at.done = at.total = max(at.total, progress.total)
        else:
            at.done, at.total = max(at.done, progress.done), progress.total
            at.failed += progress.outcome == "failed"
        if not progress.node and at.done == at.total:
            at.finished = True

    def anew(self) -> None:
        """Everything is asked anew."""
        self.asked.clear()

    @property
    def total(self) -> tuple[int, int]:
        """Answers that are there, and that are wanted, as far as that is known."""
        return sum(a.done for a in self.asked.values()), sum(a.total for a in self.asked.values())


@dataclass(frozen=True)
class FleetRow:
    """One node (or the cluster) as the fleet shows it."""

    name: str  # "" for the cluster
    os: str
    ready: str  # True, False, Unknown, or "" for the cluster
    cordoned: bool
    way: str  # the way in use; empty: none (yet)
    way_error: str  # why there is none
    asked: Asked | None
    errors: int
    warnings: int
    infos: int
    unsure: int  # checks that could not tell
    judged: bool
    doubted: bool  # something that could have found a fault here could not tell; of a Linux node the cluster's checks
    build: str
    kubelet: str
    runtime: str
    cause: Finding | None  # of a Windows node that is not ready, what makes it so


@dataclass
class Whys:
    """What makes nodes not ready, by node: worked out once a report, read at every paint."""

    _report: Report | None = None
    _found: dict[str, Finding] = field(default_factory=dict)

    def of(self, report: Report | None) -> dict[str, Finding]:
        if report is not self._report:
            ill = {f.node for f in report.findings if f.id == NOT_READY} if report else set()
            found = ((node, first_cause(report, node)) for node in ill) if report else ()
            self._report, self._found = report, {node: cause for node, cause in found if cause is not None}
        return self._found


def first_causes(report: Report) -> dict[str, Finding]:
    """For each node the first cause that concerns it: found on it, or accounting for something found on it."""
    found: dict[str, Finding] = {}
    for cause in report.ranked.causes:
        for finding in (cause, *report.ranked.consequences(cause.key)):
            found.setdefault(finding.node, cause)
    return found


def fleet(knows: Knows | None, report: Report | None, seen: Seen) -> list[FleetRow]:
    """A row for the cluster as a whole, then one a node, in the API's order."""
    if knows is None:
        return []
    nodes = knows.get(Nodes)
    if not isinstance(nodes, Nodes):
        return []
    doubt = (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN)
    found = Counter((f.node, f.severity) for f in (report.findings if report else ()))
    unsure = Counter(o.node for o in (report.outcomes if report else ()) if o.kind in doubt)
    causes = first_causes(report) if report else {}
    tally = _Tally(found, unsure, causes, seen.whys.of(report), report is not None)
    chosen = set(knows.windows_nodes())
    rows = [_row(CLUSTER, None, knows, seen, tally)]
    rows += [
        _row(n.name, n, knows, seen, tally) for n in nodes.items if n.os != "windows" or n.name in chosen
    ]
    return rows


@dataclass(frozen=True)
class _Tally:
    """A report, counted once for all rows."""

    found: Counter[tuple[str, Severity]]
    unsure: Counter[str]
    causes: dict[str, Finding]
    whys: dict[str, Finding]
    judged: bool


def _row(name: str, node: NodeObject | None, knows: Knows, seen: Seen, tally: _Tally) -> FleetRow:
    windows = node is not None and node.os == "windows"
    access = knows.get(Access, name) if windows else None
    system = knows.get(Os, name) if windows else None
    ready = node.condition("Ready") if node else None
    well = ready is not None and ready.status == "True"
    info = node.status.node_info if node else None
    way = access.way if isinstance(access, Access) else ""
    error = ""
    if isinstance(access, Access) and not way and access.attempts:
        last = access.attempts[-1]
        error = last.code or last.kind
    elif isinstance(access, Failed) and access.kind != "not-asked":
        error = access.kind
    asked = seen.asked.get(name)
    return FleetRow(
        name,
        node.os if node else "",
        (ready.status if ready else "Unknown") if node else "",
        bool(node and node.spec.unschedulable),
        way,
        error,
        asked,
        tally.found[name, Severity.ERROR],
        tally.found[name, Severity.WARN],
        tally.found[name, Severity.INFO],
        tally.unsure[name],
        tally.judged and (asked is None or asked.finished),
        tally.unsure[name if windows else CLUSTER] > 0,
        system.version.removeprefix("10.0.") if isinstance(system, Os) else _build(node),
        info.kubelet_version if info else "",
        info.container_runtime_version.replace("://", " ") if info else "",
        (tally.whys if windows and not well else tally.causes).get(name),
    )


def _build(node: NodeObject | None) -> str:
    if node is None:
        return ""
    kernel = node.status.node_info.kernel_version
    return kernel.removeprefix("10.0.") if node.os == "windows" else kernel
