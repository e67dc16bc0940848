"""What the layers above may ask of a target. A live cluster, a Windows node and a recording all fit here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from targets.deadline import Deadline

T = TypeVar("T")


class ClusterTarget(Protocol):
    """The Kubernetes API. Every method may raise any TargetError."""

    @property
    def context(self) -> str:
        """Name of the kubeconfig context, for display and audit."""
        ...

    @property
    def server(self) -> str:
        """Address of the API server, for display and audit."""
        ...

    def get(self, path: str, as_type: type[T]) -> T:
        """One object or document: GET `path`, decoded as `as_type` (unknown fields are ignored)."""
        ...

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        """All items below `path`, read in pages of 500, each decoded as `item`."""
        ...

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        """The body of GET `path` as text, at most `limit` bytes of it (pod logs, /livez)."""
        ...

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        """POST `body` (a msgspec-encodable value) and decode the answer."""
        ...


class NodeWay(Protocol):
    """One way into one Windows node (WinRM today). It runs one command line and streams its output."""

    @property
    def way(self) -> str:
        """Short name for display: "winrm"."""
        ...

    @property
    def address(self) -> str:
        """Where it goes, for display: "https://10.0.1.21:5986"."""
        ...

    def run(self, command: str, stdin: bytes, deadline: Deadline) -> Iterator[bytes]:
        """Run `command`, feed it `stdin`, yield stdout chunks as they come.

        Raises a TargetError when the way fails; output that came before the failure has been yielded.
        """
        ...

    def cancel(self) -> None:
        """Stop a `run` that is under way in another thread, at once."""
        ...


class NodeRef(msgspec.Struct, frozen=True):
    """What a way needs to know about a node before any fact is asked."""

    name: str
    addresses: tuple[tuple[str, str], ...] = ()  # (type, address), as in node.status.addresses

    def address(self, kind: str) -> str:
        return next((value for have, value in self.addresses if have == kind), "")


class NodeWays(Protocol):
    """Knows how each node is reached (configuration, credentials)."""

    def open(self, node: NodeRef) -> NodeWay:
        """A fresh way into `node`, for the use of one thread. TargetError says why there is none."""
        ...


@dataclass
class Sent:
    """One thing that was sent to a target, as the Commands-run screen shows it."""

    at: float  # seconds since the epoch
    target: str  # node name, or the context of the cluster
    text: str  # pasteable: a kubectl command line, or PowerShell
    ms: float = 0.0
    outcome: str = ""  # "ok", or the kind of the TargetError
    detail: str = ""


@dataclass
class CommandLog:
    """Everything that was sent, in order. Appending is safe from any thread (list.append is atomic)."""

    entries: list[Sent] = field(default_factory=list)

    def add(self, sent: Sent) -> None:
        self.entries.append(sent)
