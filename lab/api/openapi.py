"""The API's own description, which kubectl asks for before it sends an object.

Nothing is described here: kubectl then sends what it was given without looking for unknown fields in it.
"""

from __future__ import annotations

from lab.api.errors import ApiError, no_such_path
from lab.api.request import Answer, Request

_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_TITLE = {"title": "Kubernetes", "version": "practice"}


def openapi(request: Request, path: str) -> Answer:
    """The answer to `path` below /openapi. ApiError for what is not there."""
    if path == "/openapi/v3":
        return Answer({"paths": {}})
    if path != "/openapi/v2":
        raise no_such_path()
    if "protobuf" in request.accept:
        return Answer(_document(), content_type=_V2)
    if request.accept and "json" not in request.accept and "*/*" not in request.accept:
        raise ApiError(406, "only the following media types are accepted: application/json, " + _V2)
    return Answer({"swagger": "2.0", "info": _TITLE, "paths": {}, "definitions": {}})


def _document() -> bytes:
    """openapi.v2.Document with its swagger (1) and info (2: title 1, version 2)."""
    info = _text(1, _TITLE["title"]) + _text(2, _TITLE["version"])
    return _text(1, "2.0") + bytes([2 << 3 | 2, len(info)]) + info


def _text(field: int, value: str) -> bytes:
    return bytes([field << 3 | 2, len(value)]) + value.encode()
