"""From a request to its answer: discovery, rights, and the verb."""

from __future__ import annotations

from collections.abc import Iterator

from lab.api import podlogs, reads, writes
from lab.api.errors import ApiError, forbidden, no_such_path, not_allowed
from lab.api.openapi import openapi
from lab.api.request import Answer, Request, Target, parse_target
from lab.api.resources import BELOW, Resource, groups, resource_list
from lab.api.state import ApiState
from lab.api.watch import Watcher

OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
Result = Answer | Iterator[str]
_PROBES = {"/healthz": "ok", "/livez": "ok", "/readyz": "ok"}


class Router:
    """Handles requests of one API server."""

    def __init__(self, state: ApiState) -> None:
        self._state = state
        self._pages = reads.Pages()

    def handle(self, request: Request) -> Result:
        """The answer, or an iterator of text for a stream. Raises ApiError."""
        fixed = self._discovery(request)
        if fixed is not None:
            return fixed
        target = parse_target(request.path)
        if target is None:
            raise no_such_path()
        if target.group_version == "authorization.k8s.io/v1" and request.method == "POST":
            return writes.review(request, target)
        resource = self._state.resource(target.group_version, target.resource)
        if resource is None:
            # A group that nobody serves is answered by the last handler of the chain.
            group = target.group_version.rpartition("/")[0]
            if group and group not in groups(self._state.resources):
                return Answer("404 page not found\n", 404, "text/plain; charset=utf-8")
            raise no_such_path()
        request.target, request.resource = target, resource
        self._check(request, resource, target)
        return self._act(request, resource, target)

    def _discovery(self, request: Request) -> Answer | None:
        path = request.path.rstrip("/") or "/"
        plan, state = self._state.plan, self._state
        if path in _PROBES:
            return Answer(_PROBES[path], content_type="text/plain; charset=utf-8")
        if path == "/version":
            return Answer(_version(plan.version))
        if not path.startswith(("/api", "/apis", "/openapi")):
            if path == "/":
                return Answer(
                    {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/readyz", "/version"]}
                )
            raise no_such_path()
        if request.user.name == "system:anonymous" and path in ("/api", "/apis", "/openapi/v3"):
            raise ApiError(403, f'forbidden: User "system:anonymous" cannot get path "{path}"', details={})
        known = groups(state.resources)
        if path == "/api":
            client = {"clientCIDR": "0.0.0.0/0", "serverAddress": f"{plan.api_host}:{plan.api_port}"}
            return Answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [client]})
        if path == "/apis":
            found = [_group(name, versions) for name, versions in known.items()]
            return Answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": found})
        if path.startswith("/openapi"):
            return openapi(request, path)
        parts = path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) == 2 and parts[1] in known:
            return Answer({**_group(parts[1], known[parts[1]]), "kind": "APIGroup", "apiVersion": "v1"})
        group_version = "v1" if parts == ["api", "v1"] else ""
        if parts[0] == "apis" and len(parts) == 3:
            group_version = "/".join(parts[1:])
        if parts[0] == "apis" and len(parts) == 3 and parts[2] not in known.get(parts[1], []):
            raise no_such_path()
        return Answer(resource_list(state.resources, group_version)) if group_version else None

    def _check(self, request: Request, resource: Resource, target: Target) -> None:
        verb = _verb(request, target)
        name = f"{resource.plural}/{target.sub}" if target.sub else resource.plural
        namespace = target.namespace
        if resource.plural == "namespaces" and target.name:
            namespace = target.name
        public = (
            namespace == "kube-public"
            and target.name == "cluster-info"
            and resource.plural == "configmaps"
            and verb == "get"
            and request.user.name == "system:anonymous"  # kubeadm grants it to nobody else
        )
        if public or request.user.may(verb, resource.group, name, namespace):
            return
        raise forbidden(request.user.name, verb, resource.group, name, target.name, namespace)

    def _act(self, request: Request, resource: Resource, target: Target) -> Result:
        state, method = self._state, request.method
        if target.sub == "log" and resource.plural == "pods" and method == "GET":
            return podlogs.open_log(state, request, target)
        if target.sub == "proxy" and resource.plural == "nodes":
            raise self._kubelet_proxy(target)
        if target.sub == "status" and method == "GET":
            return reads.get_object(state, request, resource, target)
        if target.sub and target.sub not in {name for name, *_ in BELOW.get(resource.plural, ())}:
            raise not_allowed() if target.sub == "status" else no_such_path()
        if target.sub:
            return writes.subresource(state, request, resource, target)
        if method == "GET" and request.flag("watch"):
            return Watcher(state, request, resource, target).events()
        if method == "GET" and target.name:
            return reads.get_object(state, request, resource, target)
        if method == "GET":
            return reads.list_objects(state, self._pages, request, resource, target)
        if not resource.writable:
            raise not_allowed()
        if method == "POST" and not target.name:
            return writes.create(state, request, resource, target)
        acts = {"PUT": writes.update, "PATCH": writes.patch, "DELETE": writes.delete}
        if method in acts and target.name:
            return acts[method](state, request, resource, target)
        raise not_allowed()

    def _kubelet_proxy(self, target: Target) -> ApiError:
        why = self._state.kubelet_down(target.name) or "connect: connection refused"
        return ApiError(503, f"error trying to reach service: dial tcp {target.name}:10250: {why}")


def _verb(request: Request, target: Target) -> str:
    if request.method == "GET":
        if request.flag("watch"):
            return "watch"
        return "get" if target.name else "list"
    words = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return words.get(request.method, request.method.lower())


def _group(name: str, versions: list[str]) -> dict[str, object]:
    entries = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _version(git: str) -> dict[str, str]:
    major, minor = git.lstrip("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": git,
        "gitCommit": "a78aa47129b8539636eb86a9d00e31b2720fe06b",
        "gitTreeState": "clean",
        "buildDate": "2024-12-10T21:33:22Z",
        "goVersion": "go1.22.9",
        "compiler": "gc",
        "platform": "linux/amd64",
    }
