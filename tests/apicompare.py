"""What the product asks an API server, recorded; and how two servers' answers differ, as far as it reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as inspect
import pytest
from realobjects import Reply, Speaker, servers_own

from facts.access import Access
from facts.catalogue import load
from facts.fact import QUESTIONS, Fact, Origin
from facts.session import Session
from targets.api_client import ApiClient, Request
from targets.cluster import Cluster
from targets.target import NodeRef

T = TypeVar("T")
ABSENT = object()
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# Set by the server and different by nature: only the form is compared.
FORMS = {"uid": UUID, "creationTimestamp": SECOND, "gitVersion": re.compile(r"v1\.\d+\.\d+")}
GZIP_FROM = 128 * 1024


def cluster_facts() -> list[type[Fact]]:
    """Every fact that is asked of the API, by name."""
    load()
    return sorted((f for f, q in QUESTIONS.items() if q.origin is Origin.CLUSTER), key=lambda f: f.__name__)


class NoNodes:
    """A NodeSource without nodes to ask: only the API is looked at."""

    def collect(self, node: NodeRef, *_: Any) -> Access:
        return Access()

    def cancel(self, node: str) -> None:
        pass


class Seen:
    """A ClusterTarget that passes everything on and remembers as what each path was read."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.types: dict[str, Any] = {}

    @property
    def context(self) -> str:
        return self._cluster.context

    @property
    def server(self) -> str:
        return self._cluster.server

    def get(self, path: str, as_type: type[T]) -> T:
        self.types[path] = as_type
        return self._cluster.get(path, as_type)

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        self.types[path] = item
        return self._cluster.list(path, item, params=params)

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        self.types[path] = str
        return self._cluster.text(path, params=params, limit=limit)

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        self.types[path] = as_type
        return self._cluster.create(path, body, as_type)


@dataclass(frozen=True)
class Asked:
    """One request of the product, and the type as which its answer (or each item of it) is read."""

    request: Request
    as_type: Any

    @property
    def path(self) -> str:
        return self.request.path.partition("?")[0]

    def send(self, speaker: Speaker, **more: str) -> Reply:
        named = {key.replace("-", "_"): value for key, value in self.request.headers().items()}
        body = None if self.request.body is None else msgspec.json.decode(self.request.body)
        return speaker.send(self.request.method, self.request.path, body, **named, **more)


def everything_asked(cluster: Cluster) -> list[Asked]:
    """Every request of an investigation, as it leaves the wire: each once."""
    sent: list[Request] = []
    original = ApiClient.exchange

    def exchange(self: ApiClient, request: Request, *more: Any, **named: Any) -> Any:
        sent.append(request)
        return original(self, request, *more, **named)

    seen = Seen(cluster)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ApiClient, "exchange", exchange)
        Session(seen, NoNodes(), log=cluster.log).gather(cluster_facts())
    once = {(r.method, r.path): r for r in sent}
    return [Asked(r, seen.types[r.path.partition("?")[0]]) for _, r in sorted(once.items())]


# -- comparing


def differences(place: str, lab: Any, real: Any, kind: inspect.Type) -> Iterator[str]:
    """Where two JSON values differ in what a reader of type `kind` takes from them."""
    if isinstance(kind, inspect.UnionType):
        parts = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        kind = parts[0] if len(parts) == 1 else inspect.AnyType()
    if lab is ABSENT or real is ABSENT or type(lab) is not type(real):
        if not (lab is ABSENT and real is ABSENT):
            yield f"{place}: lab {_shown(lab)}, real {_shown(real)}"
    elif isinstance(kind, inspect.StructType) and isinstance(lab, dict):
        for field in kind.fields:
            name = field.encode_name
            if name in FORMS:
                yield from _form(f"{place}.{name}", lab.get(name), real.get(name), FORMS[name])
            elif name != "managedFields":
                yield from differences(
                    f"{place}.{name}", lab.get(name, ABSENT), real.get(name, ABSENT), field.type
                )
    elif (
        isinstance(kind, inspect.VarTupleType | inspect.ListType)
        and isinstance(lab, list)
        and len(lab) == len(real)
    ):
        for number, (one, other) in enumerate(zip(lab, real, strict=True)):
            yield from differences(f"{place}[{number}]", one, other, kind.item_type)
    elif lab != real:
        yield f"{place}: lab {_shown(lab)}, real {_shown(real)}"


def _form(place: str, lab: Any, real: Any, form: re.Pattern[str]) -> Iterator[str]:
    for who, value in (("lab", lab), ("real", real)):
        if value is not None and not (isinstance(value, str) and form.fullmatch(value)):
            yield f"{place}: {who} {_shown(value)} is not of the form {form.pattern}"
    if (lab is None) is not (real is None):
        yield f"{place}: lab {_shown(lab)}, real {_shown(real)}"


def _shown(value: Any) -> str:
    return "nothing" if value is ABSENT else repr(value)[:160]


def compare(asked: Asked, lab: Reply, real: Reply) -> list[str]:
    """How the two answers to one request differ; empty where the product cannot tell them apart."""
    place = f"{asked.request.method} {asked.request.path}"
    found = [f"{place}: {text}" for text in _heads(lab, real)]
    if found:
        return found
    if asked.as_type is str and lab.code == 200:
        return [] if lab.body == real.body else [f"{place}: lab {lab.body[:200]!r}, real {real.body[:200]!r}"]
    if lab.code >= 400:
        return [] if lab.document == real.document else [f"{place}: lab {lab.document}, real {real.document}"]
    if "items" in real.document:
        return [f"{place}: {text}" for text in _lists(asked.as_type, lab.document, real.document)]
    kind = inspect.type_info(asked.as_type)
    tops = [(k, lab.document.get(k), real.document.get(k)) for k in ("kind", "apiVersion")]
    found = [f"{place}: {k}: lab {one}, real {other}" for k, one, other in tops if one != other]
    return found + list(differences(place, lab.document, real.document, kind))


def _heads(lab: Reply, real: Reply) -> Iterator[str]:
    if lab.code != real.code:
        yield f"lab answers {lab.code}, real {real.code} {real.body[:300]!r}"
        return
    for name in ("content-type", "cache-control", "retry-after", "location"):
        if lab.headers.get(name) != real.headers.get(name):
            yield f"{name}: lab {lab.headers.get(name)}, real {real.headers.get(name)}"
    for who, reply in (("lab", lab), ("real", real)):
        zipped = reply.headers.get("content-encoding") == "gzip"
        if "json" in reply.headers.get("content-type", "") and zipped is not (len(reply.body) >= GZIP_FROM):
            yield f"{who}: {len(reply.body)} bytes, {'zipped' if zipped else 'not zipped'}"


def identity(kind: str, item: Any) -> tuple[str, str, str]:
    meta = item["metadata"]
    return kind, meta.get("namespace", ""), meta["name"]


def shared(document: Any) -> dict[tuple[str, str, str], Any]:
    """The items that both servers are to have, in order."""
    kind = document["kind"].removesuffix("List")
    named = {identity(kind, item): item for item in document["items"] or []}
    return {k: v for k, v in named.items() if not servers_own(v)}


def _lists(item_type: Any, lab: Any, real: Any) -> Iterator[str]:
    for key in ("kind", "apiVersion"):
        if lab[key] != real[key]:
            yield f"{key}: lab {lab[key]}, real {real[key]}"
    if set(lab) != set(real) or set(lab["metadata"]) != set(real["metadata"]):
        yield f"envelope: lab {list(lab)} {lab['metadata']}, real {list(real)} {real['metadata']}"
    ours, theirs = shared(lab), shared(real)
    if list(ours) != list(theirs):
        yield f"items: lab {list(ours)}, real {list(theirs)}"
        return
    kind = inspect.type_info(item_type)
    for name, item in ours.items():
        place = "/".join(filter(None, name))
        if ("kind" in item) is not ("kind" in theirs[name]):
            yield f"{place}: kind is in the item on one side alone"
        yield from differences(place, item, theirs[name], kind)
