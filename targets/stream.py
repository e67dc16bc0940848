"""Streams: rows that keep coming, a bounded place where they wait for a reader, and a way to stop at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from targets.errors import TargetError

T = TypeVar("T")


class Feed(Generic[T]):
    """A bounded queue between one reader of a target and one pane, which drains it on a tick.

    When it is full the oldest rows go, and are counted.
    """

    def __init__(self, limit: int = 50_000) -> None:
        self._rows: deque[T] = deque(maxlen=limit)
        self._changed = threading.Condition()
        self._dropped = 0
        self._closed = False

    def put(self, rows: Iterable[T]) -> None:
        """Add rows, at the cost of the oldest ones."""
        batch = list(rows)
        with self._changed:
            over = len(self._rows) + len(batch) - (self._rows.maxlen or 0)
            self._dropped += max(0, over)
            self._rows.extend(batch)
            self._changed.notify_all()

    def drain(self, at_most: int | None = None) -> list[T]:
        """Take what is there, oldest first; never waits."""
        with self._changed:
            if at_most is None or at_most >= len(self._rows):
                batch = list(self._rows)
                self._rows.clear()
                return batch
            return [self._rows.popleft() for _ in range(at_most)]

    def wait(self, seconds: float) -> bool:
        """Wait until there is a row or the feed is closed; False if neither came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._rows) or self._closed, seconds)

    @property
    def dropped(self) -> int:
        """How many rows were lost since the start because nobody drained them in time."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Nothing more will come (what is in it can still be drained)."""
        return self._closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Source(Protocol[T]):
    """Reads a target. `batches` blocks between batches; `stop`, from any thread, makes it end at once."""

    def batches(self) -> Iterator[list[T]]: ...

    def stop(self) -> None: ...


class Stream(Generic[T]):
    """One daemon thread that fills a feed from a source.

    `error` is what ended the source, None if it came to its end or was stopped.
    """

    def __init__(self, source: Source[T], feed: Feed[T] | None = None, name: str = "stream") -> None:
        self.feed: Feed[T] = feed if feed is not None else Feed()
        self.error: TargetError | None = None
        self._source = source
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Stream[T]:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the source. Returns at once; the thread ends as soon as its socket tells it."""
        self._source.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the thread; False if it still runs."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for batch in self._source.batches():
                self.feed.put(batch)
        except TargetError as error:
            self.error = error
        finally:
            self.feed.close()
