"""Conversions between the form in which the world keeps an object and the version in which it is served."""

from __future__ import annotations

from typing import Any

from lab.api.resources import Resource
from lab.world.state import Object


def served(item: Object, resource: Resource) -> Object:
    """The object in the served version. The stored object is never changed."""
    if resource.group_version == item["apiVersion"]:
        return item
    if resource.kind == "EndpointSlice":
        return _slice_v1beta1(item)
    return _event(item, resource.group_version)


def _slice_v1beta1(item: Object) -> Object:
    endpoints: list[dict[str, Any]] = []
    for one in item["endpoints"]:
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
