"""Followed logs, against a server that breaks them off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from badserver import BadServer, Call, server_certificate
from streamhelp import cluster_at, query, take
from testpki import Authority

from targets.pod_logs import LogChoice, LogTiming, PodLog, Row, follow_log

FAST = LogTiming(first_pause=0.001, longest_pause=0.01)


def stamp(second: int, part: int = 0) -> str:
    return f"2026-01-02T03:04:{second:02}.{part:09}Z"


def line(second: int, text: str, part: int = 0) -> bytes:
    return f"{stamp(second, part)} {text}\n".encode()


def texts(rows: list[Row]) -> list[str]:
    return [row.text for row in rows if row.kind == "line"]


def notices(rows: list[Row]) -> list[str]:
    return [row.text for row in rows if row.kind == "notice"]


def body(*lines: bytes) -> Callable[[Call], None]:
    return lambda call: call.answer(200, b"".join(lines))


def test_the_choice_of_a_log_becomes_a_query() -> None:
    choice = LogChoice("kube-system", "a/b", "c", tail=10, since=60)
    assert choice.path == "/api/v1/namespaces/kube-system/pods/a%2Fb/log"
    assert choice.params() == {
        "timestamps": "true",
        "container": "c",
        "follow": "true",
        "tailLines": "10",
        "sinceSeconds": "60",
    }
    previous = LogChoice("n", "p", previous=True, tail=None)
    assert previous.params() == {"timestamps": "true", "previous": "true"}
    assert LogChoice("n", "p", since_time="T").params("R")["sinceTime"] == "R"


def test_a_log_that_is_not_followed_ends_with_its_last_line() -> None:
    with BadServer(body(line(1, "a b  c"), line(2, ""), b"no stamp\n", line(3, "no end")[:-1])) as server:
        log = PodLog(cluster_at(server.url), LogChoice("n", "p", follow=False))
        rows = [row for batch in log.batches() for row in batch]
        assert rows == [
            Row(stamp(1), "a b  c"),
            Row(stamp(2), ""),
            Row("", "no stamp"),
            Row(stamp(3), "no end"),
        ]


def test_a_reconnect_drops_what_was_seen_and_keeps_true_repeats() -> None:
    with BadServer(
        body(line(1, "one"), line(2, "two", 5), line(2, "two", 5), line(2, "other", 7)),
        body(line(2, "two", 5), line(2, "two", 5), line(2, "other", 7), line(2, "two", 9), line(3, "new")),
        lambda call: call.hang(),
    ) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        rows = take(stream.feed, 9)
        assert texts(rows) == ["one", "two", "two", "other", "two", "new"]
        assert notices(rows) == [
            "The log stream ended. Waiting for more.",
            "Connected again; nothing is missing.",
            "The log stream ended. Waiting for more.",
        ]
        assert query(server.calls[1])["sinceTime"] == "2026-01-02T03:04:02Z"
        assert "tailLines" not in query(server.calls[1])
        stream.stop()
        assert stream.join(5)


def test_a_line_cut_in_the_middle_comes_whole_after_the_break() -> None:
    def cut(call: Call) -> None:
        call.begin_chunks()
        call.chunk(line(1, "whole") + line(2, "in the middle")[:-8])
        call.hang_up()

    with BadServer(cut, body(line(1, "whole"), line(2, "in the middle")), lambda call: call.hang()) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        rows = take(stream.feed, 5)
        assert texts(rows) == ["whole", "in the middle"]
        assert "broke off in the middle" in notices(rows)[0]
        stream.stop()


def test_a_log_that_no_longer_holds_what_was_seen_has_a_gap() -> None:
    with BadServer(body(line(1, "before")), body(line(40, "after")), lambda call: call.hang()) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        rows = take(stream.feed, 4)
        assert texts(rows) == ["before", "after"]
        assert "with a gap: lines after 2026-01-02T03:04:01Z may be missing" in notices(rows)[1]
        stream.stop()


def test_a_container_that_is_over_is_said_once_however_often_it_is_asked() -> None:
    asked = threading.Event()

    def again(call: Call) -> None:
        if len(server.calls) > 6:
            asked.set()
        call.answer(200, line(1, "last words"))

    with BadServer(again) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        assert asked.wait(10)
        stream.stop()
        assert stream.join(5)
        rows = stream.feed.drain()
        assert [row.text for row in rows] == ["last words", "The log stream ended. Waiting for more."]


def test_a_container_that_has_not_started_is_waited_for_and_one_that_is_gone_is_not() -> None:
    def status(code: int, message: str) -> Callable[[Call], None]:
        return lambda call: call.json({"kind": "Status", "code": code, "message": message}, code)

    with BadServer(
        status(400, 'container "c" in pod "p" is waiting to start: ContainerCreating'),
        status(400, 'container "c" in pod "p" is waiting to start: ContainerCreating'),
        body(line(1, "hello")),
        status(404, 'pods "p" not found'),
    ) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        rows = take(stream.feed, 5)
        assert stream.join(5) and stream.error is None
        assert texts(rows) == ["hello"]
        said = notices(rows)
        assert "ContainerCreating" in said[0] and said[1] == "Connected."
        assert "ended" in said[2] and 'pods "p" not found' in said[3] and "No more is read." in said[3]


def test_a_silent_log_is_asked_anew_and_says_so() -> None:
    timing = LogTiming(read=0.2, head=5, first_pause=0.001, longest_pause=0.01)

    def silent(call: Call) -> None:
        call.begin_chunks()
        call.chunk(line(1, "one"))
        call.hang()

    with BadServer(silent, body(line(1, "one"), line(2, "two")), lambda call: call.hang()) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=timing)
        rows = take(stream.feed, 4)
        assert texts(rows) == ["one", "two"]
        assert "within 0.2 s" in notices(rows)[0] and "nothing is missing" in notices(rows)[1]
        stream.stop()


def test_times_of_another_zone_and_a_clock_set_back() -> None:
    first = b"2026-10-25T02:59:59.5+02:00 a\n2026-10-25T02:00:01.5+01:00 b\n"
    with BadServer(body(first), body(first[30:] + b"2026-10-25T02:00:02.5+01:00 c\n")) as server:
        stream = follow_log(cluster_at(server.url), LogChoice("n", "p"), timing=FAST)
        rows = take(stream.feed, 5)
        stream.stop()
        assert texts(rows) == ["a", "b", "c"]
        assert query(server.calls[1])["sinceTime"] == "2026-10-25T02:00:01+01:00"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("phase", ["before the head", "between two lines"])
def test_stop_ends_a_reader_at_once_in_any_phase(tls: bool, phase: str, tmp_path: Path) -> None:
    reached = threading.Event()

    def hold(call: Call) -> None:
        if phase == "between two lines":
            call.begin_chunks()
            call.chunk(line(1, "one"))
        reached.set()
        call.hang()

    authority = Authority.create()
    certificate = server_certificate(authority) if tls else None
    with BadServer(hold, tls=certificate, folder=tmp_path) as server:
        stream = follow_log(cluster_at(server.url, authority), LogChoice("n", "p"))
        assert reached.wait(10)
        if phase == "between two lines":
            assert texts(take(stream.feed, 1)) == ["one"]
        began = time.monotonic()
        stream.stop()
        assert time.monotonic() - began < 0.1
        assert stream.join(2), "the reader is still there"
        assert stream.error is None
        assert stream.feed.drain() == []  # no complaint about an end that was asked for


def test_a_flood_is_read_whole_and_in_order() -> None:
    many = 50_000

    def flood(call: Call) -> None:
        call.begin_chunks()
        for start in range(0, many, 1000):
            call.chunk(b"".join(line(start // 1000, f"row {n}", n) for n in range(start, start + 1000)))
        call.end_chunks()

    with BadServer(flood) as server:
        log = PodLog(cluster_at(server.url), LogChoice("n", "p", follow=False))
        rows = [row for batch in log.batches() for row in batch]
        assert [row.text for row in rows] == [f"row {n}" for n in range(many)]
