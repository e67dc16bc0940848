"""Pods that controllers make of a template: their names, labels and owners."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab.world.state import Object, World, new_object
from lab.world.text import name_suffix, rfc3339, stable_hex, stable_uid

_AUTOMATIC = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for what in ("not-ready", "unreachable")
]
SET_UP = 82_000.0  # seconds before a machine's epoch: the scenarios' pods are that old


def owner_reference(owner: Object) -> dict[str, Any]:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(world: World, owner: Object, kind: str = "Pod") -> list[Object]:
    """The objects of a kind (pods, ReplicaSets) that `owner` controls."""
    uid = owner["metadata"]["uid"]
    return [
        item
        for item in world.each("v1" if kind == "Pod" else "apps/v1", kind, owner["metadata"]["namespace"])
        if any(r["uid"] == uid for r in item["metadata"].get("ownerReferences", []))
    ]


def pod_name(world: World, owner: Object, slot: str) -> tuple[str, bool]:
    """The name of the owner's pod in `slot`, and whether it replaces one that was deleted."""
    meta = owner["metadata"]
    for attempt in range(len(world.deleted_pods) + 1):
        name = f"{meta['name']}-{name_suffix(5, world.plan.scenario, meta['name'], slot, str(attempt))}"
        if (meta["namespace"], name) not in world.deleted_pods:
            return name, attempt > 0
    raise AssertionError("more names are taken than pods were deleted")


def make_pod(world: World, owner: Object, slot: str, node: str) -> Object:
    """A pod of the owner's template, on `node` (empty: it waits for the scheduler)."""
    template, meta = owner["spec"]["template"], owner["metadata"]
    name, replaces = pod_name(world, owner, slot)
    namespace = meta["namespace"]
    spec = {
        **template["spec"],
        "nodeName": node,
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
    }
    spec["tolerations"] = [*spec.get("tolerations", []), *_AUTOMATIC]
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if not node:
        del spec["nodeName"]
    labels = dict(template["metadata"].get("labels", {}))
    if owner["kind"] == "DaemonSet":
        generation = meta.get("annotations", {}).get("deprecated.daemonset.template.generation", "1")
        labels["controller-revision-hash"] = stable_hex(10, namespace, meta["name"], generation)
        labels["pod-template-generation"] = generation
    pod = new_object("v1", "Pod", name, namespace, labels=labels, spec=spec, status={})
    annotations = template["metadata"].get("annotations")
    if annotations:
        pod["metadata"]["annotations"] = dict(annotations)
    pod["metadata"]["generateName"] = name.rsplit("-", 1)[0] + "-"
    pod["metadata"]["ownerReferences"] = [owner_reference(owner)]
    # Pods of a scenario and of a fault's workload are as old as the scenario; those that come while it runs are new.
    then = world.epoch - SET_UP
    new = (
        replaces
        or not world.changed_at
        or datetime.fromisoformat(meta["creationTimestamp"]).timestamp() > then
    )
    pod["metadata"]["creationTimestamp"] = rfc3339((world.changed_at or world.now) if new else then)
    pod["metadata"]["uid"] = stable_uid(world.plan.scenario, "pod", namespace, name)
    return pod
