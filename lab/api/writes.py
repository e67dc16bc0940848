"""POST, PUT, PATCH and DELETE."""

from __future__ import annotations

import copy
from typing import Any

from lab.api.access import rules_review
from lab.api.admission import admitted, signed
from lab.api.errors import (
    ApiError,
    already_exists,
    conflict,
    no_patch,
    not_allowed,
    not_found,
    required,
    version_needed,
)
from lab.api.patches import json_patch, merged
from lab.api.request import Answer, Request, Target
from lab.api.resources import Resource
from lab.api.shapes import served
from lab.api.state import ApiState
from lab.api.store import Conflict
from lab.api.strategic import strategic
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


JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def _key(resource: Resource, target: Target, name: str) -> Key:
    return (resource.api_version, resource.kind, target.namespace, name)


def _checked(request: Request, resource: Resource, target: Target) -> Object:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        raise ApiError(400, f"the object provided is unrecognized (must be of type {resource.kind})")
    item = copy.deepcopy(body)
    item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    meta = item["metadata"]
    if resource.namespaced:
        if meta.setdefault("namespace", target.namespace) != target.namespace:
            raise ApiError(
                400, "the namespace of the provided object does not match the namespace sent on the request"
            )
    else:
        meta.pop("namespace", None)
    if target.name and meta.get("name") != target.name:
        raise ApiError(
            400,
            f"the name of the object ({meta.get('name', '')}) does not match the name on the URL ({target.name})",
        )
    for part in ("labels", "annotations"):
        if not meta.get(part):
            meta.pop(part, None)
    for part in [name for name, value in item.items() if value is None]:
        del item[part]
    return item


def _services(state: ApiState) -> list[Object]:
    return state.store.listed("v1", "Service", "")[0]


def create(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    item = _checked(request, resource, target)
    meta = item["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + stable_uid(meta["generateName"], str(state.store.version))[:5]
    if not meta.get("name"):
        raise required(resource.kind, resource.group, "", "metadata.name", "name or generateName is required")
    key = _key(resource, target, meta["name"])
    if resource.namespaced and state.store.get(("v1", "Namespace", "", target.namespace)) is None:
        raise not_found("", "namespaces", target.namespace)
    if state.store.get(key) is not None:
        raise already_exists(resource.group, resource.plural, meta["name"])
    meta.pop("resourceVersion", None)
    meta["uid"] = stable_uid("created", *key, str(state.store.version))
    meta["creationTimestamp"] = rfc3339(state.now())
    item = admitted(item, None, resource, _services(state))
    signed(item, None, request, state.now(), resource)
    if request.query.get("dryRun"):
        return Answer(served(item, resource), 201)
    return Answer(served(_write(state, resource, key, item, ""), resource), 201)


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


def _replace(
    state: ApiState, request: Request, resource: Resource, target: Target, item: Object, expected: str
) -> Answer:
    """Store `item` in place of what is there, unless that is the same or another version than `expected`."""
    key, current = _current(state, resource, target)
    if expected and expected != current["metadata"]["resourceVersion"]:
        raise conflict(resource.group, resource.plural, target.name)
    meta = item["metadata"]
    meta.pop("resourceVersion", None)
    if meta.get("uid", current["metadata"]["uid"]) != current["metadata"]["uid"]:
        raise conflict(resource.group, resource.plural, target.name)
    meta |= {k: current["metadata"][k] for k in ("uid", "creationTimestamp")}
    if not target.sub:
        item = admitted(item, current, resource, _services(state))
    signed(item, current, request, state.now(), resource)
    meta["resourceVersion"] = current["metadata"]["resourceVersion"]
    if request.query.get("dryRun") or served(item, resource) == served(current, resource):
        return Answer(served(item, resource))
    return Answer(served(_write(state, resource, key, item, expected), resource))


def update(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    _current(state, resource, target)
    item = _checked(request, resource, target)
    expected = str(item["metadata"].get("resourceVersion", ""))
    if not expected and resource.kind == "Lease":
        raise version_needed(resource.group, resource.plural, target.name)
    return _replace(state, request, resource, target, item, expected)


def patched(request: Request, kind: str, current: Object) -> Object:
    """`current` after the request's patch. ApiError for a patch that cannot be read or applied."""
    form = request.headers.get("content-type", "").split(";")[0]
    if form == JSON_PATCH:
        item: Object = json_patch(current, request.body)
    elif form in (MERGE_PATCH, STRATEGIC_PATCH):
        if not isinstance(request.body, dict):
            what = "json: cannot unmarshal array into Go value of type map[string]interface {}"
            raise ApiError(400, what)
        if form == MERGE_PATCH:
            item = merged(copy.deepcopy(current), request.body)
        else:
            item = strategic(kind, current, request.body)
    else:
        raise no_patch()
    return item


def patch(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    _, current = _current(state, resource, target)
    item = patched(request, resource.kind, current)
    given = ""
    if isinstance(request.body, dict):
        given = str((request.body.get("metadata") or {}).get("resourceVersion", ""))
    inner = Request(
        request.method, request.path, request.query, request.headers, item, request.user
    )  # what the patch led to, looked at as if somebody had sent it
    return _replace(state, request, resource, target, _checked(inner, resource, target), given)


def approve(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    """PUT or PATCH of a certificate request's approval: its conditions alone are taken."""
    _, current = _current(state, resource, target)
    sent = request.body if request.method == "PUT" else patched(request, resource.kind, current)
    if not isinstance(sent, dict):
        raise ApiError(400, f"the object provided is unrecognized (must be of type {resource.kind})")
    item = copy.deepcopy(current)
    conditions = copy.deepcopy(sent.get("status", {}).get("conditions", []))
    for condition in conditions:
        condition.setdefault("status", "True")
        condition.setdefault("lastUpdateTime", rfc3339(state.now()))
        condition.setdefault("lastTransitionTime", rfc3339(state.now()))
    item["status"] = {**item.get("status", {}), "conditions": conditions}
    expected = str((sent.get("metadata") or {}).get("resourceVersion", ""))
    return _replace(state, request, resource, target, item, expected)


def scale(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    """GET, PUT and PATCH of the number of replicas."""
    _, current = _current(state, resource, target)
    shown = _scale(current)
    if request.method == "GET":
        return Answer(shown)
    sent = request.body if request.method == "PUT" else patched(request, "Scale", shown)
    replicas = sent.get("spec", {}).get("replicas", 0) if isinstance(sent, dict) else None
    if not isinstance(replicas, int) or replicas < 0:
        raise ApiError(400, "the object provided is unrecognized (must be of type Scale)")
    item = copy.deepcopy(current)
    item["spec"]["replicas"] = replicas
    expected = str((sent.get("metadata") or {}).get("resourceVersion", ""))
    whole = Target(target.group_version, target.resource, target.namespace, target.name)
    answer = _replace(state, request, resource, whole, item, expected)
    return Answer(_scale(answer.body))


def _scale(item: Object) -> Object:
    selector = item["spec"].get("selector", {}).get("matchLabels", {})
    status: dict[str, Any] = {"replicas": item.get("status", {}).get("replicas", 0)}
    status["selector"] = ",".join(f"{k}={v}" for k, v in sorted(selector.items()))
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: item["metadata"][k] for k in names},
        "spec": {"replicas": item["spec"]["replicas"]},
        "status": status,
    }


def delete(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    key, current = _current(state, resource, target)
    wanted = request.body.get("preconditions") or {} if isinstance(request.body, dict) else {}
    meta = current["metadata"]
    if (
        wanted.get("uid", meta["uid"]) != meta["uid"]
        or wanted.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]
    ):
        raise conflict(resource.group, resource.plural, target.name)
    if not request.query.get("dryRun"):
        _write(state, resource, key, None, "")
    group = {"group": resource.group} if resource.group else {}
    details = {"name": target.name, **group, "kind": resource.plural, "uid": meta["uid"]}
    return Answer(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    )


def subresource(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    """Writes below an object: approvals and scales; what kubelets and controllers write, nobody else does here."""
    if target.sub == "approval" and request.method == "GET":
        return Answer(served(_current(state, resource, target)[1], resource))
    if target.sub == "approval" and request.method in ("PUT", "PATCH"):
        return approve(state, request, resource, target)
    if target.sub == "scale" and request.method in ("GET", "PUT", "PATCH"):
        return scale(state, request, resource, target)
    raise not_allowed()
