"""Objects with resource versions and a history, kept in step with a world that is derived anew after each change."""

from __future__ import annotations

import copy
import threading
from collections import deque
from dataclasses import dataclass

from lab.world.state import Key, Object

HISTORY = 2_000


@dataclass(frozen=True)
class Change:
    """One step of the history: ADDED, MODIFIED or DELETED."""

    version: int
    type: str
    key: Key
    item: Object


class Conflict(Exception):
    """The object has changed since the writer read it."""


class Store:
    """Thread-safe. `sync` takes a whole world and records what differs; readers get copies that never change."""

    def __init__(self, start: int = 1000) -> None:
        self.condition = threading.Condition()
        self.version = start
        self.oldest = start  # watches from before this version are answered with 410
        self._items: dict[Key, Object] = {}
        self._plain: dict[Key, Object] = {}  # without resourceVersion, to compare
        self._history: deque[Change] = deque(maxlen=HISTORY)

    def sync(self, objects: dict[Key, Object]) -> int:
        """Make the store equal to `objects`; the number of changes."""
        with self.condition:
            before = self.version
            for key in [k for k in self._items if k not in objects]:
                self._remove(key)
            for key, item in objects.items():
                if self._plain.get(key) != item:
                    self._write(key, item)
            if self.version != before:
                self.condition.notify_all()
            return self.version - before

    def _write(self, key: Key, item: Object) -> Object:
        self.version += 1
        plain = copy.deepcopy(item)
        plain["metadata"].pop("resourceVersion", None)
        stored = copy.deepcopy(plain)
        stored["metadata"]["resourceVersion"] = str(self.version)
        kind = "MODIFIED" if key in self._items else "ADDED"
        self._items[key], self._plain[key] = stored, plain
        self._record(Change(self.version, kind, key, stored))
        return stored

    def _remove(self, key: Key) -> Object:
        self.version += 1
        gone = copy.deepcopy(self._items.pop(key))
        self._plain.pop(key)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._record(Change(self.version, "DELETED", key, gone))
        return gone

    def _record(self, change: Change) -> None:
        if len(self._history) == HISTORY:
            self.oldest = self._history[0].version
        self._history.append(change)

    def compact(self) -> None:
        """Forget the history, as etcd's compaction does: older watches get 410 Gone."""
        with self.condition:
            self._history.clear()
            self.oldest = self.version  # whoever has seen this one has missed nothing
            self.version += 1
            self.condition.notify_all()

    def get(self, key: Key) -> Object | None:
        with self.condition:
            return self._items.get(key)

    def listed(self, api: str, kind: str, namespace: str) -> tuple[list[Object], int]:
        """All objects of a kind (in one namespace, or "" for all), sorted by key, and the version of the list."""
        with self.condition:
            keys = sorted(k for k in self._items if k[0] == api and k[1] == kind and namespace in ("", k[2]))
            return [self._items[k] for k in keys], self.version

    def changes(self, after: int) -> tuple[list[Change], int]:
        """What happened after version `after`, and the version reached. Call with `condition` held."""
        return [c for c in self._history if c.version > after], self.version

    def save(self, key: Key, item: Object, *, expected: str = "") -> Object:
        """Write one object (a lock, a ConfigMap). `expected` is the resourceVersion that must still be current."""
        with self.condition:
            current = self._items.get(key)
            if expected and (current is None or current["metadata"]["resourceVersion"] != expected):
                raise Conflict
            stored = self._write(key, item)
            self.condition.notify_all()
            return stored

    def drop(self, key: Key) -> Object | None:
        with self.condition:
            if key not in self._items:
                return None
            gone = self._remove(key)
            self.condition.notify_all()
            return gone
