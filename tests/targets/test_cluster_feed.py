"""The feed between a reader and a pane, the thread that fills it, and the cutting of lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from streamhelp import take

from targets.errors import Unreachable
from targets.lines import LineSplitter
from targets.stream import Feed, Stream


def test_a_full_feed_drops_the_oldest_and_counts_them() -> None:
    feed: Feed[int] = Feed(limit=3)
    feed.put([1, 2])
    feed.put([3, 4, 5])
    assert (feed.drain(), feed.dropped) == ([3, 4, 5], 2)
    feed.put(range(10))
    assert (feed.drain(2), feed.drain(), feed.dropped) == ([7, 8], [9], 9)
    assert not feed.wait(0)
    feed.close()
    assert feed.wait(0) and feed.closed and feed.drain() == []


def test_a_reader_that_waits_is_woken_by_rows_and_by_the_end() -> None:
    for wake in (lambda feed: feed.put([1]), lambda feed: feed.close()):
        feed: Feed[int] = Feed()
        woken: list[bool] = []
        thread = threading.Thread(target=lambda feed=feed, woken=woken: woken.append(feed.wait(20)))
        thread.start()
        wake(feed)
        thread.join(5)
        assert woken == [True]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_they_are_cut(size: int) -> None:
    data = b"one\n\ntwo \xe2\x82\xac\nthree"
    splitter = LineSplitter()
    lines = [line for at in range(0, len(data), size) for line in splitter.feed(data[at : at + size])]
    assert [*lines, splitter.rest()] == data.split(b"\n")
    assert splitter.rest() == b""


def test_a_line_without_end_is_handed_out_in_pieces() -> None:
    splitter = LineSplitter()
    piece = b"x" * (1 << 20)
    handed = [line for _ in range(20) for line in splitter.feed(piece)]
    assert sum(map(len, handed)) + len(splitter.rest()) == 20 << 20
    assert len(handed) == 2


class Endless:
    def __init__(self) -> None:
        self.stopped = threading.Event()

    def batches(self) -> Iterator[list[int]]:
        yield [1]
        self.stopped.wait(20)
        yield [2]
        raise Unreachable("gone")

    def stop(self) -> None:
        self.stopped.set()


def test_a_stream_fills_its_feed_and_keeps_the_error_that_ended_it() -> None:
    stream = Stream(Endless()).start()
    assert take(stream.feed, 1) == [1]
    stream.stop()
    assert stream.join(5) and stream.feed.closed
    assert stream.feed.drain() == [2]
    assert isinstance(stream.error, Unreachable)
