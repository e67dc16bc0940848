"""The scheduler: which nodes a pod may be put on, and what it says where there is none."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.world.models.events import pod_event
from lab.world.models.pods import pod_status
from lab.world.state import Object, World


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _affinity_admits(spec: dict[str, Any], labels: dict[str, str]) -> bool:
    required = (
        spec.get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    terms = required.get("nodeSelectorTerms", [])
    return not terms or any(
        all(
            labels.get(e["key"]) in e.get("values", [])
            for e in t.get("matchExpressions", [])
            if e["operator"] == "In"
        )
        for t in terms
    )


def tolerates(spec: dict[str, Any], taint: dict[str, Any]) -> bool:
    return any(
        (t.get("operator") == "Exists" and t.get("key") in (None, "", taint["key"]))
        or (t.get("key") == taint["key"] and t.get("value", "") == taint.get("value", ""))
        for t in spec.get("tolerations", [])
        if t.get("effect") in (None, "", taint["effect"])
    )


def candidates(world: World, spec: dict[str, Any], *, daemons: bool = False) -> list[Object]:
    """Nodes that a pod of this spec may be put on; those of DaemonSets also on nodes that are cordoned."""
    return [
        node
        for node in world.each("v1", "Node")
        if node["metadata"]["name"] not in world.former and not _refusal(world, spec, node, daemons=daemons)
    ]


def _refusal(world: World, spec: dict[str, Any], node: Object, *, daemons: bool = False) -> str:
    """Why the scheduler does not put a pod on the node, in its own words; empty if it may."""
    if node["spec"].get("unschedulable") and not daemons:
        return "node(s) were unschedulable"
    for taint in node["spec"].get("taints", []):
        mine = taint["effect"] in ("NoSchedule", "NoExecute") and not taint["key"].startswith(
            "node.kubernetes.io/"
        )
        if mine and not tolerates(spec, taint):
            shown = f"{{{taint['key']}: {taint.get('value', '')}}}"
            if world.plan.minor >= 34:
                return "node(s) had untolerated taint(s)"
            if world.plan.minor >= 24:
                return f"node(s) had untolerated taint {shown}"
            return f"node(s) had taint {shown}, that the pod didn't tolerate"
    labels = node["metadata"].get("labels", {})
    if not selects(spec.get("nodeSelector", {}), labels) or not _affinity_admits(spec, labels):
        old = world.plan.minor < 21
        return (
            "node(s) didn't match node selector"
            if old
            else "node(s) didn't match Pod's node affinity/selector"
        )
    return ""


def schedule(world: World) -> None:
    """Give pods that wait a node, where there is one for them by now."""
    for pod in world.each("v1", "Pod"):
        if pod["spec"].get("nodeName"):
            continue
        nodes = candidates(world, pod["spec"])
        if nodes:
            load = {n["metadata"]["name"]: len(world.pods_on(n["metadata"]["name"])) for n in nodes}
            pod["spec"]["nodeName"] = min(load, key=lambda name: (load[name], name))


def unscheduled(world: World) -> None:
    """Status and event of pods that no node takes."""
    nodes = list(world.each("v1", "Node"))
    for pod in world.each("v1", "Pod"):
        if pod["spec"].get("nodeName"):
            continue
        counted = Counter(_refusal(world, pod["spec"], node) for node in nodes)
        reasons = ", ".join(sorted(f"{count} {why}" for why, count in counted.items() if why))
        text = f"0/{len(nodes)} nodes are available: {reasons}."
        pod_status(world, pod, "", None, exits={}, images={}, frozen=False)
        for condition in pod["status"]["conditions"]:
            if condition["type"] == "PodScheduled":
                condition["message"] = text
        pod_event(world, pod, "Warning", "FailedScheduling", text, component="default-scheduler")
