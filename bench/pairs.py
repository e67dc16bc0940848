"""Two ways to do the same, measured side by side: A B A B …, so that the machine's mood strikes both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """`times`: how many times longer the other way takes (median of the pairs); `low` and `high`: the extremes."""

    what: str
    times: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        spread = f"{self.low:.2f} to {self.high:.2f}, {self.pairs} pair{'s' * (self.pairs > 1)}"
        return f"{self.what:<66} {self.times:8.2f}   ({spread})"


def seconds(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    """How long `work` takes by `clock`."""
    began = clock()
    work()
    return clock() - began


def side_by_side(
    what: str, ours: Work, other: Work, pairs: int, clock: Callable[[], float] = time.perf_counter
) -> Ratio:
    """other ÷ ours, once a pair. `clock` may be `time.process_time`: then it is this process's CPU time."""
    ratios = []
    for number in range(pairs):
        if number % 2:
            second, first = seconds(other, clock), seconds(ours, clock)
        else:
            first, second = seconds(ours, clock), seconds(other, clock)
        ratios.append(second / first)
    return Ratio(what, statistics.median(ratios), min(ratios), max(ratios), pairs)
