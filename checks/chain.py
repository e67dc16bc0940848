"""Why is this node not Ready? The links to the condition, in the order in which a person would walk them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.check import graph, load
from checks.engine import Report
from checks.finding import Finding, Outcome, OutcomeKind
from checks.ids import CheckId

NOT_READY: CheckId = "node.notready"

# The stages of the walk; an id belongs to the stage with the longest beginning that fits it.
STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the condition", (NOT_READY,)),
    ("the way to the API server", ("reach.api.unreachable",)),
    ("the way into the node", ("reach.",)),
    ("the Node object", ("node.",)),
    ("the heartbeat", ("time.lease", "reach.api.from-node", "reach.api.loopback-8080")),
    ("the clock", ("time.",)),
    ("the kubelet", ("kubelet.",)),
    ("its credentials", ("certs.",)),
    ("the container runtime", ("runtime.",)),
    ("Windows", ("os.",)),
    ("the CNI", ("cni.", "node.podcidr.", "node.notready.flannel-pulling")),
    ("HNS", ("hns.",)),
    ("flannel", ("cni.flannel.", "cni.calico.")),
    ("sandboxes", ("image.",)),
)


def stage(check: CheckId) -> int:
    """The place of a check's stage in STAGES; those that belong to none come last."""
    fits = [
        (len(start), -place)
        for place, (_, starts) in enumerate(STAGES)
        for start in starts
        if check.startswith(start)
    ]
    return -max(fits)[1] if fits else len(STAGES)


def links() -> list[CheckId]:
    """The checks of the walk: the condition, all that can account for it, and the ways in; in walking order."""
    causes = set(graph().causes(NOT_READY))
    wanted = [i for i in load() if i in causes or i in (NOT_READY, "time.lease") or i.startswith("reach.")]
    return sorted(wanted, key=stage)  # stable: within a stage the catalogue's order


def chain(report: Report, node: str) -> list[Outcome]:
    """The outcome of every link as far as `node` is concerned, the condition itself first.

    A check of the whole cluster counts with its findings about this node or about no node in particular. For a node
    that is Ready the first outcome is Passed and says so; the walk is the same.
    """
    outcomes: dict[CheckId, Outcome] = {}
    for outcome in report.outcomes:
        if outcome.node in ("", node):
            outcomes.setdefault(outcome.id, _as_regards(outcome, node))
    return [_told(outcomes[i], node) for i in links() if i in outcomes]


def _as_regards(outcome: Outcome, node: str) -> Outcome:
    if outcome.kind is not OutcomeKind.FOUND:
        return outcome
    findings = tuple(f for f in outcome.findings if f.node in ("", node))
    if findings:
        return replace(outcome, findings=findings)
    kind = OutcomeKind.UNKNOWN if outcome.why else OutcomeKind.PASSED
    return replace(outcome, kind=kind, findings=())


def _told(outcome: Outcome, node: str) -> Outcome:
    if outcome.id == NOT_READY and outcome.kind is OutcomeKind.PASSED:
        return replace(outcome, why=f"{node} is Ready.")
    return outcome


def first_cause(report: Report, node: str) -> Finding | None:
    """The finding that leads to NotReady and that nothing found accounts for, the foremost of the report.

    Where no finding leads there it is the condition itself: its cause lies outside of what could be seen. None for a
    node that is Ready.
    """
    effect = next((f for f in report.findings if f.id == NOT_READY and f.node == node), None)
    if effect is None:
        return None
    above = set(_above(effect.key, report.ranked.explained_by))
    roots = (f for f in report.findings if f.key in above and not report.ranked.explained_by[f.key])
    return next(roots, effect)


def unexplained(cause: Finding | None, links: list[Outcome]) -> str:
    """Why the first cause is none: the condition itself, for which nothing accounts that was found. Else ""."""
    if cause is None or cause.id != NOT_READY:
        return ""
    blind = sum(o.kind in (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN) for o in links)
    if not blind:
        return "No link of the walk is broken: the cause lies where kwinnow does not look."
    return f"No link was found broken, but {blind} could not be told (?): the cause may be one of them."


def _above(key: str, explained_by: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The keys of all findings that account for `key`, directly or not."""
    seen: set[str] = set()
    todo = [key]
    while todo:
        for cause in explained_by.get(todo.pop(), ()):
            if cause not in seen:
                seen.add(cause)
                todo.append(cause)
                yield cause
