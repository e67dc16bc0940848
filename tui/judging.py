"""Judges while a fleet answers: a node's checks when that node is through, the cluster's and the order at intervals.

So the work grows with the fleet and not with its square: all checks again after every node would be that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.engine import Report, judge, one

if TYPE_CHECKING:
    from checks.check import Check
    from checks.finding import Outcome
    from checks.ids import CheckId
    from tui.investigation import Knows

REST = 3.0  # times as long as the last judging took: most of the time belongs to what asks
EVERYTHING = ""  # instead of a node: the cluster's answers are other ones


@dataclass
class Judging:
    """`tell` gets each report, in a thread of this; `done` are the nodes that the last one judged by new answers."""

    tell: Callable[[Report], None]
    done: set[str] = field(default_factory=set)
    _knows: Knows | None = None
    _through: list[str] = field(default_factory=list)
    _outcomes: dict[tuple[CheckId, str], Outcome] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def beside(self, knows: Knows) -> Iterator[None]:
        """While this lasts, a thread judges what `through` names. At the end it has come to rest."""
        self._knows = knows
        self.done = set()
        self._through, self._outcomes = [], {}
        thread = threading.Thread(target=self._work, args=(knows,), daemon=True, name="kwinnow-judging")
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._knows = None
                self._changed.notify()
            thread.join()  # never long: nobody is asked in it

    def through(self, knows: Knows, node: str) -> None:
        """All answers of this node are there (EVERYTHING: what is known of all nodes has changed)."""
        with self._changed:
            if knows is self._knows:  # a node that was given up may come back much later
                self._through.append(node)
                self._changed.notify()

    def whole(self, knows: Knows) -> Report:
        """Everything, in the caller's thread."""
        self._outcomes = {}
        return judge(knows)

    def _work(self, knows: Knows) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._through or self._knows is not knows)
                if self._knows is not knows:
                    return
                through, self._through = self._through, []
            begun = time.monotonic()
            report = self._judged(knows, set(through))
            self.done |= set(through) - {EVERYTHING}
            self.tell(report)
            with self._changed:
                rest = REST * (time.monotonic() - begun)
                self._changed.wait_for(lambda: self._knows is not knows, rest)

    def _judged(self, knows: Knows, through: set[str]) -> Report:
        if EVERYTHING in through:
            self._outcomes.clear()

        def run(check: Check, _: object, node: str) -> Outcome:
            known = self._outcomes.get((check.id, node))
            if known is None or not check.node_scope or node in through:
                known = self._outcomes[check.id, node] = one(check, knows, node)
            return known

        return judge(knows, run=run)
