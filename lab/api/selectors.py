"""labelSelector and fieldSelector, as far as clients of this lab use them."""

from __future__ import annotations

import re
from typing import Any

from lab.world.state import Object

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


class BadSelector(ValueError):
    """The selector cannot be read, or names a field that this kind cannot be selected by."""


def labels_match(selector: str, labels: dict[str, str]) -> bool:
    """Equality (=, ==, !=), sets (in, notin) and existence (key, !key)."""
    for part in filter(None, _COMMA.split(selector)):
        found = _SET.match(part)
        if found:
            values = [v.strip() for v in found["values"].split(",")]
            inside = labels.get(found["key"]) in values and found["key"] in labels
            if inside is not (found["op"] == "in"):
                return False
        elif "!=" in part:
            key, value = part.split("!=", 1)
            if labels.get(key.strip()) == value.strip():
                return False
        elif "=" in part:
            key, _, value = part.replace("==", "=", 1).partition("=")
            if labels.get(key.strip()) != value.strip() or key.strip() not in labels:
                return False
        elif part.strip().startswith("!"):
            if part.strip()[1:] in labels:
                return False
        elif part.strip() not in labels:
            return False
    return True


_FIELDS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec.nodeName", "status.phase", "spec.restartPolicy", "spec.serviceAccountName", "status.podIP"),
    "Event": (
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
        "source",
        "reportingComponent",
    ),
    "Node": ("spec.unschedulable",),
    "CertificateSigningRequest": ("spec.signerName",),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
}


def fields_match(selector: str, item: Object) -> bool:
    """Comma-separated `path=value`, `path==value`, `path!=value`."""
    for part in filter(None, selector.split(",")):
        negated = "!=" in part
        path, _, value = part.partition("!=") if negated else part.replace("==", "=", 1).partition("=")
        path = path.strip()
        allowed = ("metadata.name", "metadata.namespace", *_FIELDS.get(item["kind"], ()))
        if path not in allowed:
            raise BadSelector(f"field label not supported: {path}")
        here: Any = item
        for step in path.split("."):
            here = here.get(step, "") if isinstance(here, dict) else ""
        if path == "source" and isinstance(here, dict):
            here = here.get("component", "")
        if (str(here) == value.strip()) is negated:
            return False
    return True
