"""The live Kubernetes API as a ClusterTarget: pages of 500, gzip, msgspec decoding into the caller's types.

The official client is not used for reading: its models cost 16 to 20 s and 1.4 GB for 10,000 pods, a typed
subset about 0.3 s. Watch is in watch.py, logs in pod_logs.py, rights in rights.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from targets.api_client import ApiClient, Request
from targets.api_errors import ApiError
from targets.deadline import Deadline
from targets.decoding import decoder
from targets.errors import MalformedAnswer
from targets.http_wire import CONNECT_SECONDS, Answer, Hold
from targets.kubeconfig import Chosen, choose
from targets.target import CommandLog

T = TypeVar("T")

PAGE = 500
TIMES = 3  # that a list is begun
_LARGEST_ANSWER = 256 << 20  # bytes; a page of 500 large objects is about 10 MB
_GONE = 410


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    more: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T], frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[T] | None = None  # Go writes an empty list as null


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """A whole list and the resourceVersion from which a watch goes on."""

    items: list[T]
    resource_version: str


class Cluster:
    """One context of a kubeconfig. Safe for use by many threads. Every method may raise any TargetError.

    `seconds` is the deadline of each call as a whole (pages and repetitions included) unless a call is given
    its own; `read_seconds` bounds each wait for bytes, `connect_seconds` each attempt to connect.
    `reread` reads the kubeconfig anew when the server no longer accepts what it said.
    """

    def __init__(
        self,
        chosen: Chosen,
        log: CommandLog | None = None,
        *,
        seconds: float = 60.0,
        read_seconds: float = 30.0,
        connect_seconds: float = CONNECT_SECONDS,
        environ: Mapping[str, str] = os.environ,
        reread: Callable[[], Chosen] | None = None,
    ) -> None:
        self.chosen = chosen
        self.log = log if log is not None else CommandLog()
        self.seconds = seconds
        self.read_seconds = read_seconds
        self._client = ApiClient(chosen, self.log, environ, connect_seconds, reread)

    @property
    def context(self) -> str:
        """Name of the kubeconfig context; "in-cluster" for a pod's own service account."""
        return self.chosen.context

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self.chosen.cluster.server

    @property
    def namespace(self) -> str:
        """The context's namespace, "default" if it names none."""
        return self.chosen.namespace

    def get(self, path: str, as_type: type[T], *, deadline: Deadline | None = None) -> T:
        """One object or document: GET `path`, decoded as `as_type` (unknown fields are ignored)."""
        return self._fetch(Request("GET", path), deadline, as_type)

    def list(
        self,
        path: str,
        item: type[T],
        *,
        params: dict[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> list[T]:
        """All items below `path`, read in pages of 500, each decoded as `item`."""
        return self.listing(path, item, params=params, deadline=deadline).items

    def listing(
        self,
        path: str,
        item: type[T],
        *,
        params: dict[str, str] | None = None,
        deadline: Deadline | None = None,
        hold: Hold | None = None,
    ) -> Listing[T]:
        """As `list`, with the resourceVersion of the list.

        Where the server forgets in the middle what it was listing (410), the list is begun anew, TIMES in all: so the
        API's documentation wants it ("Retrieving large results sets in chunks").
        """
        deadline = deadline or Deadline(self.seconds)
        begun = 1
        more = ""
        items: list[T] = []
        while True:
            query = {**(params or {}), "limit": str(PAGE)} | ({"continue": more} if more else {})
            request = Request("GET", with_params(path, query))
            try:
                page = self._fetch(request, deadline, _page_type(item), hold)
            except ApiError as error:
                if error.http_status != _GONE or not more:
                    raise
                if begun == TIMES:
                    raise self._forgotten(path) from None
                begun, more, items = begun + 1, "", []
                continue
            items += page.items or []
            more = page.metadata.more
            if not more:
                return Listing(items, page.metadata.resource_version)

    def _forgotten(self, path: str) -> ApiError:
        return ApiError(
            f"{self.server} forgot the list {_bare(path)} before it was read to its end (410), also when it was begun "
            f"anew: {TIMES} times in all.",
            "Ask again when less changes; if it lasts, see how soon the API server compacts "
            "(--etcd-compaction-interval) and what slows the answers.",
            http_status=_GONE,
            reason="Expired",
        )

    def text(
        self,
        path: str,
        *,
        params: dict[str, str] | None = None,
        limit: int = 1 << 20,
        deadline: Deadline | None = None,
    ) -> str:
        """The body of GET `path` as text, at most `limit` bytes of it; what is no UTF-8 becomes U+FFFD."""
        request = Request("GET", with_params(path, params), accept="*/*")
        bound = deadline or Deadline(self.seconds)

        def cut(answer: Answer) -> bytes:
            return answer.body(bound, self.read_seconds, limit, cut=True)

        return self._client.exchange(request, bound, self.read_seconds, cut).decode("utf-8", "replace")

    def create(self, path: str, body: object, as_type: type[T], *, deadline: Deadline | None = None) -> T:
        """POST `body` (a msgspec-encodable value) and decode the answer. ApiError with reason AlreadyExists
        where it does."""
        return self.request("POST", path, as_type, body=body, deadline=deadline)

    def request(
        self,
        method: str,
        path: str,
        as_type: type[T],
        *,
        body: object = None,
        content_type: str = "application/json",
        params: dict[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> T:
        """Any write: POST, PUT, PATCH (name the patch's `content_type`) or DELETE.

        Not repeated when it fails, except where the server says that it was not done. ApiError carries
        status and reason (409 Conflict).
        """
        encoded = None if body is None else msgspec.json.encode(body)
        full = with_params(path, params)
        request = Request(method, full, encoded, content_type if encoded is not None else "")
        return self._fetch(request, deadline, as_type)

    def stream(self, path: str, hold: Hold, *, read_seconds: float, head_seconds: float) -> Answer:
        """Open a GET whose body goes on (watch, logs). The head must come within `head_seconds`.

        The caller reads it by `chunk` and closes it; `hold` ends it from another thread.
        """
        request = Request("GET", path, accept="*/*", gzip=False)
        wait = min(read_seconds, head_seconds)
        return self._client.exchange(request, Deadline(head_seconds), wait, lambda answer: answer, hold)

    def close(self) -> None:
        """Drop the pooled connections. Streams are ended by their own `stop`."""
        self._client.close()

    def _fetch(
        self, request: Request, deadline: Deadline | None, as_type: type[T], hold: Hold | None = None
    ) -> T:
        bound = deadline or Deadline(self.seconds)

        def decoded(answer: Answer) -> T:  # within the exchange, so that the log tells of an unusable answer
            return self._decode(request.path, answer.body(bound, self.read_seconds, _LARGEST_ANSWER), as_type)

        return self._client.exchange(request, bound, self.read_seconds, decoded, hold)

    def _decode(self, path: str, body: bytes, as_type: type[T]) -> T:
        try:
            kind: Any = as_type
            decoded: T = decoder(kind).decode(body)
            return decoded
        except msgspec.ValidationError as error:
            raise MalformedAnswer(
                f"{self.server} answered {_bare(path)} in another shape: {error}.",
                "This version of Kubernetes may be unknown to kwinnow.",
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            what = "a web page" if body[:200].lstrip()[:1] == b"<" else "no whole JSON"
            raise MalformedAnswer(
                f"{self.server} answered {_bare(path)} with {what}.",
                "Is that the API server, or a proxy or login page before it?",
            ) from None


def open_cluster(
    kubeconfig: Path | None = None,
    context: str | None = None,
    log: CommandLog | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Cluster:
    """The cluster that kubectl would talk to. Nothing is sent yet. Raises KubeconfigError."""
    chosen = choose(kubeconfig, context, environ)
    return Cluster(chosen, log, environ=environ, reread=lambda: choose(kubeconfig, chosen.context, environ))


def with_params(path: str, params: Mapping[str, str] | None) -> str:
    """`path` with a query."""
    if not params:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(params)}"


def _bare(path: str) -> str:
    return path.partition("?")[0]


def _page_type(item: type[T]) -> type[_Page[T]]:
    parametrised: Any = _Page
    made: type[_Page[T]] = parametrised[item]
    return made
