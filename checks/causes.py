"""Which finding accounts for which: links declared by checks, drawn only where the two findings are related."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from checks.finding import Finding
from checks.ids import CheckId

Relation = Callable[[Finding, Finding], bool]


def SAME_NODE(cause: Finding, effect: Finding) -> bool:
    """Both are about the same Windows node, or about something on it."""
    return bool(cause.node) and cause.node == effect.node


def SAME_OBJECT(cause: Finding, effect: Finding) -> bool:
    """Both are about the same object."""
    return cause.object == effect.object


def CLUSTER(cause: Finding, effect: Finding) -> bool:
    """The cause is a setting of the whole cluster (or of its Linux side); the effect may be anywhere."""
    return True


def SAME_NODE_OR_CLUSTER(cause: Finding, effect: Finding) -> bool:
    """The same node, or a cause that belongs to no single node."""
    return not cause.node or cause.node == effect.node


class Link(msgspec.Struct, frozen=True):
    """`effect` is accounted for by the check that declares this link, where `related` (and `when`) hold."""

    effect: CheckId
    related: Relation = SAME_NODE
    when: Relation | None = None

    def holds(self, cause: Finding, effect: Finding) -> bool:
        return self.related(cause, effect) and (self.when is None or self.when(cause, effect))


def cause_of(effect: CheckId, same: Relation = SAME_NODE, when: Relation | None = None) -> Link:
    """Declare that a finding of this check accounts for a finding of `effect`."""
    return Link(effect, same, when)


class Graph:
    """All declared links. Unknown effects and cycles are errors."""

    def __init__(self, links: Iterable[tuple[CheckId, Sequence[Link]]], known: Iterable[CheckId]) -> None:
        self.links: dict[CheckId, tuple[Link, ...]] = {cause: tuple(found) for cause, found in links}
        self._known = set(known)
        for cause, found in self.links.items():
            for link in found:
                if link.effect not in self._known:
                    raise ValueError(f"{cause} explains {link.effect}, and there is no such check.")
        self._depth: dict[CheckId, int] = {}
        for cause in self.links:
            self._walk(cause, ())

    def _walk(self, at: CheckId, path: tuple[CheckId, ...]) -> int:
        if at in path:
            raise ValueError("The links form a circle: " + " → ".join((*path[path.index(at) :], at)))
        if at not in self._depth:
            self._depth[at] = max(
                (1 + self._walk(k.effect, (*path, at)) for k in self.links.get(at, ())), default=0
            )
        return self._depth[at]

    def causes(self, effect: CheckId) -> list[CheckId]:
        """The checks that account for `effect`, directly or not, nearest first."""
        order: list[CheckId] = []
        todo: list[CheckId] = [effect]
        while todo:
            at = todo.pop(0)
            for cause, links in self.links.items():
                if cause not in order and any(k.effect == at for k in links):
                    order.append(cause)
                    todo.append(cause)
        return order

    def edges(self, findings: Sequence[Finding]) -> set[tuple[str, str]]:
        """(cause key, effect key) for every pair of findings that a link connects."""
        by_id: dict[CheckId, list[Finding]] = {}
        for finding in findings:
            by_id.setdefault(finding.id, []).append(finding)
        return {
            (cause.key, effect.key)
            for cause in findings
            for link in self.links.get(cause.id, ())
            for effect in by_id.get(link.effect, ())
            if cause.key != effect.key and link.holds(cause, effect)
        }
