"""JSON merge patches (RFC 7386) and JSON patches (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

from lab.api.errors import ApiError

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def merged(target: Any, change: Any) -> Any:
    """RFC 7386 JSON Merge Patch."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _rejected() -> ApiError:
    """The real server's sentence for every operation that cannot be done."""
    return ApiError(
        422, "the server rejected our request due to an error in our request", reason="Invalid", details={}
    )


def json_patch(item: Any, operations: Any) -> Any:
    """`item` after all operations. ApiError if one is none, or cannot be done."""
    if not isinstance(operations, list):
        what = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise ApiError(400, f"error decoding patch: {what}")
    result = copy.deepcopy(item)
    for operation in operations:
        if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
            raise _rejected()
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise _rejected() from None
    return result


def _operate(item: Any, operation: dict[str, Any]) -> Any:
    name, path = operation["op"], _steps(operation["path"])
    if name in ("move", "copy"):
        source = _steps(operation["from"])
        value = copy.deepcopy(_at(item, source))
        if name == "move":
            _remove(item, source)
        return _add(item, path, value)
    if name == "test":
        if _at(item, path) != operation.get("value"):
            raise ValueError
        return item
    if name in ("remove", "replace"):
        _at(item, path)  # it has to be there
    if name == "remove":
        _remove(item, path)
        return item
    return _add(item, path, copy.deepcopy(operation.get("value")), replace=name == "replace")


def _steps(pointer: str) -> list[str]:
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]


def _step(place: Any, step: str) -> Any:
    return int(step) if isinstance(place, list) else step


def _at(item: Any, path: list[str]) -> Any:
    for step in path:
        item = item[_step(item, step)]
    return item


def _remove(item: Any, path: list[str]) -> None:
    place = _at(item, path[:-1])
    del place[_step(place, path[-1])]


def _add(item: Any, path: list[str], value: Any, *, replace: bool = False) -> Any:
    if not path:
        return value
    place = _at(item, path[:-1])
    if not isinstance(place, list) or replace:
        place[_step(place, path[-1])] = value
    elif path[-1] == "-":
        place.append(value)
    else:
        at = int(path[-1])
        if not 0 <= at <= len(place):
            raise IndexError
        place.insert(at, value)
    return item
