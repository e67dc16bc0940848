"""Conversions between the form in which the world keeps an object and the version in which it is served."""

from __future__ import annotations

from typing import Any

from lab.api.resources import Resource
from lab.world.state import Object


def served(item: Object, resource: Resource) -> Object:
    """The object in the served version, with the defaults that the server fills in. The stored object is never
    changed."""
    item = _defaulted(item)
    if resource.group_version == item["apiVersion"]:
        return item
    if resource.kind == "EndpointSlice":
        return _slice_v1beta1(item)
    return _event(item, resource.group_version)


def _defaulted(item: Object) -> Object:
    """What a real server makes of every object of the kind, as far as the world has it otherwise.

    Compared with Kubernetes 1.36: pods have an empty securityContext and no empty nodeSelector, every DaemonSet is
    annotated with its generation, and a slice without endpoints holds null.
    """
    if item["kind"] == "EndpointSlice":
        return {**item, "endpoints": item["endpoints"] or None, "ports": item.get("ports") or None}
    if item["kind"] == "Pod":
        return {**item, "spec": _pod_spec(item["spec"])}
    if item["kind"] not in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"):
        return item
    spec, meta = item["spec"], item["metadata"]
    template = {**spec["template"], "spec": _pod_spec(spec["template"]["spec"])}
    if item["kind"] == "DaemonSet":
        generation = {"deprecated.daemonset.template.generation": str(meta.get("generation", 1))}
        meta = {**meta, "annotations": {**generation, **meta.get("annotations", {})}}
    return {**item, "metadata": meta, "spec": {**spec, "template": template}}


def _pod_spec(spec: Object) -> Object:
    kept = {k: v for k, v in spec.items() if v or k != "nodeSelector"}
    return {"securityContext": {}, **kept}


def _slice_v1beta1(item: Object) -> Object:
    endpoints: list[dict[str, Any]] = []
    for one in item["endpoints"] or ():
        converted = {k: v for k, v in one.items() if k != "nodeName"}
        converted["conditions"] = {"ready": one["conditions"].get("ready", False)}
        if one.get("nodeName"):
            converted["topology"] = {"kubernetes.io/hostname": one["nodeName"]}
        endpoints.append(converted)
    return {**item, "apiVersion": "discovery.k8s.io/v1beta1", "endpoints": endpoints}


def _event(item: Object, version: str) -> Object:
    renamed = {
        "regarding": item["involvedObject"],
        "note": item["message"],
        "deprecatedCount": item["count"],
        "deprecatedFirstTimestamp": item["firstTimestamp"],
        "deprecatedLastTimestamp": item["lastTimestamp"],
        "deprecatedSource": item["source"],
        "reportingController": item.get("reportingComponent", ""),
    }
    gone = {
        "involvedObject",
        "message",
        "count",
        "firstTimestamp",
        "lastTimestamp",
        "source",
        "reportingComponent",
    }
    kept = {k: v for k, v in item.items() if k not in gone}
    return {**kept, **renamed, "apiVersion": version}
