"""GET of one object and of lists: selectors, pages, tables."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from typing import Any

from lab.api.errors import ApiError, not_found, too_new
from lab.api.request import Answer, Request, Target
from lab.api.resources import Resource
from lab.api.selectors import BadSelector, fields_match, labels_match
from lab.api.shapes import served
from lab.api.state import ApiState
from lab.api.tables import table
from lab.world.state import Object

SNAPSHOTS = 32  # lists that are being read page by page at the same time


class Pages:
    """Snapshots that continue tokens refer to."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[list[Object], int]] = OrderedDict()

    def keep(self, token: str, rest: list[Object], version: int) -> None:
        self._kept[token] = (rest, version)
        while len(self._kept) > SNAPSHOTS:
            self._kept.popitem(last=False)

    def take(self, token: str) -> tuple[list[Object], int] | None:
        return self._kept.get(token)


def selected(items: list[Object], query: dict[str, str]) -> list[Object]:
    """Those of `items` that the query's selectors match."""
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    try:
        return [
            i
            for i in items
            if labels_match(labels, i["metadata"].get("labels", {})) and fields_match(fields, i)
        ]
    except BadSelector as error:
        raise ApiError(400, str(error)) from None


def get_object(state: ApiState, request: Request, resource: Resource, target: Target) -> Answer:
    item = state.store.get((resource.api_version, resource.kind, target.namespace, target.name))
    if item is None:
        raise not_found(resource.group, resource.plural, target.name)
    shown = served(item, resource)
    if request.wants_table:
        meta = {"resourceVersion": shown["metadata"]["resourceVersion"]}
        return Answer(
            table(resource.kind, [shown], meta, state.now(), request.query.get("includeObject", "Metadata"))
        )
    return Answer(shown)


def list_objects(
    state: ApiState, pages: Pages, request: Request, resource: Resource, target: Target
) -> Answer:
    token = request.query.get("continue", "")
    if token:
        _check_token(token)
        kept = pages.take(token)
        if kept is None:
            raise ApiError(
                410,
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results.",
            )
        items, version = kept
    else:
        found, version = state.store.listed(resource.api_version, resource.kind, target.namespace)
        asked = request.query.get("resourceVersion", "")
        if asked.isdigit() and int(asked) > version:
            raise too_new(int(asked), version)
        items = selected(found, request.query)
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    limit = request.number("limit")
    if limit and len(items) > limit:
        rest = items[limit:]
        first = rest[0]["metadata"]
        start = f"{first.get('namespace', '')}/{first['name']}"
        document = {"v": "meta.k8s.io/v1", "rv": version, "start": start}
        following = base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
        pages.keep(following, rest, version)
        meta["continue"] = following
        if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
            meta["remainingItemCount"] = len(rest)
        items = items[:limit]
    shown = [served(i, resource) for i in items]
    if request.wants_table:
        return Answer(
            table(resource.kind, shown, meta, state.now(), request.query.get("includeObject", "Metadata"))
        )
    # Items of a list carry no kind and apiVersion: the list's own says it.
    bare = [{k: v for k, v in i.items() if k not in ("kind", "apiVersion")} for i in shown]
    return Answer(
        {
            "kind": resource.kind + "List",
            "apiVersion": resource.group_version,
            "metadata": meta,
            "items": bare,
        }
    )


def _check_token(token: str) -> None:
    try:
        json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise ApiError(400, f"invalid continue token: continue key is not valid: {error}") from None


def start_of_watch(query: dict[str, str]) -> int:
    """The version that a watch starts after. Whether that is too old to be known is said within the stream."""
    asked = query.get("resourceVersion", "")
    if not asked.isdigit() and asked:
        raise ApiError(400, f'strconv.ParseUint: parsing "{asked}": invalid syntax')
    return int(asked or 0)
