"""Whether pods say on which operating system they want to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from checks.cases import Change, change
from facts.cluster.objects import DaemonSetObject, NodeObject, PodSpec
from facts.cluster.workloads import DaemonSets

BUILD = "node.kubernetes.io/windows-build"
OS_KEYS = ("kubernetes.io/os", "beta.kubernetes.io/os", BUILD, "kubernetes.io/hostname")


def chooses_os(spec: PodSpec) -> bool:
    """Whether a pod says on which operating system (or on which node) it wants to run."""
    if spec.os is not None and spec.os.name:
        return True
    if any(key in spec.node_selector for key in OS_KEYS):
        return True
    return any(expression.get("key") in OS_KEYS for expression in _expressions(spec.affinity or {}))


def _terms(affinity: dict[str, Any]) -> list[dict[str, Any]]:
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    return list((required or {}).get("nodeSelectorTerms") or ())


def _expressions(affinity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for term in _terms(affinity):
        yield from (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))


def admits(spec: PodSpec, node: NodeObject) -> bool:
    """Whether node selector and required affinity let a pod onto this node."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    terms = _terms(spec.affinity or {})
    return not terms or any(
        all(_holds(e, labels) for e in term.get("matchExpressions") or ())
        and all(_holds(e, {"metadata.name": node.name}) for e in term.get("matchFields") or ())
        for term in terms
    )


def _holds(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    have, wanted = labels.get(expression.get("key", "")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return have in wanted
        case "NotIn":
            return have not in wanted
        case "Exists":
            return have is not None
        case "DoesNotExist":
            return have is None
    return True  # Gt and Lt compare numbers, which no label of a system has


def wants_windows(spec: PodSpec) -> bool:
    """Whether a pod says that it is for Windows."""
    if spec.os is not None and spec.os.name == "windows":
        return True
    chosen = spec.node_selector
    if any(chosen.get(key) == "windows" for key in OS_KEYS) or BUILD in chosen:
        return True
    return any(
        e.get("key") in OS_KEYS and e.get("operator") == "In" and "windows" in (e.get("values") or ())
        for e in _expressions(spec.affinity or {})
    )


def without_selector(name: str, **selector: str) -> Change:
    """A DaemonSet whose pods no longer say that they are for Linux; they may choose by another label (`_` for `-`)."""
    chosen = {key.replace("_", "-"): value for key, value in selector.items()}

    def edit(found: DaemonSets) -> DaemonSets:
        each = (_open(d, chosen) if d.metadata.name.startswith(name) else d for d in found.items)
        return DaemonSets(tuple(each))

    return change(DaemonSets, edit)


def _open(daemons: DaemonSetObject, selector: dict[str, str]) -> DaemonSetObject:
    template = daemons.spec.template
    spec = replace(template.spec, node_selector=selector, affinity=None)
    return replace(daemons, spec=replace(daemons.spec, template=replace(template, spec=spec)))
