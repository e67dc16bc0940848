"""Many logs at once, with a bound on connections and on patience: each comes from another kubelet, and one may hang."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from targets.deadline import spoken
from targets.errors import DeadlineExceeded, TargetError

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8
SECONDS = 20.0  # for all of them; every Windows node waits for it


def read_each(
    items: Sequence[T], read: Callable[[T], R], *, at_once: int = AT_ONCE, seconds: float = SECONDS
) -> list[R | TargetError]:
    """What `read` gives for each item, in their order; in place of an answer the error, or that it took too long.

    An exception that is no TargetError is a defect: its traceback goes where the thread's goes, and this raises too.
    """
    todo: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, list[R | TargetError]]] = queue.SimpleQueue()
    for place in enumerate(items):
        todo.put(place)
    why = f"It was not read within {spoken(seconds)} s."
    late = DeadlineExceeded(why, "Look at it alone: kubectl logs names the kubelet that hangs.")
    found: list[R | TargetError] = [late] * len(items)
    end = time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < end:
            try:
                index, item = todo.get_nowait()
            except queue.Empty:
                return
            answer: list[R | TargetError] = []
            try:
                answer.append(read(item))
            except TargetError as error:
                answer.append(error)
            finally:
                done.put((index, answer))

    for _ in range(min(at_once, len(items))):
        threading.Thread(target=work, daemon=True, name="kwinnow-logs").start()
    for _ in items:
        try:
            index, answer = done.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        if not answer:
            raise RuntimeError("A thread that reads logs has died; its traceback says of what.")
        found[index] = answer[0]
    return found
