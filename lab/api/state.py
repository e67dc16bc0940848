"""What the API server serves from, and the switches of its conditions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.api.access import Directory
from lab.api.resources import Resource, resources
from lab.api.store import Store
from lab.world.state import Key, LogLine, Object, Plan

Writer = Callable[[Key, Object | None, str], Object]
LogReader = Callable[[str, str, str], list[LogLine]]


@dataclass
class Weather:
    """Conditions of the API server itself. Counters make them deterministic: no dice."""

    fail_every: int = 0  # every n-th request gets 500
    reset_every: int = 0  # every n-th request's connection is closed without an answer
    throttle: int = 0  # the first n requests get 429
    cut_lists_after: int = 0  # bytes after which an answer of a list breaks off
    always: dict[str, str] = field(default_factory=dict)  # last part of a path → what becomes of each request
    _count: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def next_request(self, path: str = "") -> str:
        """ "" for an ordinary one, else "500", "429" or "reset"."""
        ill = self.always.get(path.partition("?")[0].rstrip("/").rpartition("/")[2], "")
        if ill:
            return ill
        with self._lock:
            self._count += 1
            if self._count <= self.throttle:
                return "429"
            if self.reset_every and self._count % self.reset_every == 0:
                return "reset"
            return "500" if self.fail_every and self._count % self.fail_every == 0 else ""


@dataclass
class ApiState:
    """Everything that the handlers share. `write` stores one object (None: deletes it) in the world and derives."""

    plan: Plan
    store: Store
    now: Callable[[], float]
    write: Writer
    read_log: LogReader
    log_changed: threading.Condition = field(default_factory=threading.Condition)
    directory: Directory = field(default_factory=Directory)
    weather: Weather = field(default_factory=Weather)
    kubelet_down: Callable[[str], str] = lambda node: (
        ""
    )  # node name → error text, empty when its kubelet answers
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.resources: list[Resource] = resources(self.plan.minor)

    def resource(self, group_version: str, plural: str) -> Resource | None:
        return next(
            (r for r in self.resources if r.group_version == group_version and r.plural == plural), None
        )
