"""POST, PUT, PATCH and DELETE, for the few kinds that clients of a practice cluster write."""

from __future__ import annotations

import copy
from typing import Any

from lab.api.access import rules_review
from lab.api.errors import ApiError, already_exists, conflict, not_found, version_needed
from lab.api.request import Answer, Request, Target
from lab.api.resources import Resource
from lab.api.state import ApiState
from lab.api.store import Conflict
from lab.world.state import Key, Object
from lab.world.text import rfc3339, stable_uid


def review(request: Request, target: Target) -> Answer:
    """SelfSubjectAccessReview and SelfSubjectRulesReview."""
    body = request.body if isinstance(request.body, dict) else {}
    spec = body.get("spec", {})
    kind = (
        "SelfSubjectRulesReview"
        if target.resource == "selfsubjectrulesreviews"
        else "SelfSubjectAccessReview"
    )
    if kind == "SelfSubjectRulesReview":
        status: dict[str, Any] = rules_review(request.user, spec.get("namespace", ""))
        spec = {}  # this one is not sent back
    else:
        wanted = spec.get("resourceAttributes", {})
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += "/" + wanted["subresource"]
        allowed = not wanted or request.user.may(
            wanted.get("verb", ""), wanted.get("group", ""), resource, wanted.get("namespace", "")
        )
        status = {"allowed": allowed} | (
            {"reason": "RBAC: allowed by the practice cluster"} if allowed else {}
        )
    answer = {
        "kind": kind,
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": status,
    }
    return Answer(answer, 201)


def _key(resource: Resource, target: Target, name: str) -> Key:
    return (resource.api_version, resource.kind, target.namespace, name)


def _checked(request: Request, resource: Resource, target: Target) -> Object:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        raise ApiError(400, f"the object provided is unrecognized (must be of type {resource.kind})")
    item = copy.deepcopy(body)
    item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    if resource.namespaced:
        item["metadata"].setdefault("namespace", target.namespace)
    return item


def create(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    item = _checked(request, resource, target)
    meta = item["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + stable_uid(meta["generateName"], str(state.store.version))[:5]
    if not meta.get("name"):
        raise ApiError(
            422,
            f'{resource.kind} "" is invalid: metadata.name: Required value: name or generateName is required',
            reason="Invalid",
        )
    key = _key(resource, target, meta["name"])
    if state.store.get(key) is not None:
        raise already_exists(resource.group, resource.plural, meta["name"])
    meta.pop("resourceVersion", None)
    meta["uid"] = stable_uid("created", *key, str(state.store.version))
    meta["creationTimestamp"] = rfc3339(state.now())
    if request.query.get("dryRun"):
        return Answer(item, 201)
    return Answer(_write(state, resource, key, item, ""), 201)


def _write(state: ApiState, resource: Resource, key: Key, item: Object | None, expected: str) -> Object:
    try:
        return state.write(key, item, expected)
    except Conflict:
        raise conflict(resource.group, resource.plural, key[3]) from None


def _current(state: ApiState, resource: Resource, target: Target) -> tuple[Key, Object]:
    key = _key(resource, target, target.name)
    current = state.store.get(key)
    if current is None:
        raise not_found(resource.group, resource.plural, target.name)
    return key, current


def update(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    key, current = _current(state, resource, target)
    item = _checked(request, resource, target)
    expected = str(item["metadata"].get("resourceVersion", ""))
    if not expected and resource.kind == "Lease":
        raise version_needed(resource.group, resource.plural, target.name)
    item["metadata"] |= {k: current["metadata"][k] for k in ("uid", "creationTimestamp")}
    if request.query.get("dryRun"):
        return Answer(item)
    return Answer(_write(state, resource, key, item, expected))


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


def _json_patch(item: Object, operations: list[dict[str, Any]]) -> Object:
    """RFC 6902 for add, replace, remove and test on members of objects."""
    result = copy.deepcopy(item)
    for operation in operations:
        steps = [s.replace("~1", "/").replace("~0", "~") for s in operation["path"].split("/")[1:]]
        place: Any = result
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        last: Any = int(steps[-1]) if isinstance(place, list) else steps[-1]
        if operation["op"] == "remove":
            del place[last]
        elif operation["op"] == "test":
            if place[last] != operation["value"]:
                raise ApiError(
                    422, "the server rejected our request due to an error in our request", reason="Invalid"
                )
        else:
            place[last] = operation["value"]
    return result


def patch(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    key, current = _current(state, resource, target)
    kind = request.headers.get("content-type", "").split(";")[0]
    if kind == "application/json-patch+json":
        item = _json_patch(current, request.body)
    elif kind in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        item = merged(copy.deepcopy(current), request.body)
    else:
        raise ApiError(
            415,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
            f"got {kind}",
            reason="UnsupportedMediaType",
        )
    given = (
        request.body.get("metadata", {}).get("resourceVersion", "") if isinstance(request.body, dict) else ""
    )
    if request.query.get("dryRun"):
        return Answer(item)
    return Answer(_write(state, resource, key, item, str(given)))


def delete(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    key, current = _current(state, resource, target)
    wanted = request.body.get("preconditions", {}) if isinstance(request.body, dict) else {}
    meta = current["metadata"]
    if (
        wanted.get("uid", meta["uid"]) != meta["uid"]
        or wanted.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]
    ):
        raise conflict(resource.group, resource.plural, target.name)
    if not request.query.get("dryRun"):
        _write(state, resource, key, None, "")
    details = {"name": target.name, "kind": resource.plural, "uid": meta["uid"]}
    return Answer(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    )
