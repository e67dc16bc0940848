"""Facts that the session itself makes: the way into a node, the node's own object, the time, what somebody wishes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from facts.cluster.objects import NodeObject
from facts.fact import Fact, Failed, made_by_session


class Attempt(msgspec.Struct, frozen=True):
    """One way that was tried, how far it came, and what went wrong (all empty when it worked)."""

    way: str
    address: str
    stage: str = ""  # config, resolve, connect, tls, auth, shell, command, answer
    kind: str = ""  # the TargetError's kind
    code: str = ""  # refused, filtered, rejected, scheme-off, quota, …
    why: str = ""
    hint: str = ""

    @property
    def worked(self) -> bool:
        return not self.kind

    def failed(self) -> Failed:
        """What every question has for an answer that was to go this way."""
        return Failed(self.kind, self.why, self.hint, self.code, self.stage)

    @classmethod
    def broken_off(cls, way: str, address: str, why: Failed) -> Attempt:
        """A way that led in, and on which the answer ended for the reason `why`."""
        return cls(way, address, "answer", why.kind, why.code, why.why, why.hint)


class Hello(msgspec.Struct, frozen=True):
    """The collector's first line, and what the console's clock said when it came."""

    language: str  # FullLanguage, ConstrainedLanguage
    elevated: bool
    version: str  # of PowerShell
    now: datetime  # the node's clock, UTC
    received: datetime  # the console's clock, UTC
    round_trip: float = 0.0  # seconds between asking and this line: the skew is known no better than this


@made_by_session
class Access(Fact, frozen=True):
    """The fact that never fails: which ways into a node were tried, how far each came, what went wrong."""

    PER_NODE: ClassVar[bool] = True

    attempts: tuple[Attempt, ...] = ()
    hello: Hello | None = None

    @property
    def way(self) -> str:
        """The way in use; empty when none worked."""
        return next((a.way for a in self.attempts if a.worked), "")

    @property
    def constrained(self) -> bool:
        return self.hello is not None and self.hello.language != "FullLanguage"


@made_by_session
class ThisNode(Fact, frozen=True):
    """The Windows node that a check or a question is about, as the API shows it."""

    PER_NODE: ClassVar[bool] = True

    object: NodeObject

    @property
    def name(self) -> str:
        return self.object.metadata.name


@made_by_session
class Now(Fact, frozen=True):
    """When the session asked, by the console's clock (of a recording: when it was recorded)."""

    utc: datetime


@made_by_session
class Wishes(Fact, frozen=True):
    """What somebody wants tried on a node beyond looking at it. Nothing is tried that does not stand here."""

    PER_NODE: ClassVar[bool] = True

    flows: bool = False  # connections from the Windows host to node ports, ClusterIPs and pods of Services
