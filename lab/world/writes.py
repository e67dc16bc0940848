"""What somebody writes through the API: the object itself, and what controllers do about it at once.

Whatever else follows is derived, as after an edit by a fault.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from lab.world.derive import derive
from lab.world.models.owned import owned
from lab.world.restart import delete_pod
from lab.world.state import Key, Object, World
from lab.world.text import stable_hex


class CannotFollow(ValueError):
    """What was written cannot be thought through by the models: a practice cluster refuses it."""


def applied(world: World, key: Key, item: Object | None) -> World:
    """The world after the write (None: deletion) and all that follows from it; `world` is left as it is.

    CannotFollow where the models meet what they cannot read.
    """
    after = copy.deepcopy(world)
    try:
        if item is None:
            remove(after, key)
        else:
            put(after, key, item)
        derive(after)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CannotFollow(f"{type(error).__name__}: {error}") from error
    return after


def put(world: World, key: Key, item: Object) -> None:
    """Add or replace an object. A DaemonSet's and a Deployment's changed template is rolled out."""
    plain = copy.deepcopy(item)
    plain["metadata"].pop("resourceVersion", None)
    before = world.objects.get(key)
    changed = before is not None and _template(before) != _template(plain)
    if before is not None and not changed and _template(before) is not None:
        plain["spec"]["template"] = before["spec"]["template"]  # the pods that exist are made from it
    if key[1] == "Deployment" and changed:
        _revise(world, plain)
    world.objects[key] = plain
    if key[1] == "DaemonSet" and changed:
        notes = plain["metadata"].setdefault("annotations", {})
        name = "deprecated.daemonset.template.generation"
        notes[name] = str(int(notes.get(name, "1")) + 1)
        if plain["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
            for pod in owned(world, plain):
                delete_pod(world, pod["metadata"]["namespace"], pod["metadata"]["name"])


def remove(world: World, key: Key) -> None:
    """Delete an object, and what nothing but it holds; pods of a workload go when the garbage is collected."""
    _, kind, namespace, name = key
    if kind == "Pod":
        delete_pod(world, namespace, name)
        return
    item = world.objects.pop(key, None)
    if item is None:
        return
    if kind == "Deployment":
        world.revisions.pop((namespace, name), None)
    elif kind == "Node":
        world.former.pop(name, None)
        world.delete("coordination.k8s.io/v1", "Lease", name, "kube-node-lease")
        world.unregistered[name] = (world.now, item)
    elif kind == "Service":
        world.delete("v1", "Endpoints", name, namespace)
        for piece in list(world.each("discovery.k8s.io/v1", "EndpointSlice", namespace)):
            if piece["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name:
                world.delete("discovery.k8s.io/v1", "EndpointSlice", piece["metadata"]["name"], namespace)
    elif kind == "Namespace":
        for inner in [k for k in world.objects if k[2] == name]:
            remove(world, inner)


def _template(item: Object) -> Any:
    """The template of a DaemonSet or Deployment, to compare: without what is empty, which a server adds or drops."""
    if item["kind"] not in ("DaemonSet", "Deployment"):
        return None
    return _filled(item["spec"]["template"])


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _filled(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, {}, [])}
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


def _revise(world: World, owner: Object) -> None:
    """Choose the ReplicaSet of a Deployment's new template: the one that has it already, or a new one."""
    meta, template = owner["metadata"], _template(owner)
    key = (meta["namespace"], meta["name"])
    for known in owned(world, owner, "ReplicaSet"):
        theirs = _filled(known["spec"]["template"])
        theirs["metadata"]["labels"].pop("pod-template-hash", None)
        if theirs == template:
            world.revisions[key] = known["metadata"]["name"]
            return
    text = json.dumps(template, sort_keys=True)
    world.revisions[key] = f"{meta['name']}-{stable_hex(9, *key, text)}"
