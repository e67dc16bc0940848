"""One deadline for a whole exchange, handed from call to call."""

from __future__ import annotations

import time

from targets.errors import DeadlineExceeded

NODE_SECONDS = 35.0  # for all that is asked of one node, unless the configuration says otherwise


def spoken(seconds: float) -> str:
    """Seconds as a sentence has them: whole ones, below ten with one place."""
    return f"{seconds:.0f}" if seconds >= 9.95 else f"{seconds:.1f}".removesuffix(".0")


class Deadline:
    """A point in monotonic time. `seconds` counts from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds that remain, never below 0, and never above `at_most`."""
        rest = max(0.0, self._end - time.monotonic())
        return rest if at_most is None else min(rest, at_most)

    @property
    def passed(self) -> bool:
        return self.left() <= 0

    def check(self, what: str) -> None:
        """Raise DeadlineExceeded, naming `what`, once the time is up."""
        if self.passed:
            raise DeadlineExceeded(f"{what} did not answer within {spoken(self.seconds)} s.")
