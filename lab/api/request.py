"""One request, taken apart: path, query, who asks, and how an answer is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lab.api.access import User
from lab.api.errors import bad_number
from lab.api.resources import Resource


@dataclass(frozen=True)
class Target:
    """What an API path names."""

    group_version: str
    resource: str
    namespace: str = ""
    name: str = ""
    sub: str = ""
    rest: str = ""


@dataclass
class Request:
    """A request after authentication. `query` holds the last value of each parameter."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    user: User
    target: Target | None = None
    resource: Resource | None = None

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    @property
    def wants_table(self) -> bool:
        return any("as=Table" in part and "meta.k8s.io" in part for part in self.accept.split(","))

    def number(self, name: str) -> int:
        """An integer of the query, 0 where it is not given. ApiError where it is none."""
        value = self.query.get(name, "")
        try:
            return int(value or 0)
        except ValueError:
            raise bad_number(value) from None

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")


@dataclass
class Answer:
    """A complete answer. `body` is encoded as JSON unless it is text."""

    body: Any
    code: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def split_url(raw: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(raw)
    return unquote(url.path), {
        key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()
    }


def parse_target(path: str) -> Target | None:
    """The resource that `path` names; None for anything that is not below /api/v1 or /apis/GROUP/VERSION."""
    parts = [p for p in path.split("/") if p]
    if parts[:2] == ["api", "v1"] and len(parts) > 2:
        group_version, parts = "v1", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group_version, parts = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    resource, name, sub = [*parts, "", "", ""][:3]
    return Target(group_version, resource, namespace, name, sub, "/".join(parts[3:]))
