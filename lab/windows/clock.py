"""The lab's clock as the nodes need it: `epoch` is the moment that relative times count from."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970, UTC. A lab may run faster than the wall."""

    @property
    def epoch(self) -> float: ...

    def now(self) -> float: ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Waits so many seconds of this clock; true if `stop` was set before they were over."""
        ...


class WallClock:
    """The real time; `speed` above 1 makes waits shorter and leaves `now` as it is on the wall."""

    def __init__(self, speed: float = 1.0) -> None:
        self._epoch = time.time()
        self._speed = speed

    @property
    def epoch(self) -> float:
        return self._epoch

    def now(self) -> float:
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait(seconds / self._speed)
