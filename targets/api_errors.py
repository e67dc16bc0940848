"""From what an API server answers, or does not, to a TargetError. Nowhere else are these made."""

from __future__ import annotations

import re
import socket
import ssl
from http.client import IncompleteRead
from urllib.parse import unquote, urlsplit

import msgspec
from urllib3 import exceptions as u3

from targets.deadline import spoken
from targets.decoding import decoded
from targets.errors import (
    CredentialsExpired,
    DeadlineExceeded,
    MalformedAnswer,
    NotFound,
    PermissionDenied,
    TargetError,
    Unreachable,
)
from targets.kubeconfig import Chosen, KubeconfigError
from targets.tls import distrusted

# Nothing that waiting mends: a stream that meets one of these ends, on all others it goes on trying.
LASTING = (PermissionDenied, CredentialsExpired, NotFound, KubeconfigError)


class ApiError(TargetError):
    """The API server refused for a reason that is neither rights nor absence.

    `http_status` is a number; `reason` is the Status object's (Conflict, AlreadyExists, Invalid, Expired, …).
    """

    kind = "api-error"

    def __init__(self, what: str, hint: str = "", *, http_status: int = 0, reason: str = "") -> None:
        super().__init__(what, hint)
        self.http_status = http_status
        self.reason = reason


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """A `Status` object of the API, as far as we read it."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


class ApiPath(msgspec.Struct, frozen=True):
    """An API path taken apart: /apis/apps/v1/namespaces/kube-system/daemonsets/x/status."""

    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def label(self) -> str:
        """As RBAC writes it: "pods/log", "daemonsets.apps"."""
        full = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{full}.{self.group}" if self.group else full


_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>.+))?$"
)
_NAMESPACE_PARTS = {"status", "finalize"}


def parse_path(path: str) -> ApiPath | None:
    """Take a resource path apart; None for the others (/version, /livez, discovery)."""
    found = _PATH.match(urlsplit(path).path)
    if not found:
        return None
    group, namespace = found["group"] or "", unquote(found["namespace"] or "")
    if namespace and found["resource"] in _NAMESPACE_PARTS and not found["name"]:
        return ApiPath(group, found["version"], "", "namespaces", namespace, found["resource"])
    sub = (found["sub"] or "").split("/")[0]  # /proxy/metrics is still the subresource "proxy"
    return ApiPath(group, found["version"], namespace, found["resource"], unquote(found["name"] or ""), sub)


def verb_of(method: str, path: str) -> str:
    """The RBAC verb of a request. Source: table of request verbs in "Authorization", Kubernetes docs."""
    parts = parse_path(path)
    if parts is None:
        return method.lower()
    if method in ("GET", "HEAD"):
        if parts.name:
            return "get"
        return "watch" if re.search(r"[?&]watch=(1|true)\b", path) else "list"
    if method == "DELETE":
        return "delete" if parts.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())


def _always_there(path: str) -> bool:
    """The version, and the lists of the core group: an empty list is answered with 200, never with 404."""
    parts = parse_path(path)
    if parts is None:
        return urlsplit(path).path == "/version"
    return not parts.group and not parts.name and parts.version == "v1"


def read_status(body: bytes) -> Status:
    """The Status object in `body`, or one that holds the beginning of the text instead."""
    try:
        status = decoded(body, Status)
        if status.kind == "Status":
            return status
    except msgspec.DecodeError:
        pass
    text = body[:2000].decode("utf-8", "replace")
    if "<html" in text.lower():  # a proxy's page
        title = re.search(r"<title>(.*?)</title>", text, re.I | re.S)
        text = title[1] if title else "an HTML page"
    return Status(message=" ".join(text.split())[:300])


def refused(chosen: Chosen, method: str, path: str, code: int, body: bytes) -> TargetError:
    """The error for an answer that is neither 2xx nor 401."""
    status = read_status(body)
    server, parts, verb = chosen.cluster.server, parse_path(path), verb_of(method, path)
    bare = urlsplit(path).path
    said = f": {status.message}" if status.message else ""
    if code == 403:
        resource = parts.label if parts else bare
        at = (
            f" in namespace {parts.namespace}"
            if parts and parts.namespace
            else " at the scope of the cluster"
        )
        name = f" “{parts.name}”" if parts and parts.name else ""
        return PermissionDenied(
            f"User “{chosen.user_name}” of context “{chosen.context}” may not {verb} {resource}{name}"
            f"{at if parts else ''}.",
            f"Ask for a role with verb {verb} on {resource}. The server says{said or ' nothing more'}",
            verb=verb,
            resource=resource,
        )
    if code == 404 and method == "GET" and _always_there(path):
        return MalformedAnswer(
            f"{server} has no {bare}, which every Kubernetes API server has{said}.",
            f"Is that the API server? Check `server:` of cluster “{chosen.cluster_name}” in the kubeconfig: host, port "
            "and, behind a gateway, the path.",
        )
    if code == 404:
        return NotFound(f"{server} has no {bare}{said}.")
    if code == 429:
        return ApiError(
            f"{server} is too busy to answer {verb} {bare} (429), also when asked again.",
            "Wait a minute; if it lasts, look at the API server's priority levels.",
            http_status=code,
            reason=status.reason or "TooManyRequests",
        )
    if code >= 500:
        return ApiError(
            f"{server} failed on {verb} {bare} with {code}{said}.",
            "Look at the API server, etcd and, for logs and exec, the node's kubelet.",
            http_status=code,
            reason=status.reason,
        )
    if 300 <= code < 400:
        return MalformedAnswer(
            f"{server} answers {bare} with a redirect ({code}), which an API server does not do.",
            "A login page or proxy stands before it: check the server URL and the proxy.",
        )
    return ApiError(
        f"{server} refused to {verb} {bare} ({code}){said}.",
        "Ask again; if it lasts, look at the API server's log and at what stands before it.",
        http_status=code,
        reason=status.reason,
    )


_CHECK_PROXY = "Check proxy-url of the cluster entry, or HTTPS_PROXY and NO_PROXY."


def broken(error: u3.HTTPError, chosen: Chosen, path: str, seconds: float, proxy: str = "") -> TargetError:
    """The error for an exchange that ended without an answer, or in the middle of one."""
    server, bare = chosen.cluster.server, urlsplit(path).path
    way = _without_password(proxy)
    through = f" through the proxy {way}" if proxy else ""
    if isinstance(error, u3.ProxyError):
        return Unreachable(
            f"The proxy {way} on the way to {server} does not let us through: {_innermost(error)}.",
            _CHECK_PROXY,
        )
    if isinstance(error, u3.SSLError):
        inner = next(
            (part for part in (error.args[0], error.__cause__) if isinstance(part, ssl.SSLError)), None
        )
        return distrusted(inner or ssl.SSLError(str(error)), chosen)
    if isinstance(error, u3.NameResolutionError):
        return Unreachable(
            f"The name in {server} is not known to DNS here.",
            "Check the server URL, the VPN and the resolver.",
        )
    if isinstance(error, u3.NewConnectionError):  # is a ConnectTimeoutError too, so it comes first
        if proxy:
            return _socks_broken(error, server, way)
        cause = _innermost(error)
        return Unreachable(f"No connection to {server}: {cause}.", "Does the API server run, on this port?")
    if isinstance(error, u3.ConnectTimeoutError):
        return Unreachable(
            f"{server} did not take a connection in time{through}.",
            f"A firewall may drop it. {_CHECK_PROXY}"
            if proxy
            else "A firewall may drop it: check VPN and address.",
        )
    if isinstance(error, u3.ReadTimeoutError):
        return DeadlineExceeded(
            f"{server} did not answer {bare} within {spoken(seconds)} s.", "It may be overloaded; try again."
        )
    if isinstance(error, u3.DecodeError):
        return MalformedAnswer(f"{server} sent damaged gzip for {bare}.", "A proxy on the way may spoil it.")
    if any(isinstance(part, IncompleteRead) for part in (error, *error.args)):
        return MalformedAnswer(f"{server} broke off in the middle of {bare}.", "Is it restarting? Try again.")
    return Unreachable(
        f"The connection to {server} broke: {_innermost(error)}.", "Is it restarting? Try again."
    )


def _socks_broken(error: u3.HTTPError, server: str, way: str) -> TargetError:
    """Whether the SOCKS proxy is not there, refuses, or cannot reach the server."""
    import socks  # PySocks; it is loaded where such a proxy is in use

    said: BaseException | None = error
    while said is not None and not isinstance(said, socks.ProxyError):
        said = said.__cause__ or said.__context__
    while isinstance(said, socks.ProxyError) and isinstance(said.socket_err, socks.ProxyError):
        said = said.socket_err  # PySocks wraps its own errors too
    if isinstance(said, socks.SOCKS5Error):
        reason = said.msg.partition(": ")[2].lower()
        return Unreachable(
            f"The proxy {way} answers, and cannot open a connection to {server}: {reason}.",
            "Check the server URL, and what the proxy may reach.",
        )
    if isinstance(said, socks.SOCKS5AuthError):
        return Unreachable(
            f"The proxy {way} on the way to {server} wants a login that it accepts.",
            "Give it in proxy-url: socks5://USER:PASSWORD@HOST:PORT.",
        )
    if isinstance(said, socks.GeneralProxyError):
        return Unreachable(f"The proxy {way} on the way to {server} does not speak SOCKS5.", _CHECK_PROXY)
    return Unreachable(
        f"The proxy {way} on the way to {server} does not answer: {_innermost(error)}.",
        f"Does it run, on this port? {_CHECK_PROXY}",
    )


def _innermost(error: BaseException) -> str:
    """A few words on the system's own error. Never str() of a urllib3 error: it may hold a URL or header."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, socket.gaierror):
            return "the name is not known to DNS"
        if isinstance(inner, TimeoutError):
            return "timed out"
        if isinstance(inner, ConnectionRefusedError):
            return "connection refused"
        if isinstance(inner, ConnectionResetError | BrokenPipeError):
            return "connection reset"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        if isinstance(inner, OSError) and "Tunnel connection failed" in str(inner):
            return str(inner).lower()[:120]
        nested = [part for part in inner.args if isinstance(part, BaseException)]
        inner = nested[0] if nested else inner.__cause__ or inner.__context__
    return "it was closed without an answer"


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
