"""What an API server makes of an object before it is stored: defaults, what must not change, who wrote what."""

from __future__ import annotations

import copy
from typing import Any

from lab.api.defaults import fill
from lab.api.errors import invalid, required
from lab.api.request import Request
from lab.api.resources import Resource
from lab.api.shapes import served
from lab.world.state import Object
from lab.world.text import rfc3339

# Kinds whose status the API takes from nobody but through the subresource, which the models of the lab write.
WITH_STATUS = {
    "CertificateSigningRequest",
    "DaemonSet",
    "Deployment",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "ReplicaSet",
    "Service",
}
WORKLOADS = ("DaemonSet", "Deployment", "ReplicaSet")
_POD_FIELDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def admitted(item: Object, before: Object | None, resource: Resource, objects: list[Object]) -> Object:
    """`item` as it is to be stored in place of `before`. `objects`: all Services, for what must be given out once.

    ApiError for what a server refuses.
    """
    kind = resource.kind
    fill(item, before, objects)
    if before is None:
        if kind in WITH_STATUS:
            item["status"] = {"loadBalancer": {}} if kind == "Service" else {}
    elif kind in WITH_STATUS:
        item["status"] = copy.deepcopy(before.get("status", {}))
    if kind in WORKLOADS:
        _workload(item, before, resource)
    if kind == "Pod":
        _containers(resource, item["metadata"]["name"], item["spec"], "spec")
    if before is not None:
        _unchanged(item, before, resource)
    if kind in WORKLOADS:
        count = int(before["metadata"].get("generation", 1)) if before else 1
        same = before is None or served(before, resource)["spec"] == served(item, resource)["spec"]
        item["metadata"]["generation"] = count if same else count + 1
    return item


def _workload(item: Object, before: Object | None, resource: Resource) -> None:
    name, spec = item["metadata"]["name"], item["spec"]
    wanted = spec.get("selector", {}).get("matchLabels", {})
    labels = spec["template"]["metadata"].get("labels", {})
    if not wanted:
        raise required(resource.kind, resource.group, name, "spec.selector", "")
    if any(labels.get(key) != value for key, value in wanted.items()):
        shown = "{" + ",".join(f'"{k}":"{v}"' for k, v in sorted(labels.items())) + "}"
        why = f"Invalid value: {shown}: `selector` does not match template `labels`"
        raise invalid(resource.kind, resource.group, name, "spec.template.metadata.labels", why)
    _containers(resource, name, spec["template"]["spec"], "spec.template.spec")
    if before is not None and before["spec"]["selector"] != spec["selector"]:
        why = "Invalid value: field is immutable"
        raise invalid(resource.kind, resource.group, name, "spec.selector", why)


def _containers(resource: Resource, name: str, spec: Object, place: str) -> None:
    """A pod has containers, and each a name and an image."""
    if not spec.get("containers"):
        raise required(resource.kind, resource.group, name, f"{place}.containers", "")
    for number, container in enumerate(spec["containers"]):
        for field in ("name", "image"):
            if not container.get(field):
                where = f"{place}.containers[{number}].{field}"
                raise required(resource.kind, resource.group, name, where, "")


def _unchanged(item: Object, before: Object, resource: Resource) -> None:
    """What a server lets nobody change."""
    kind, name = resource.kind, item["metadata"]["name"]
    if kind == "Pod" and _fixed(item["spec"]) != _fixed(before["spec"]):
        raise invalid(kind, "", name, "spec", f"Forbidden: {_POD_FIELDS}", reason="FieldValueForbidden")
    if kind == "Node" and before["spec"].get("podCIDR") and _cidrs(item) != _cidrs(before):
        why = 'Forbidden: node updates may not change podCIDR except from "" to valid'
        raise invalid(kind, "", name, "spec.podCIDRs", why, reason="FieldValueForbidden")
    if kind == "Service" and item["spec"].get("type") != "ExternalName":
        given, now = before["spec"].get("clusterIP"), item["spec"].get("clusterIP")
        if given and given != now:
            why = f'Invalid value: ["{now}"]: may not change once set'
            raise invalid(kind, "", name, "spec.clusterIPs[0]", why)
    if kind == "CertificateSigningRequest":
        item["spec"] = copy.deepcopy(before["spec"])


def _cidrs(node: Object) -> tuple[Any, Any]:
    return node["spec"].get("podCIDR"), node["spec"].get("podCIDRs")


def _fixed(spec: Object) -> Object:
    """A pod's spec without what may be changed."""
    free = (
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "nodeSelector",
        "securityContext",
    )
    kept = {name: value for name, value in spec.items() if name not in free}
    for name in ("containers", "initContainers"):
        if name in kept:
            kept[name] = [{k: v for k, v in c.items() if k != "image"} for c in kept[name]]
    return kept


# -- managedFields


def signed(item: Object, before: Object | None, request: Request, now: float, resource: Resource) -> None:
    """Write down who changed which fields, as the server does; nothing if nothing was."""
    changed = _changes(_plain(served(before, resource)) if before else {}, _plain(served(item, resource)))
    entries: list[dict[str, Any]] = copy.deepcopy(
        (before or {"metadata": {}})["metadata"].get("managedFields", [])
    )
    if not changed:
        item["metadata"].pop("managedFields", None)
        if entries:
            item["metadata"]["managedFields"] = entries
        return
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    manager = request.query.get("fieldManager") or agent
    own: dict[str, Any] = {}
    for entry in entries:
        if entry["manager"] == manager and entry["operation"] == "Update":
            own = entry["fieldsV1"]
        else:
            entry["fieldsV1"] = _without(entry["fieldsV1"], changed)
    entries = [e for e in entries if e["fieldsV1"] and e["fieldsV1"] is not own]
    entries.append(
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": resource.group_version,
            "time": rfc3339(now),
            "fieldsType": "FieldsV1",
            "fieldsV1": _joined(own, changed),
        }
    )
    item["metadata"]["managedFields"] = entries


_UNOWNED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


def _plain(item: Object) -> Object:
    """Without what nobody owns."""
    kept = {k: v for k, v in item.items() if k not in ("apiVersion", "kind", "status", "metadata")}
    meta = {k: v for k, v in item.get("metadata", {}).items() if k not in _UNOWNED}
    return kept | ({"metadata": meta} if meta else {})


def _changes(before: Any, after: Any) -> dict[str, Any]:
    """The fields that differ, as a set of FieldsV1. Lists count as a whole."""
    found: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if one == other and (name in before) == (name in after):
            continue
        below = isinstance(other, dict) and _changes(one if isinstance(one, dict) else {}, other)
        found[f"f:{name}"] = below or {}
    return dict(sorted(found.items()))


def _without(fields: dict[str, Any], gone: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, below in fields.items():
        if name not in gone:
            kept[name] = below
        elif below and gone[name]:
            rest = _without(below, gone[name])
            if rest.keys() - {"."}:
                kept[name] = rest
    return kept


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    names = sorted(one.keys() | other.keys())
    return {name: _joined(one.get(name, {}), other.get(name, {})) for name in names}
