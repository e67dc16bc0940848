"""Watch: changes of a collection as they happen, with every interruption made visible.

The official client's watch is not used: without models it loses bookmarks and fails on ERROR events, and it
hangs for ever on a path that died. Source of the protocol: "Efficient detection of changes" in "Kubernetes
API Concepts".
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any, Generic, Literal, TypeVar

import msgspec

from targets.api_errors import LASTING, ApiError, Status
from targets.cluster import Cluster, ListMeta, with_params
from targets.deadline import Deadline
from targets.decoding import decoded, decoder
from targets.errors import MalformedAnswer, TargetError, Unreachable
from targets.http_wire import Hold
from targets.lines import LineSplitter

T = TypeVar("T")

_GONE = 410
_SHORT = 5.0  # seconds; a watch that ends sooner, with no event, was not wanted by the server


class Timing(msgspec.Struct, frozen=True):
    """Seconds. The server ends a watch after `server`; a path that died under it is noticed after `read`."""

    server: int = 240
    read: float = 300.0
    head: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 30.0


class Changed(msgspec.Struct, Generic[T], frozen=True):
    """One object was added, modified or deleted (then it is its last state)."""

    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    object: T


class Relisted(msgspec.Struct, Generic[T], frozen=True):
    """All there is, in place of all that was known: at the start, or when the server forgot where we were."""

    items: list[T]
    why: str


class Reconnected(msgspec.Struct, frozen=True):
    """The watch broke and goes on from where it was; nothing was missed."""

    why: str
    attempts: int


class Disconnected(msgspec.Struct, frozen=True):
    """The watch broke, or could not be taken up again; the next attempt comes after `pause` seconds."""

    why: str
    pause: float


Event = Changed[T] | Relisted[T] | Reconnected | Disconnected


class _Line(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()


class Watch(Generic[T]):
    """Iterate over it in one thread; `stop` it from any other.

    It ends by itself only on rights, credentials and absence (the error is raised), never on an unsteady
    connection.

    Without a `resource_version` it lists first, and the first event is Relisted.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        item: type[T],
        resource_version: str = "",
        *,
        params: dict[str, str] | None = None,
        timing: Timing = Timing(),  # noqa: B008 (frozen)
    ) -> None:
        self.resource_version = resource_version
        self._cluster, self._path, self._params, self._timing = cluster, path, params or {}, timing
        self._item = item
        kind: Any = item
        self._objects: msgspec.json.Decoder[T] = decoder(kind)
        self._lines = decoder(_Line)
        self._versions = decoder(_Versioned)
        self._hold = Hold()

    def stop(self) -> None:
        """End the iteration, at once, from any thread."""
        self._hold.release()

    def __iter__(self) -> Iterator[Event[T]]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Event[T]]]:
        """As iterating, in the batches in which events arrive. Fits `Stream`."""
        relist = "the start"
        failures = 0  # since the last event, or the last watch that ended in the usual way
        broke = ""
        while not self._hold.released:
            cause: TargetError = Unreachable(
                f"{self._cluster.server} ended the watch of {self._path} at once."
            )
            began = time.monotonic()
            try:
                if not self.resource_version:
                    yield [self._relist(relist)]
                for batch in self._connection():
                    if broke:
                        yield [Reconnected(broke, failures)]
                        broke = ""
                    if batch:
                        failures, began = 0, 0.0
                        yield batch
                if time.monotonic() - began >= min(_SHORT, 0.8 * self._timing.server):
                    failures = 0
                    continue  # the server's own time-out: nothing to report
            except ApiError as error:
                cause = error
                if error.http_status == _GONE:
                    self.resource_version, relist = (
                        "",
                        "the server has forgotten the changes since then (410)",
                    )
                    failures += 1
                    if failures == 1 and not self._hold.released:
                        continue
            except TargetError as error:
                if isinstance(error, LASTING) and not self._hold.released:
                    raise
                cause = error
            if self._hold.released:
                return
            broke = cause.what
            pause = min(self._timing.longest_pause, self._timing.first_pause * float(2 ** min(failures, 10)))
            pause *= random.uniform(0.8, 1.2)
            failures += 1
            yield [Disconnected(broke, pause)]
            if self._hold.pause(pause):
                return

    def _relist(self, why: str) -> Relisted[T]:
        listing = self._cluster.listing(self._path, self._item, params=self._params, hold=self._hold)
        self.resource_version = listing.resource_version
        return Relisted(listing.items, why)

    def _connection(self) -> Iterator[list[Event[T]]]:
        """One connection. Yields an empty batch first, once the server has taken the watch."""
        query = {
            **self._params,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.resource_version,
            "timeoutSeconds": str(self._timing.server),
        }
        timing = self._timing
        answer = self._cluster.stream(
            with_params(self._path, query), self._hold, read_seconds=timing.read, head_seconds=timing.head
        )
        whole = Deadline(timing.server + timing.read)
        lines = LineSplitter()
        try:
            yield []
            while chunk := answer.chunk(whole, timing.read):
                batch: list[Event[T]] = []
                for line in lines.feed(chunk):
                    try:
                        event = self._event(line)
                    except TargetError:
                        if batch:
                            yield batch  # what came before the error is known, and counts
                        raise
                    if event is not None:
                        batch.append(event)
                if batch:
                    yield batch
        finally:
            answer.close()

    def _event(self, line: bytes) -> Event[T] | None:
        if not line.strip():
            return None
        try:
            kind = self._lines.decode(line)
            if kind.type == "ERROR":
                status = decoded(kind.object, Status)
                text = f"{self._cluster.server} ended the watch of {self._path}: {status.message}."
                raise ApiError(text, http_status=status.code, reason=status.reason)
            version = self._versions.decode(kind.object).metadata.resource_version
            event: Event[T] | None = None
            if kind.type in ("ADDED", "MODIFIED", "DELETED"):
                event = Changed(kind.type, self._objects.decode(kind.object))  # type: ignore[arg-type]
        except msgspec.DecodeError as error:
            raise MalformedAnswer(
                f"{self._cluster.server} sent an unreadable line in the watch of {self._path}: {error}."
            ) from None
        self.resource_version = version or self.resource_version
        return event
