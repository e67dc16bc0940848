"""The cells of a Table's rows, kind by kind, as the real server prints them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab.world.state import Object

NONE = "<none>"


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


def _own_age(item: Object, now: float) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def _pairs(values: dict[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(values.items())) or NONE


def _images(spec: Object) -> list[Any]:
    containers = spec["template"]["spec"]["containers"]
    return [",".join(c["name"] for c in containers), ",".join(c["image"] for c in containers)]


def _listed(values: list[str], shown: int = 3) -> str:
    """At most three, and how many more there are."""
    more = f" + {len(values) - shown} more..." if len(values) > shown else ""
    return ",".join(values[:shown]) + more or NONE


def _node(item: Object, now: float) -> list[Any]:
    status, labels = item["status"], item["metadata"].get("labels", {})
    ready = next((c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"), "Unknown")
    words = ["Ready" if ready == "True" else "NotReady"]
    if item["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = sorted(k.split("/", 1)[1] for k in labels if k.startswith("node-role.kubernetes.io/"))
    info = status.get("nodeInfo", {})
    address = next((a["address"] for a in status.get("addresses", []) if a["type"] == "InternalIP"), NONE)
    return [
        item["metadata"]["name"],
        ",".join(words),
        ",".join(roles) or NONE,
        _own_age(item, now),
        info.get("kubeletVersion", ""),
        address,
        NONE,
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
    count = sum(int(s.get("restartCount", 0)) for s in statuses)
    ended = [s.get("lastState", {}).get("terminated", {}).get("finishedAt", "") for s in statuses]
    restarts = f"{count} ({age(max(ended), now)} ago)" if count and any(ended) else str(count)
    return [
        item["metadata"]["name"],
        f"{ready}/{len(item['spec']['containers'])}",
        reason,
        restarts,
        _own_age(item, now),
        status.get("podIP", NONE),
        item["spec"].get("nodeName", NONE),
        NONE,
        NONE,
    ]


def _service(item: Object, now: float) -> list[Any]:
    spec = item["spec"]
    ports = ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}"
        if p.get("nodePort")
        else f"{p['port']}/{p['protocol']}"
        for p in spec.get("ports", [])
    )
    balanced = "<pending>" if spec["type"] == "LoadBalancer" else NONE
    return [
        item["metadata"]["name"],
        spec["type"],
        spec.get("clusterIP") or NONE,
        spec.get("externalName", balanced),
        ports or NONE,
        _own_age(item, now),
        _pairs(spec.get("selector", {})),
    ]


def _daemon_set(item: Object, now: float) -> list[Any]:
    status, spec = item["status"], item["spec"]
    return [
        item["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        _pairs(spec["template"]["spec"].get("nodeSelector", {})),
        _own_age(item, now),
        *_images(spec),
        _pairs(spec["selector"].get("matchLabels", {})),
    ]


def _deployment(item: Object, now: float) -> list[Any]:
    status = item["status"]
    return [
        item["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{item['spec']['replicas']}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _own_age(item, now),
        *_images(item["spec"]),
        _pairs(item["spec"]["selector"].get("matchLabels", {})),
    ]


def _replica_set(item: Object, now: float) -> list[Any]:
    status, spec = item["status"], item["spec"]
    return [
        item["metadata"]["name"],
        spec["replicas"],
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _own_age(item, now),
        *_images(spec),
        _pairs(spec["selector"].get("matchLabels", {})),
    ]


def _event(item: Object, now: float) -> list[Any]:
    """Of either version: what v1 calls involvedObject is called regarding in events.k8s.io."""
    involved = item.get("involvedObject") or item["regarding"]
    source = item.get("source") or item.get("deprecatedSource") or {}
    first = item.get("firstTimestamp") or item.get("deprecatedFirstTimestamp")
    last = item.get("lastTimestamp") or item.get("deprecatedLastTimestamp")
    return [
        age(last, now),
        item["type"],
        item["reason"],
        f"{involved['kind'].lower()}/{involved['name']}",
        involved.get("fieldPath", ""),
        ", ".join(filter(None, (source.get("component"), source.get("host")))),
        (item.get("message") or item.get("note", "")).strip(),
        age(first, now),
        item.get("count") or item.get("deprecatedCount") or 1,
        item["metadata"]["name"],
    ]


def _config_map(item: Object, now: float) -> list[Any]:
    return [
        item["metadata"]["name"],
        len(item.get("data", {})),
        _own_age(item, now),
    ]


def _csr(item: Object, now: float) -> list[Any]:
    words = [c["type"] for c in item.get("status", {}).get("conditions", [])]
    issued = ["Issued"] if item.get("status", {}).get("certificate") else []
    return [
        item["metadata"]["name"],
        _own_age(item, now),
        item["spec"]["signerName"],
        item["spec"].get("username", ""),
        NONE,
        ",".join(words + issued) or "Pending",
    ]


def _named(item: Object, now: float, *cells: Any) -> list[Any]:
    """A row of name, some cells, and age."""
    return [item["metadata"]["name"], *cells, _own_age(item, now)]


def _namespace(item: Object, now: float) -> list[Any]:
    return _named(item, now, item.get("status", {}).get("phase", "Active"))


def _secret(item: Object, now: float) -> list[Any]:
    return _named(item, now, item.get("type", "Opaque"), len(item.get("data", {})))


def _lease(item: Object, now: float) -> list[Any]:
    return _named(item, now, item["spec"].get("holderIdentity", ""))


def _endpoints(item: Object, now: float) -> list[Any]:
    found = []
    for subset in item.get("subsets") or []:
        for port in subset.get("ports") or []:
            found += [f"{a['ip']}:{port['port']}" for a in subset.get("addresses", [])]
    return _named(item, now, _listed(found))


def _endpoint_slice(item: Object, now: float) -> list[Any]:
    ports = [str(p["port"]) for p in item.get("ports") or []]
    addresses = [a for e in item.get("endpoints") or [] for a in e["addresses"]]
    unset = "<unset>"
    return _named(
        item,
        now,
        item["addressType"],
        unset if not ports else _listed(ports),
        unset if not addresses else _listed(addresses),
    )


def _role(item: Object, _: float) -> list[Any]:
    return [item["metadata"]["name"], item["metadata"]["creationTimestamp"]]


def _binding(item: Object, now: float) -> list[Any]:
    def subjects(kind: str) -> str:
        found = [s for s in item.get("subjects") or [] if s["kind"] == kind]
        return ", ".join(f"{s['namespace']}/{s['name']}" if s.get("namespace") else s["name"] for s in found)

    role = item["roleRef"]
    wide = [subjects(kind) for kind in ("User", "Group", "ServiceAccount")]
    return [*_named(item, now, f"{role['kind']}/{role['name']}"), *wide]


def _storage_class(item: Object, now: float) -> list[Any]:
    return _named(
        item,
        now,
        item["provisioner"],
        item.get("reclaimPolicy", "Delete"),
        item.get("volumeBindingMode", "Immediate"),
        str(bool(item.get("allowVolumeExpansion"))).lower(),
    )


def _csi_node(item: Object, now: float) -> list[Any]:
    return _named(item, now, len(item["spec"].get("drivers") or []))


def _runtime_class(item: Object, now: float) -> list[Any]:
    return _named(item, now, item["handler"])


def any_kind(item: Object, _: float) -> list[Any]:
    return [item["metadata"]["name"], item["metadata"]["creationTimestamp"]]


ROWS = {
    "CSINode": _csi_node,
    "CertificateSigningRequest": _csr,
    "ClusterRole": _role,
    "ClusterRoleBinding": _binding,
    "ConfigMap": _config_map,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "EndpointSlice": _endpoint_slice,
    "Endpoints": _endpoints,
    "Event": _event,
    "Lease": _lease,
    "Namespace": _namespace,
    "Node": _node,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "RoleBinding": _binding,
    "RuntimeClass": _runtime_class,
    "Secret": _secret,
    "Service": _service,
    "ServiceAccount": _named,
    "StorageClass": _storage_class,
}
