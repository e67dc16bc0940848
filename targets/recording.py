"""A session saved and opened again: a recording is a target like any other.

Format: gzip of JSON lines. The first is the header; every other line is one answer, in the order in which it
came, so that a recording that was cut off still opens. Everything is redacted as it is written.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from targets.decoding import converted, decoded
from targets.errors import (
    CredentialsExpired,
    DeadlineExceeded,
    MalformedAnswer,
    NotFound,
    PermissionDenied,
    TargetError,
    Unreachable,
)
from targets.redact import redact_value
from targets.target import ClusterTarget
from targets.unpacking import MAGIC, unpacked

T = TypeVar("T")
FORMAT = 1
_KINDS: dict[str, type[TargetError]] = {
    kind.kind: kind
    for kind in (
        Unreachable,
        PermissionDenied,
        CredentialsExpired,
        DeadlineExceeded,
        MalformedAnswer,
        NotFound,
    )
}


class RecordingError(TargetError):
    """The file is no recording, or cannot be read or written."""

    kind = "recording"


class NotRecorded(TargetError):
    """The recording does not hold the answer."""

    kind = "not-recorded"


class Header(msgspec.Struct):
    """First line of a recording."""

    kwinnow: int
    recorded: datetime
    context: str
    server: str


class SavedError(msgspec.Struct, omit_defaults=True):
    kind: str
    what: str
    hint: str = ""
    verb: str = ""
    resource: str = ""


class Line(msgspec.Struct, omit_defaults=True):
    """One answer. `node` is empty for the cluster; `ask` is a path, or a question's id ("access" for the way)."""

    node: str
    ask: str
    at: datetime
    value: Any = None
    error: SavedError | None = None
    ms: int = 0


def cluster_key(method: str, path: str, params: dict[str, str] | None) -> str:
    """How a request to the API is named in a recording."""
    query = "&".join(f"{k}={v}" for k, v in sorted((params or {}).items()))
    return f"{method} {path}" + (f"?{query}" if query else "")


class Recorder:
    """Writes a recording. Safe from any thread. Close it, or the end of the file is missing.

    What cannot be written keeps nobody from asking on: `lost` says why the rest is missing.
    """

    def __init__(self, path: Path, context: str, server: str) -> None:
        self.path = path
        self.lost = ""
        self._lock = threading.Lock()
        try:
            # Findings name a cluster's weak points: the file is for its owner alone.
            path.touch(mode=0o600, exist_ok=True)
            self._file = gzip.open(path, "wb")  # noqa: SIM115  closed by close()
        except OSError as error:
            fix = "Name a file in it." if path.is_dir() else "Name another file."
            raise RecordingError(
                f"The recording {path} cannot be written: {(error.strerror or 'it failed').lower()}.", fix
            ) from error
        self._put(Header(FORMAT, datetime.now(UTC), context, server))

    def _put(self, line: object) -> None:
        text = msgspec.json.encode(line) + b"\n"
        with self._lock, self._watched():
            if not self.lost:
                self._file.write(text)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = self.lost or (error.strerror or "it failed").lower()

    def add(self, line: Line) -> None:
        self._put(msgspec.structs.replace(line, value=redact_value(msgspec.to_builtins(line.value))))

    def close(self) -> None:
        with self._lock, self._watched():
            self._file.close()


class RecordingCluster:
    """A ClusterTarget that writes down what the real one answers."""

    def __init__(self, cluster: ClusterTarget, recorder: Recorder) -> None:
        self._cluster, self._recorder = cluster, recorder
        self.context, self.server = cluster.context, cluster.server

    def get(self, path: str, as_type: type[T]) -> T:
        return self._kept("get", path, None, lambda: self._cluster.get(path, as_type))

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        return self._kept("list", path, params, lambda: self._cluster.list(path, item, params=params))

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        return self._kept("text", path, params, lambda: self._cluster.text(path, params=params, limit=limit))

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        return self._kept("create", path, _digest(body), lambda: self._cluster.create(path, body, as_type))

    def _kept(self, method: str, path: str, params: dict[str, str] | None, ask: Callable[[], T]) -> T:
        key = cluster_key(method, path, params)
        try:
            value = ask()
        except TargetError as error:
            self._recorder.add(Line("", key, datetime.now(UTC), error=saved(error)))
            raise
        self._recorder.add(Line("", key, datetime.now(UTC), value))
        return value


def _digest(body: object) -> dict[str, str]:
    """What tells two questions to the same path apart (two access reviews, say)."""
    return {"body": hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:12]}


def saved(error: TargetError) -> SavedError:
    return SavedError(
        error.kind, error.what, error.hint, getattr(error, "verb", ""), getattr(error, "resource", "")
    )


def raised(error: SavedError) -> TargetError:
    kind = _KINDS.get(error.kind, TargetError)
    if kind is PermissionDenied:
        return PermissionDenied(error.what, error.hint, verb=error.verb, resource=error.resource)
    made = kind(error.what, error.hint)
    made.kind = error.kind  # a refusal by the API server is judged as it was
    return made


class Recording:
    """An opened recording. RecordingError names the file and what is wrong with it.

    What is damaged is read as far as it goes; `damage` is a sentence that says how far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise RecordingError(
                f"The recording {path} cannot be read: {(error.strerror or str(error)).lower()}.",
                "Check its name.",
            ) from error
        self.header, self.lines = self._decode(packed)

    def _decode(self, packed: bytes) -> tuple[Header, list[Line]]:
        found = unpacked(packed)
        raw = found.data.split(b"\n")
        last = raw.pop()  # whole lines end with a line feed
        if last and not found.trouble:
            raw.append(last)
        header = self._header(raw, packed, found.trouble)
        lines: list[Line] = []
        left_out: list[int] = []
        for number, text in enumerate(raw[1:], 2):
            try:
                lines.append(decoded(text, Line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                left_out.append(number)
                if found.trouble in ("broken", "checksum"):  # what follows was unpacked by what is wrong here
                    break
        self.damage = self._told(found.trouble, len(lines) + 1, left_out)
        return header, lines

    def _header(self, raw: list[bytes], packed: bytes, trouble: str) -> Header:
        try:
            header = decoded(raw[0], Header)
        except (IndexError, msgspec.DecodeError, UnicodeDecodeError):
            if trouble or (packed and MAGIC.startswith(packed)):
                what = f"{self.path} is damaged at its very start: nothing of it can be read."
                raise RecordingError(
                    what, "Copy it anew, or make another with kwinnow check --save."
                ) from None
            what = f"{self.path} is not a recording of kwinnow."
            raise RecordingError(what, "Make one with kwinnow check --save.") from None
        if header.kwinnow > FORMAT:
            what = f"{self.path} was made by a newer kwinnow (format {header.kwinnow})."
            raise RecordingError(what, "Update kwinnow.")
        return header

    def _told(self, trouble: str, read: int, left_out: list[int]) -> str:
        if trouble == "cut":  # written by a process that was killed, or copied in part
            return f"{self.path} ends early, after line {read}; what it holds is judged."
        if trouble == "checksum" and not left_out:
            return f"{self.path} is damaged: its checksum is wrong, so that something in it is not as it was recorded."
        if trouble:
            return f"{self.path} is damaged after line {read}; what stands before is judged."
        if left_out:
            which = ", ".join(map(str, left_out[:6])) + (" …" if len(left_out) > 6 else "")
            said = (
                f"line {which} cannot be read and is"
                if len(left_out) == 1
                else (f"{len(left_out)} lines ({which}) cannot be read and are")
            )
            return f"{self.path} is damaged: {said} left out; the rest is judged."
        return ""

    def find(self, node: str, ask: str) -> Line | None:
        """The latest answer to that question."""
        return next((line for line in reversed(self.lines) if line.node == node and line.ask == ask), None)


class RecordedCluster:
    """The API as a recording has it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.context, self.server = recording.header.context, recording.header.server

    def get(self, path: str, as_type: type[T]) -> T:
        return self._decoded("get", path, None, as_type)

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        found: list[T] = self._decoded("list", path, params, list[item])  # type: ignore[valid-type]
        return found

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        return self._decoded("text", path, params, str)[:limit]

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        return self._decoded("create", path, _digest(body), as_type)

    def _decoded(self, method: str, path: str, params: dict[str, str] | None, as_type: type[T]) -> T:
        line = self._recording.find("", cluster_key(method, path, params))
        if line is None:
            raise NotRecorded(f"The recording does not hold {path}.", "Record anew to have it.")
        if line.error is not None:
            raise raised(line.error)
        try:
            return converted(line.value, as_type)
        except msgspec.ValidationError as error:
            raise MalformedAnswer(f"The recording's answer for {path} cannot be read: {error}.") from error
