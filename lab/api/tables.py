"""The Table form of lists, which kubectl asks for: the columns of the kinds that people look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lab.world.state import Object

Column = tuple[str, str, int]  # name, description, priority (1: only with -o wide)
Row = Callable[[Object, float], list[Any]]


def age(stamp: str | None, now: float) -> str:
    """A duration as kubectl writes it: 45s, 12m, 23h, 30d."""
    if not stamp:
        return "<unknown>"
    seconds = max(0, int(now - datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()))
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def _node(item: Object, now: float) -> list[Any]:
    status, labels = item["status"], item["metadata"].get("labels", {})
    ready = next((c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"), "Unknown")
    words = ["Ready" if ready == "True" else "NotReady"]
    if item["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = sorted(k.split("/", 1)[1] for k in labels if k.startswith("node-role.kubernetes.io/"))
    info = status.get("nodeInfo", {})
    address = next((a["address"] for a in status.get("addresses", []) if a["type"] == "InternalIP"), "<none>")
    return [
        item["metadata"]["name"],
        ",".join(words),
        ",".join(roles) or "<none>",
        age(item["metadata"]["creationTimestamp"], now),
        info.get("kubeletVersion", ""),
        address,
        "<none>",
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]


def _pod(item: Object, now: float) -> list[Any]:
    status = item["status"]
    statuses = status.get("containerStatuses", [])
    reason = status.get("reason") or status.get("phase", "Unknown")
    for one in statuses:
        state = one.get("state", {})
        reason = state.get("waiting", {}).get("reason") or state.get("terminated", {}).get("reason") or reason
    ready = sum(bool(s.get("ready")) for s in statuses)
    restarts = sum(int(s.get("restartCount", 0)) for s in statuses)
    return [
        item["metadata"]["name"],
        f"{ready}/{len(item['spec']['containers'])}",
        reason,
        str(restarts),
        age(item["metadata"]["creationTimestamp"], now),
        status.get("podIP", "<none>"),
        item["spec"].get("nodeName", "<none>"),
        "<none>",
        "<none>",
    ]


def _service(item: Object, now: float) -> list[Any]:
    spec = item["spec"]
    ports = ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}"
        if p.get("nodePort")
        else f"{p['port']}/{p['protocol']}"
        for p in spec["ports"]
    )
    selector = ",".join(f"{k}={v}" for k, v in spec.get("selector", {}).items()) or "<none>"
    return [
        item["metadata"]["name"],
        spec["type"],
        spec["clusterIP"],
        "<none>",
        ports,
        age(item["metadata"]["creationTimestamp"], now),
        selector,
    ]


def _daemon_set(item: Object, now: float) -> list[Any]:
    status, spec = item["status"], item["spec"]["template"]["spec"]
    selector = ",".join(f"{k}={v}" for k, v in spec.get("nodeSelector", {}).items()) or "<none>"
    return [
        item["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        selector,
        age(item["metadata"]["creationTimestamp"], now),
        ",".join(c["name"] for c in spec["containers"]),
        ",".join(c["image"] for c in spec["containers"]),
        ",".join(f"{k}={v}" for k, v in item["spec"]["selector"].get("matchLabels", {}).items()),
    ]


def _deployment(item: Object, now: float) -> list[Any]:
    status = item["status"]
    return [
        item["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{item['spec']['replicas']}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(item["metadata"]["creationTimestamp"], now),
    ]


def _event(item: Object, now: float) -> list[Any]:
    involved = item["involvedObject"]
    return [
        age(item.get("lastTimestamp"), now),
        item["type"],
        item["reason"],
        f"{involved['kind'].lower()}/{involved['name']}",
        item["message"].strip(),
    ]


def _config_map(item: Object, now: float) -> list[Any]:
    return [
        item["metadata"]["name"],
        len(item.get("data", {})),
        age(item["metadata"]["creationTimestamp"], now),
    ]


def _csr(item: Object, now: float) -> list[Any]:
    conditions = ",".join(c["type"] for c in item.get("status", {}).get("conditions", []))
    return [
        item["metadata"]["name"],
        age(item["metadata"]["creationTimestamp"], now),
        item["spec"]["signerName"],
        item["spec"].get("username", ""),
        "<none>",
        conditions or "Pending",
    ]


def _any(item: Object, now: float) -> list[Any]:
    return [item["metadata"]["name"], item["metadata"]["creationTimestamp"]]


def _columns(plain: str, wide: str = "") -> list[Column]:
    return [(n, "", 0) for n in plain.split("|")] + [(n, "", 1) for n in wide.split("|") if n]


_TABLES: dict[str, tuple[list[Column], Row]] = {
    "Node": (
        _columns(
            "Name|Status|Roles|Age|Version",
            "Internal-IP|External-IP|OS-Image|Kernel-Version|Container-Runtime",
        ),
        _node,
    ),
    "Pod": (_columns("Name|Ready|Status|Restarts|Age", "IP|Node|Nominated Node|Readiness Gates"), _pod),
    "Service": (_columns("Name|Type|Cluster-IP|External-IP|Port(s)|Age", "Selector"), _service),
    "DaemonSet": (
        _columns(
            "Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age", "Containers|Images|Selector"
        ),
        _daemon_set,
    ),
    "Deployment": (_columns("Name|Ready|Up-to-date|Available|Age"), _deployment),
    "Event": (_columns("Last Seen|Type|Reason|Object|Message"), _event),
    "ConfigMap": (_columns("Name|Data|Age"), _config_map),
    "CertificateSigningRequest": (
        _columns("Name|Age|SignerName|Requestor|RequestedDuration|Condition"),
        _csr,
    ),
}


_NUMBERS = {"Desired", "Current", "Up-to-date", "Available", "Data"}


def _type_of(kind: str, column: str) -> str:
    """The type of a column, as the real server declares it."""
    if column == "Created At":
        return "date"
    return "integer" if column in _NUMBERS or (kind, column) == ("DaemonSet", "Ready") else "string"


def table(kind: str, items: list[Object], meta: dict[str, Any], now: float, include: str) -> dict[str, Any]:
    """meta.k8s.io/v1 Table. `include` is the request's includeObject: Object, Metadata or None."""
    columns, row = _TABLES.get(kind, (_columns("Name|Created At"), _any))
    rows = []
    for item in items:
        partial = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
        entry: dict[str, Any] = {"cells": row(item, now)}
        if include != "None":
            entry["object"] = item if include == "Object" else partial
        rows.append(entry)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [
            {
                "name": name,
                "type": _type_of(kind, name),
                "format": "name" if name == "Name" else "",
                "description": text,
                "priority": priority,
            }
            for name, text, priority in columns
        ],
        "rows": rows,
    }
