"""Strategic merge patches: what kubectl sends for edit, patch, set, taint, cordon and rollout.

After staging/src/k8s.io/apimachinery/pkg/util/strategicpatch. Which lists are merged, and by which key, the real server
reads from its types; here they are named by the field, and by what holds it where one name means two things.
"""

from __future__ import annotations

import copy
from typing import Any

from lab.api.errors import ApiError

DIRECTIVE, ORDER, FEWER, KEEP = (
    "$patch",
    "$setElementOrder/",
    "$deleteFromPrimitiveList/",
    "$retainKeys",
)
PRIMITIVE = ""  # a list of texts that is merged as a set

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "conditions": "type",
    "addresses": "type",
    "podIPs": "ip",
    "podCIDRs": PRIMITIVE,
    "finalizers": PRIMITIVE,
}
# Kinds whose lists of these names are replaced as a whole.
_WHOLE = {("CertificateSigningRequest", "conditions"), ("Namespace", "finalizers")}


def merge_key(kind: str, path: tuple[str, ...]) -> str | None:
    """The key by which the list at `path` is merged (PRIMITIVE: by value); None where it is replaced."""
    name, holder = path[-1], path[-2] if len(path) > 1 else ""
    if name == "ports":
        return "port" if (kind, holder) == ("Service", "spec") else "containerPort" if holder else None
    if (kind, name) in _WHOLE and holder != "metadata":
        return None
    if name == "env" and holder not in ("containers", "initContainers", "ephemeralContainers"):
        return None
    return _KEYS.get(name)


def strategic(kind: str, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """`current` with `patch` applied; neither is changed. ApiError where the patch cannot be."""
    return _map(kind, (), copy.deepcopy(current), patch)


def _refuse(why: str) -> ApiError:
    return ApiError(400, why)


def _map(kind: str, path: tuple[str, ...], current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    patch = dict(patch)
    order = patch.pop(DIRECTIVE, "")
    if order == "replace":
        return copy.deepcopy(patch)
    if order == "delete":
        return {}
    if order not in ("", "merge"):
        raise _refuse(f"unknown patch type found in map: {order}")
    if KEEP in patch:
        kept = patch.pop(KEEP)
        current = {name: value for name, value in current.items() if name in kept}
    orders, fewer = (_taken(patch, prefix) for prefix in (ORDER, FEWER))
    for name, values in fewer.items():
        current[name] = [v for v in current.get(name, []) if v not in values]
    for name in patch.keys() | orders.keys():
        value, here = patch.get(name), (*path, name)
        if name in patch and value is None:
            current.pop(name, None)
        elif isinstance(value, dict):
            before = current.get(name)
            current[name] = _map(kind, here, before if isinstance(before, dict) else {}, value)
        elif name in orders or (isinstance(value, list) and merge_key(kind, here) is not None):
            current[name] = _list(kind, here, current.get(name) or [], value or [], orders.get(name))
        else:
            current[name] = copy.deepcopy(value)
    return current


def _taken(patch: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The entries of `patch` whose name begins with `prefix`, taken out of it."""
    return {name[len(prefix) :]: patch.pop(name) for name in [n for n in patch if n.startswith(prefix)]}


def _list(
    kind: str, path: tuple[str, ...], current: list[Any], patch: list[Any], order: list[Any] | None
) -> list[Any]:
    key = merge_key(kind, path)
    if any(isinstance(p, dict) and p.get(DIRECTIVE) == "replace" for p in patch):
        return [copy.deepcopy(p) for p in patch if not (isinstance(p, dict) and DIRECTIVE in p)]
    result, sent = list(current), list[Any]()
    for one in patch:
        if key and (not isinstance(one, dict) or one.get(key) is None):
            raise _refuse(f"map: {one} does not contain declared merge key: {key}")
        place = next((i for i, c in enumerate(result) if _same(c, one, key)), -1)
        if isinstance(one, dict) and one.get(DIRECTIVE) == "delete":
            result = [c for c in result if not _same(c, one, key)]
            continue
        sent.append(one)
        if place >= 0 and isinstance(one, dict):
            result[place] = _map(kind, path, result[place], one)
        elif place < 0:
            result.append(_map(kind, path, {}, one) if isinstance(one, dict) else one)
    return _ordered(result, current, sent if order is None else order, key)


def _same(one: Any, other: Any, key: str | None) -> bool:
    if key and isinstance(one, dict) and isinstance(other, dict):
        return bool(one.get(key) == other.get(key))
    return bool(one == other)


def _ordered(items: list[Any], before: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """What the order names comes in that order; what only the server has stays where it stood among the others."""

    def place(item: Any, within: list[Any]) -> int:
        return next((i for i, one in enumerate(within) if _same(one, item, key)), -1)

    named = sorted((i for i in items if place(i, order) >= 0), key=lambda i: place(i, order))
    others = [i for i in items if place(i, order) < 0]
    result: list[Any] = []
    while named or others:
        if not named or not others:
            return [*result, *named, *others]
        mine, theirs = place(others[0], before), place(named[0], before)
        first = others if mine >= 0 and theirs >= 0 and mine < theirs else named
        result.append(first.pop(0))
    return result
