"""What a session knows so far, and how an answer is kept."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from facts.fact import Fact, Failed, NotApplicable

Value = Fact | Failed | NotApplicable
Key = tuple[type[Fact], str]  # the fact and the node ("" for the cluster)


@dataclass(frozen=True)
class Answer:
    """A value with where it came from."""

    value: Value
    source: str  # the command or request that got it, pasteable
    at: datetime
    ms: int = 0


@dataclass(frozen=True)
class Progress:
    """Something happened: told to whoever watches a session."""

    node: str  # "" for the cluster
    fact: str  # "" when the node as a whole starts or ends
    done: int
    total: int
    outcome: str = ""  # started, known, failed, not-applicable, finished


@dataclass
class Answers:
    """All answers, by fact and node. One writer a key; reading from other threads is safe."""

    by_key: dict[Key, Answer] = field(default_factory=dict)
    forgotten: int = 0  # how often something was forgotten
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def put(self, fact: type[Fact], node: str, answer: Answer, since: int | None = None) -> None:
        """Keep an answer; one that was worked out from others only if nothing was forgotten `since` then."""
        with self._lock:
            if since in (None, self.forgotten):
                self.by_key[(fact, node)] = answer

    def find(self, fact: type[Fact], node: str) -> Answer | None:
        return self.by_key.get((fact, node))

    def forget(self, fact: type[Fact], nodes: Collection[str] | None = None) -> None:
        """Forget the fact everywhere, or (`nodes`) of these nodes alone."""
        with self._lock:
            self.forgotten += 1
            for key in [k for k in self.by_key if k[0] is fact and (nodes is None or k[1] in nodes)]:
                del self.by_key[key]

    def copy(self) -> Answers:
        return Answers(dict(self.by_key))
