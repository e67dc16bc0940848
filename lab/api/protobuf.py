"""The few request bodies that kubectl sends as protobuf, whatever it is answered: approvals, rights, small objects.

Field numbers are those of the generated.proto files of k8s.io/api. Of an approval and of a question for rights only
what a server takes from it is read; an object that is to be made is read whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
# Field number → name, and how it is read: str, bytes, int, a time, or a message. A name may end in [] (repeated) or {}
# (a map of texts). A message with WHOLE has no other fields.
_Message = dict[int, tuple[str, Any]]
_Time, _Text = object(), object()
WHOLE = 0

_META: _Message = {
    1: ("name", str),
    2: ("generateName", str),
    3: ("namespace", str),
    5: ("uid", str),
    6: ("resourceVersion", str),
    11: ("labels{}", _Text),
    12: ("annotations{}", _Text),
}
_CONDITION: _Message = {
    1: ("type", str),
    2: ("reason", str),
    3: ("message", str),
    4: ("lastUpdateTime", _Time),
    5: ("lastTransitionTime", _Time),
    6: ("status", str),
}
_RESOURCE: _Message = {
    1: ("namespace", str),
    2: ("verb", str),
    3: ("group", str),
    4: ("version", str),
    5: ("resource", str),
    6: ("subresource", str),
    7: ("name", str),
}
_PATH: _Message = {1: ("path", str), 2: ("verb", str)}
_PRECONDITIONS: _Message = {1: ("uid", str), 2: ("resourceVersion", str)}
_DELETE: _Message = {1: ("gracePeriodSeconds", int), 2: ("preconditions", _PRECONDITIONS)}
_SPEC: _Message = {1: ("resourceAttributes", _RESOURCE), 2: ("nonResourceAttributes", _PATH)}
_SUBJECT: _Message = {1: ("kind", str), 2: ("apiGroup", str), 3: ("name", str), 4: ("namespace", str)}
_ROLE: _Message = {1: ("apiGroup", str), 2: ("kind", str), 3: ("name", str)}
_BINDING: _Message = {
    1: ("metadata", _META),
    2: ("subjects[]", _SUBJECT),
    3: ("roleRef", _ROLE),
    WHOLE: ("", None),
}
KINDS: dict[str, _Message] = {
    "CertificateSigningRequest": {1: ("metadata", _META), 3: ("status", {1: ("conditions[]", _CONDITION)})},
    "SelfSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _SPEC)},
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", str)})},
    "DeleteOptions": _DELETE,
    "Namespace": {1: ("metadata", _META), 2: ("spec", {}), 3: ("status", {}), WHOLE: ("", None)},
    "ServiceAccount": {1: ("metadata", _META), WHOLE: ("", None)},
    "ConfigMap": {1: ("metadata", _META), 2: ("data{}", _Text), WHOLE: ("", None)},
    "ClusterRoleBinding": _BINDING,
    "RoleBinding": _BINDING,
}
_ENVELOPE: _Message = {1: ("type", {1: ("apiVersion", str), 2: ("kind", str)}), 2: ("raw", bytes)}


class Unreadable(ValueError):
    """The bytes are no object that is known here."""


def decoded(data: bytes) -> dict[str, Any]:
    """The object as its JSON would be, as far as it is read. Unreadable."""
    if not data.startswith(_MAGIC):
        raise Unreadable(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = _message(data[len(_MAGIC) :], _ENVELOPE)
        kind = envelope["type"]["kind"]
        if kind not in KINDS:
            raise Unreadable(f"a {kind} is read as JSON only: write it into a file and use kubectl apply -f")
        return {**envelope["type"], **_message(envelope.get("raw", b""), KINDS[kind])}
    except (KeyError, IndexError, UnicodeDecodeError, TypeError) as error:
        raise Unreadable(f"unable to decode: {error}") from None


def _message(data: bytes, shape: _Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: Any
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise Unreadable(f"wire type {tag & 7} is not expected")
        name, kind = shape.get(tag >> 3, ("", None))
        if not name and WHOLE in shape:
            raise Unreadable(
                f"field {tag >> 3} is read as JSON only: write it into a file and use kubectl apply -f"
            )
        if name.endswith("[]"):
            found.setdefault(name[:-2], []).append(_read(value, kind))
        elif name.endswith("{}"):
            entry = _message(value, {1: ("key", str), 2: ("value", str)})
            found.setdefault(name[:-2], {})[entry.get("key", "")] = entry.get("value", "")
        elif name:
            found[name] = _read(value, kind)
    return found


def _read(value: Any, kind: Any) -> Any:
    if isinstance(kind, dict):
        return _message(value, kind)
    if kind is _Time:
        seconds = _message(value, {1: ("seconds", int)}).get("seconds", 0)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    convert: dict[Any, Callable[[Any], Any]] = {str: bytes.decode, bytes: bytes, int: int}
    return convert[kind](value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
