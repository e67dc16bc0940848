"""The order in which findings are read: root causes first, their consequences behind them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from checks.finding import Finding
from checks.ids import CHECK_IDS, FLAGSHIP

_FLAGSHIP = {i: at for at, i in enumerate(FLAGSHIP)}
_CATALOGUE = {i: at for at, i in enumerate(CHECK_IDS)}


class Ranked(msgspec.Struct, frozen=True):
    """Findings in reading order, and who accounts for whom (by key)."""

    findings: tuple[Finding, ...]
    explains: dict[str, tuple[str, ...]]
    explained_by: dict[str, tuple[str, ...]]

    @property
    def causes(self) -> tuple[Finding, ...]:
        """Findings that nothing found accounts for."""
        return tuple(f for f in self.findings if not self.explained_by[f.key])

    def consequences(self, key: str) -> list[Finding]:
        """Everything that `key` accounts for, directly or not, in reading order."""
        reached = _reach(key, self.explains)
        return [f for f in self.findings if f.key in reached]


def _reach(start: str, edges: dict[str, tuple[str, ...]]) -> set[str]:
    reached: set[str] = set()
    todo = [start]
    while todo:
        for effect in edges.get(todo.pop(), ()):
            if effect not in reached and effect != start:
                reached.add(effect)
                todo.append(effect)
    return reached


def rank(findings: Sequence[Finding], edges: set[tuple[str, str]]) -> Ranked:
    """Order `findings`. Causes come by the worst that they lead to, by how many findings they account for, by the
    flagship index, by id. Consequences come after all causes, the nearest to a cause first.
    """
    explains = {f.key: tuple(sorted(e for c, e in edges if c == f.key)) for f in findings}
    explained_by = {f.key: tuple(sorted(c for c, e in edges if e == f.key)) for f in findings}
    severity = {f.key: f.severity for f in findings}
    reach = {f.key: _reach(f.key, explains) for f in findings}

    def order(f: Finding) -> tuple[object, ...]:
        worst = max([f.severity, *(severity[k] for k in reach[f.key])]) if f.severity else f.severity
        flagship = _FLAGSHIP.get(f.id, len(_FLAGSHIP))
        return (bool(explained_by[f.key]), -worst, -len(reach[f.key]), flagship, _CATALOGUE[f.id], f.key)

    return Ranked(tuple(sorted(findings, key=order)), explains, explained_by)
