"""Many nodes at once, with a bound on threads and on patience."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from targets.target import NodeRef


class Fleet:
    """Runs `work` for every node in daemon threads, at most `workers` at a time.

    `run` yields the nodes whose thread took longer than `patience` seconds. Their threads are left behind: a
    thread cannot be ended, and nobody must wait for it.
    """

    def __init__(
        self, nodes: Sequence[NodeRef], workers: int, patience: float, work: Callable[[NodeRef], None]
    ) -> None:
        self._todo = deque(nodes)
        self._workers = workers
        self._patience = patience
        self._work = work
        self._since: dict[str, tuple[NodeRef, float]] = {}
        self._changed = threading.Condition()

    def run(self, cancelled: threading.Event) -> Iterator[NodeRef]:
        """Returns when every node has been worked through or given up, or `cancelled` is set."""
        while True:
            late: list[NodeRef] = []
            with self._changed:
                while self._todo and len(self._since) < self._workers and not cancelled.is_set():
                    self._start(self._todo.popleft())
                if not self._since and (not self._todo or cancelled.is_set()):
                    return
                self._changed.wait(0.5)
                now = time.monotonic()
                late = [
                    n
                    for n, since in self._since.values()
                    if now - since > self._patience or cancelled.is_set()
                ]
                for node in late:
                    del self._since[node.name]
            yield from late

    def _start(self, node: NodeRef) -> None:
        self._since[node.name] = (node, time.monotonic())
        threading.Thread(target=self._one, args=(node,), daemon=True, name=f"kwinnow-{node.name}").start()

    def _one(self, node: NodeRef) -> None:
        try:
            self._work(node)
        finally:
            with self._changed:
                self._since.pop(node.name, None)
                self._changed.notify()
