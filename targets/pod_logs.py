"""Logs of one container, followed over reconnects: repeats dropped, and a visible row for everything else.

A followed log ends for many reasons that are no end of the log: proxies close long streams, kubelets restart,
files rotate. So it is taken up again with `sinceTime`, whose granularity is one second; the lines of that
second come twice and are dropped by timestamp and text. Source: "Read log" of Pod in the Kubernetes API
reference.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

import msgspec

from targets.api_errors import LASTING
from targets.cluster import Cluster, with_params
from targets.deadline import Deadline
from targets.errors import TargetError
from targets.http_wire import Hold
from targets.lines import LineSplitter
from targets.stream import Feed, Stream


class Row(msgspec.Struct, frozen=True, gc=False):
    """A line of the log, or a notice about the log itself.

    `time` is RFC 3339 as the runtime wrote it ("" if it wrote none); for a notice it is our own clock.
    """

    time: str
    text: str
    kind: Literal["line", "notice"] = "line"


@dataclass(frozen=True)
class LogChoice:
    """Which log. `tail` lines at first (None: all), `since` in seconds or `since_time` in RFC 3339."""

    namespace: str
    pod: str
    container: str = ""
    follow: bool = True
    previous: bool = False
    tail: int | None = 500
    since: int | None = None
    since_time: str = ""

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{quote(self.namespace, safe='')}/pods/{quote(self.pod, safe='')}/log"

    @property
    def goes_on(self) -> bool:
        """Whether more may come after the end of what is there."""
        return self.follow and not self.previous

    def params(self, resume: str = "") -> dict[str, str]:
        """The query; with `resume`, all from that second on instead of tail and since."""
        params = {"timestamps": "true"}
        if self.container:
            params["container"] = self.container
        if self.previous:
            params["previous"] = "true"
        if self.goes_on:
            params["follow"] = "true"
        if resume:
            return params | {"sinceTime": resume}
        if self.tail is not None:
            params["tailLines"] = str(self.tail)
        if self.since_time:
            params["sinceTime"] = self.since_time
        elif self.since is not None:
            params["sinceSeconds"] = str(self.since)
        return params


@dataclass(frozen=True)
class LogTiming:
    """Seconds. A log that is silent for `read` is asked anew, because a dead path is silent too."""

    read: float = 300.0
    head: float = 300.0  # the server sends no head before the first line of a followed log
    first_pause: float = 1.0
    longest_pause: float = 30.0
    whole: float = 24 * 3600.0  # of one connection; then it is taken up anew


class PodLog:
    """Reads the log of one container; a `Source` for `Stream`."""

    def __init__(self, cluster: Cluster, choice: LogChoice, timing: LogTiming = LogTiming()) -> None:
        self._cluster, self._choice, self._timing = cluster, choice, timing
        self._hold = Hold()
        self._memory = _Memory()

    def stop(self) -> None:
        """End `batches`, at once, from any thread."""
        self._hold.release()

    def batches(self) -> Iterator[list[Row]]:
        """Rows as they arrive.

        Ends when stopped, when a log that is not followed ends, and with a notice when the pod is gone or may
        not be read. An unsteady connection is taken up again for as long as it takes.
        """
        failures, told = 0, ""  # told: the interruption that the last notice spoke of
        while not self._hold.released:
            why = "The log stream ended."
            try:
                for batch in self._connection(interrupted=bool(told)):
                    failures, told = 0, ""
                    yield batch
                if not self._choice.goes_on:
                    return
            except TargetError as error:
                why = error.what
                if self._hold.released:
                    return
                if isinstance(error, LASTING) or not self._choice.goes_on:
                    yield [_notice(f"{error} No more is read.")]
                    return
            if self._hold.released:
                return
            if why != told:  # said once, however often the next attempts end in the same way
                yield [_notice(f"{why} Waiting for more.")]
                told = why
            pause = min(self._timing.longest_pause, self._timing.first_pause * float(2 ** min(failures, 10)))
            failures += 1
            if self._hold.pause(pause * random.uniform(0.8, 1.2)):
                return

    def _connection(self, interrupted: bool) -> Iterator[list[Row]]:
        """One connection; rows not seen before, led by a notice if there was an interruption."""
        timing = self._timing
        resume = self._memory.resume()
        self._memory.rewind()
        path = with_params(self._choice.path, self._choice.params(resume))
        answer = self._cluster.stream(path, self._hold, read_seconds=timing.read, head_seconds=timing.head)
        whole = Deadline(timing.whole)
        lines = LineSplitter()
        try:
            ended = False
            while not ended:
                chunk = answer.chunk(whole, timing.read)
                ended = not chunk
                rest = lines.rest() if ended else b""
                fresh = self._fresh(lines.feed(chunk) if chunk else [rest] if rest else [])
                if fresh:
                    yield [self._taken_up(resume), *fresh] if interrupted else fresh
                    interrupted = False
        finally:
            answer.close()

    def _fresh(self, lines: list[bytes]) -> list[Row]:
        remember = self._memory.is_new
        rows = []
        for line in lines:
            text = line.decode("utf-8", "replace")
            stamp, _, rest = text.partition(" ")
            if not _is_stamp(stamp):
                stamp, rest = "", text
            if remember(stamp, rest):
                rows.append(Row(stamp, rest))
        return rows

    def _taken_up(self, resume: str) -> Row:
        if not resume:
            return _notice("Connected.")
        if self._memory.seen_again:
            return _notice("Connected again; nothing is missing.")
        return _notice(
            f"Connected again, with a gap: lines after {resume} may be missing, because the log was "
            "rotated or the container restarted."
        )


class _Memory:
    """The lines of the last second seen, so that a replay from that second on can be told from news."""

    def __init__(self) -> None:
        self._second = ""
        self._zone = ""
        self._seen: Counter[int] = Counter()
        self._replay: Counter[int] = Counter()
        self.seen_again = False

    def resume(self) -> str:
        """From when on to ask, "" at the start. RFC 3339, whole seconds."""
        return self._second + self._zone

    def rewind(self) -> None:
        """A replay of the last second begins."""
        self._replay = Counter(self._seen)
        self.seen_again = False

    def is_new(self, stamp: str, text: str) -> bool:
        """Whether the line is news; remembers it."""
        if not stamp:
            return True
        key = hash((stamp, text))
        if self._replay.get(key, 0) > 0:
            self._replay[key] -= 1
            self.seen_again = True
            return False
        second = stamp[:19]
        if second != self._second:
            zone = _zone(stamp)
            # Lines of two streams may be a little out of order; another zone means another clock.
            if second > self._second or zone != self._zone:
                self._second, self._zone = second, zone
                self._seen.clear()
                self._replay.clear()
        if second == self._second:
            self._seen[key] += 1
        return True


def _is_stamp(word: str) -> bool:
    return len(word) >= 20 and word[4] == "-" and word[10] == "T" and word[:4].isdigit()


def _zone(stamp: str) -> str:
    """Z, or the offset (the node's zone) at the end of an RFC 3339 stamp."""
    return "Z" if stamp.endswith("Z") else stamp[-6:]


def _notice(text: str) -> Row:
    now = datetime.fromtimestamp(time.time()).astimezone()
    return Row(now.isoformat(timespec="milliseconds"), text, "notice")


def follow_log(
    cluster: Cluster,
    choice: LogChoice,
    feed: Feed[Row] | None = None,
    timing: LogTiming = LogTiming(),
) -> Stream[Row]:
    """Start to read into a feed. `stop` the stream to end it."""
    return Stream(PodLog(cluster, choice, timing), feed, name=f"log {choice.pod}").start()
