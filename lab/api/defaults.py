"""Defaults that the API server fills in, and what it gives out: ClusterIPs and node ports."""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.api.errors import ApiError, invalid, required
from lab.world.state import Object

NODE_PORTS = range(30000, 32768)


def fill(item: Object, before: Object | None, services: list[Object]) -> None:
    """Complete `item` in place. ApiError where a field is missing that must be there."""
    kind = item["kind"]
    if kind in ("DaemonSet", "Deployment", "ReplicaSet"):
        _workload(item)
    elif kind == "Pod":
        _pod_spec(item.setdefault("spec", {}))
    elif kind == "Service":
        _service(item, before, services)
    elif kind == "Node":
        item.setdefault("spec", {})
        item["metadata"].setdefault("labels", {})


def _workload(item: Object) -> None:
    spec = item.setdefault("spec", {})
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("labels", {})
    _pod_spec(template.setdefault("spec", {}))
    item["metadata"].setdefault("labels", {})
    spec.setdefault("selector", {})
    if item["kind"] == "DaemonSet":
        update = spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
        if update["type"] == "RollingUpdate":
            update.setdefault("rollingUpdate", {"maxSurge": 0, "maxUnavailable": 1})
        spec.setdefault("revisionHistoryLimit", 10)
        return
    spec.setdefault("replicas", 1)
    if item["kind"] == "Deployment":
        spec.setdefault("strategy", {"type": "RollingUpdate"})
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)


def _pod_spec(spec: dict[str, Any]) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    for container in spec.get("containers", []):
        latest = ":" not in str(container.get("image", "")).rpartition("/")[2]
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        container.setdefault("resources", {})
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for one in container.get("env", []):
            if "fieldRef" in one.get("valueFrom", {}):
                one["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")


def _service(item: Object, before: Object | None, services: list[Object]) -> None:
    spec, name = item.setdefault("spec", {}), item["metadata"]["name"]
    for key, value in (("type", "ClusterIP"), ("sessionAffinity", "None")):
        spec.setdefault(key, value)
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if not spec.get("ports") and spec.get("clusterIP") != "None":
        raise required("Service", "", name, "spec.ports", "")
    others = [s for s in services if s["metadata"]["uid"] != item["metadata"].get("uid")]
    if not spec.get("clusterIP"):
        spec["clusterIP"] = (before or {"spec": {}})["spec"].get("clusterIP") or _address(others)
    spec["clusterIPs"] = [spec["clusterIP"]]
    outside = spec["type"] in ("NodePort", "LoadBalancer")
    if outside:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    else:
        spec.pop("externalTrafficPolicy", None)
    taken = {p.get("nodePort") for s in others for p in s["spec"].get("ports", [])}
    known = {p.get("name", ""): p.get("nodePort") for p in (before or {"spec": {}})["spec"].get("ports", [])}
    for place, port in enumerate(spec.get("ports", [])):
        if "port" not in port:
            raise required("Service", "", name, f"spec.ports[{place}].port", "")
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
        if not outside:
            port.pop("nodePort", None)
            continue
        if not port.get("nodePort"):
            port["nodePort"] = known.get(port.get("name", "")) or next(
                n for n in NODE_PORTS if n not in taken
            )
        _node_port(name, place, port["nodePort"], taken)
        taken.add(port["nodePort"])


def _node_port(name: str, place: int, number: int, taken: set[Any]) -> None:
    field = f"spec.ports[{place}].nodePort"
    if number not in NODE_PORTS:
        why = "provided port is not in the valid range. The range of valid ports is 30000-32767"
        raise invalid("Service", "", name, field, f"Invalid value: {number}: {why}")
    if number in taken:
        raise invalid(
            "Service", "", name, field, f"Invalid value: {number}: provided port is already allocated"
        )


def _address(services: list[Object]) -> str:
    """A free ClusterIP: the range is told by the API server's own, which is its first."""
    taken = {s["spec"].get("clusterIP") for s in services}
    own = next((s for s in services if s["metadata"]["name"] == "kubernetes"), None)
    if own is None:
        raise ApiError(500, "Internal error occurred: failed to allocate IP")
    first = ipaddress.ip_address(own["spec"]["clusterIP"])
    return next(str(first + i) for i in range(99, 4000) if str(first + i) not in taken)
