"""The Table form of lists, which kubectl asks for: the columns that the real server has, kind by kind."""

from __future__ import annotations

from typing import Any

from lab.api.rows import ROWS, any_kind
from lab.world.state import Object

_IMAGES = "+Containers|+Images|+Selector"
_BINDING = "Name|Role|Age|+Users|+Groups|+ServiceAccounts"
# + before those that only -o wide shows.
_COLUMNS = {
    "CSINode": "Name|Drivers|Age",
    "CertificateSigningRequest": "Name|Age|SignerName|Requestor|RequestedDuration|Condition",
    "ClusterRole": "Name|Created At",
    "ClusterRoleBinding": _BINDING,
    "ConfigMap": "Name|Data|Age",
    "DaemonSet": f"Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age|{_IMAGES}",
    "Deployment": f"Name|Ready|Up-to-date|Available|Age|{_IMAGES}",
    "EndpointSlice": "Name|AddressType|Ports|Endpoints|Age",
    "Endpoints": "Name|Endpoints|Age",
    "Event": "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name",
    "Lease": "Name|Holder|Age",
    "Namespace": "Name|Status|Age",
    "Node": "Name|Status|Roles|Age|Version|"
    "+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime",
    "PersistentVolume": "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|"
    "VolumeAttributesClass|Reason|Age|+VolumeMode",
    "PersistentVolumeClaim": "Name|Status|Volume|Capacity|Access Modes|StorageClass|"
    "VolumeAttributesClass|Age|+VolumeMode",
    "Pod": "Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates",
    "ReplicaSet": f"Name|Desired|Current|Ready|Age|{_IMAGES}",
    "RoleBinding": _BINDING,
    "RuntimeClass": "Name|Handler|Age",
    "Secret": "Name|Type|Data|Age",
    "Service": "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector",
    "ServiceAccount": "Name|Age",
    "StatefulSet": "Name|Ready|Age|+Containers|+Images",
    "StorageClass": "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
}
# Columns that the server declares as numbers; others that hold some it calls strings.
_NUMBERS = {
    "CSINode": ("Drivers",),
    "DaemonSet": ("Desired", "Current", "Ready", "Up-to-date", "Available"),
    "ReplicaSet": ("Desired", "Current", "Ready"),
}


def table(kind: str, items: list[Object], meta: dict[str, Any], now: float, include: str) -> dict[str, Any]:
    """meta.k8s.io/v1 Table. `include` is the request's includeObject: Object, Metadata or None."""
    columns = _COLUMNS.get(kind, "Name|Created At").split("|")
    row = ROWS.get(kind, any_kind)
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
        "columnDefinitions": [_definition(kind, name) for name in columns],
        "rows": rows,
    }


def _definition(kind: str, column: str) -> dict[str, Any]:
    name = column.removeprefix("+")
    number = name in _NUMBERS.get(kind, ())
    of_name = name == "Name"
    return {
        "name": name,
        "type": "date" if name == "Created At" else "integer" if number else "string",
        "format": "name" if of_name else "",
        "description": "",
        "priority": 1 if column.startswith("+") else 0,
    }
