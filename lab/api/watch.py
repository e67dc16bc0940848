"""WATCH: the objects that change, as JSON lines, with bookmarks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from lab.api.errors import expired
from lab.api.reads import selected, start_of_watch
from lab.api.request import Request, Target
from lab.api.resources import Resource
from lab.api.shapes import served
from lab.api.state import ApiState
from lab.api.store import Change
from lab.api.tables import table
from lab.world.state import Object

DEFAULT_SECONDS = 1800.0
BOOKMARK_SECONDS = 60.0


class Watcher:
    """One watch. `events` yields encoded lines, and "" when there is nothing for a while (so that the caller can
    notice that the client has gone)."""

    def __init__(self, state: ApiState, request: Request, resource: Resource, target: Target) -> None:
        self._state, self._request, self._resource, self._target = state, request, resource, target
        self._after = start_of_watch(request.query)
        self._bookmarks = request.flag("allowWatchBookmarks")
        self._initial = request.flag("sendInitialEvents")
        self._sent: set[tuple[str, str]] = set()

    def _line(self, kind: str, item: Object) -> str:
        shown = served(item, self._resource)
        body: Any = shown
        if self._request.wants_table:
            meta = {"resourceVersion": shown["metadata"]["resourceVersion"]}
            body = table(
                self._resource.kind,
                [shown],
                meta,
                self._state.now(),
                self._request.query.get("includeObject", "Metadata"),
            )
        return json.dumps({"type": kind, "object": body}, separators=(",", ":")) + "\n"

    def _bookmark(self, version: int, *, end: bool = False) -> str:
        meta: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        item = {"kind": self._resource.kind, "apiVersion": self._resource.group_version, "metadata": meta}
        return json.dumps({"type": "BOOKMARK", "object": item}, separators=(",", ":")) + "\n"

    def _identity(self, item: Object) -> tuple[str, str]:
        return item["metadata"].get("namespace", ""), item["metadata"]["name"]

    def _shown(self, change: Change) -> str:
        """The line for a change, or "" when the watch does not select it. An object that stops matching is DELETED
        for this watch."""
        api, kind, namespace, name = change.key
        if (api, kind) != (self._resource.api_version, self._resource.kind):
            return ""
        if self._target.namespace not in ("", namespace) or self._target.name not in ("", name):
            return ""
        identity = self._identity(change.item)
        known = identity in self._sent
        if change.type == "DELETED" or not selected([change.item], self._request.query):
            self._sent.discard(identity)
            return self._line("DELETED", change.item) if known or change.type == "DELETED" else ""
        self._sent.add(identity)
        return self._line("MODIFIED" if known else change.type, change.item)

    def events(self) -> Iterator[str]:
        seconds = float(self._request.query.get("timeoutSeconds") or DEFAULT_SECONDS)
        end = time.monotonic() + seconds
        store = self._state.store
        items, version = store.listed(self._resource.api_version, self._resource.kind, self._target.namespace)
        present = [
            i
            for i in selected(items, self._request.query)
            if self._target.name in ("", i["metadata"]["name"])
        ]
        if self._after == 0 or self._initial:
            self._after = version
            for item in present:
                self._sent.add(self._identity(item))
                yield self._line("ADDED", item)
            if self._initial:
                yield self._bookmark(version, end=True)
        else:
            self._sent = {
                self._identity(i) for i in present if int(i["metadata"]["resourceVersion"]) <= self._after
            }
        bookmark_at = time.monotonic() + BOOKMARK_SECONDS
        while not self._state.stopping.is_set():
            with store.condition:
                if store.oldest > self._after:
                    yield (
                        json.dumps({"type": "ERROR", "object": expired(self._after, store.oldest).status()})
                        + "\n"
                    )
                    return
                changes, version = store.changes(self._after)
                if not changes:
                    left = end - time.monotonic()
                    if left <= 0:
                        break
                    store.condition.wait(min(left, 1.0))
                    changes, version = store.changes(self._after)
            self._after = max(self._after, version)
            yield from filter(None, (self._shown(c) for c in changes))
            if self._bookmarks and time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + BOOKMARK_SECONDS
                yield self._bookmark(self._after)
            elif not changes:
                yield ""
        if self._bookmarks:
            yield self._bookmark(self._after)
