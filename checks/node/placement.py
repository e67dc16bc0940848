"""Whether pods say on which operating system they want to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from checks.cases import Change, change
from facts.cluster.objects import DaemonSetObject, PodSpec
from facts.cluster.workloads import DaemonSets

OS_KEYS = (
    "kubernetes.io/os",
    "beta.kubernetes.io/os",
    "node.kubernetes.io/windows-build",
    "kubernetes.io/hostname",
)


def chooses_os(spec: PodSpec) -> bool:
    """Whether a pod says on which operating system (or on which node) it wants to run."""
    if spec.os is not None and spec.os.name:
        return True
    if any(key in spec.node_selector for key in OS_KEYS):
        return True
    return any(expression.get("key") in OS_KEYS for expression in _expressions(spec.affinity or {}))


def _expressions(affinity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    required = (affinity.get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or ():
        yield from (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))


def without_selector(name: str) -> Change:
    """A DaemonSet whose pods no longer say that they are for Linux."""

    def edit(found: DaemonSets) -> DaemonSets:
        return DaemonSets(tuple(_open(d) if d.metadata.name.startswith(name) else d for d in found.items))

    return change(DaemonSets, edit)


def _open(daemons: DaemonSetObject) -> DaemonSetObject:
    template = daemons.spec.template
    spec = replace(template.spec, node_selector={}, affinity=None)
    return replace(daemons, spec=replace(daemons.spec, template=replace(template, spec=spec)))
