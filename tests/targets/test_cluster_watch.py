"""Watches, against a server that breaks them off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from apithings import Meta, Thing
from badserver import BadServer, Call
from streamhelp import cluster_at, query, take

from targets.errors import CredentialsExpired
from targets.stream import Stream
from targets.watch import Changed, Disconnected, Event, Reconnected, Relisted, Timing, Watch


def event(kind: str, name: str, version: str) -> bytes:
    what = {"metadata": {"name": name, "resourceVersion": version}}
    return json.dumps({"type": kind, "object": what}).encode() + b"\n"


def listing(*names: str, version: str) -> Callable[[Call], None]:
    items = [{"metadata": {"name": name}} for name in names]
    return lambda call: call.json({"metadata": {"resourceVersion": version}, "items": items})


QUICK = Timing(first_pause=0.001, longest_pause=0.01)


def collect(watch: Watch[Thing], count: int) -> list[Event[Thing]]:
    events = iter(watch)
    got = [next(events) for _ in range(count)]
    watch.stop()
    assert list(events) == []
    return got


def test_a_watch_goes_on_from_bookmarks_after_a_break() -> None:
    def broken(call: Call) -> None:
        call.begin_chunks()
        call.chunk(event("ADDED", "a", "11") + event("BOOKMARK", "", "15"))
        call.chunk(event("MODIFIED", "a", "16")[:10])
        call.hang_up()

    def rest(call: Call) -> None:
        call.begin_chunks()
        call.chunk(event("MODIFIED", "a", "16"))
        call.hang()

    with BadServer(broken, rest) as server:
        got = collect(Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "10", timing=QUICK), 4)
        assert got[0] == Changed("ADDED", Thing(Meta("a")))
        assert isinstance(got[1], Disconnected) and "broke off" in got[1].why
        assert isinstance(got[2], Reconnected) and got[2].attempts == 1
        assert got[3] == Changed("MODIFIED", Thing(Meta("a")))
        asked = [query(call) for call in server.calls]
        assert [one["resourceVersion"] for one in asked] == ["10", "15"]
        assert asked[0]["allowWatchBookmarks"] == "true" and asked[0]["timeoutSeconds"] == "240"


def test_a_410_in_the_stream_and_as_an_answer_each_lead_to_a_fresh_list() -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}

    def in_stream(call: Call) -> None:
        call.begin_chunks()
        call.chunk(event("ADDED", "a", "11") + json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
        call.end_chunks()

    def quiet(call: Call) -> None:
        call.begin_chunks()
        call.chunk(event("DELETED", "b", "31"))
        call.hang()

    with BadServer(
        in_stream,
        listing("b", version="20"),
        lambda call: call.json(gone, 410),
        listing("b", version="30"),
        quiet,
    ) as server:
        got = collect(Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "10", timing=QUICK), 5)
        assert got[0] == Changed("ADDED", Thing(Meta("a")))  # what came before the error counts
        assert isinstance(got[1], Relisted) and got[1].items == [Thing(Meta("b"))] and "410" in got[1].why
        assert isinstance(got[2], Disconnected)  # twice in a row: not in a tight loop
        assert isinstance(got[3], Relisted)
        assert isinstance(got[4], Reconnected) or got[4] == Changed("DELETED", Thing(Meta("b")))


def test_a_server_that_ends_each_watch_at_once_is_not_hammered() -> None:
    with BadServer(lambda call: call.answer(200)) as server:
        watch = Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "1", timing=QUICK)
        got = collect(watch, 5)
        pauses = [one.pause for one in got if isinstance(one, Disconnected)]
        assert pauses == sorted(pauses) and len(pauses) == 3
        assert "at once" in next(one.why for one in got if isinstance(one, Disconnected))


def test_garbage_in_a_watch_is_told_and_the_watch_goes_on() -> None:
    def garbage(call: Call) -> None:
        call.begin_chunks()
        call.chunk(b'{"type":"ADDED","object":{"metadata":{"name":5}}}\n')
        call.end_chunks()

    def fine(call: Call) -> None:
        call.begin_chunks()
        call.chunk(event("ADDED", "a", "2"))
        call.hang()

    with BadServer(garbage, fine) as server:
        got = collect(Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "1", timing=QUICK), 3)
        assert isinstance(got[0], Disconnected) and "$.metadata.name" in got[0].why
        assert got[2] == Changed("ADDED", Thing(Meta("a")))


def test_credentials_that_end_meanwhile_end_the_watch() -> None:
    def refused(call: Call) -> None:
        call.json({"kind": "Status", "code": 401}, 401)

    with BadServer(refused) as server, pytest.raises(CredentialsExpired):
        list(Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "1", timing=QUICK))


def test_a_silent_path_is_noticed_and_stop_works_while_it_pauses() -> None:
    timing = Timing(read=0.2, first_pause=20, longest_pause=20)

    def silent(call: Call) -> None:
        call.begin_chunks()
        call.hang()

    with BadServer(silent) as server:
        watch = Watch(cluster_at(server.url), "/api/v1/nodes", Thing, "1", timing=timing)
        stream: Stream[Event[Thing]] = Stream(watch).start()
        (first,) = take(stream.feed, 1)
        assert isinstance(first, Disconnected) and "within 0.2 s" in first.why
        stream.stop()
        assert stream.join(2)


def test_a_watch_can_be_stopped_while_it_lists() -> None:
    reached = threading.Event()

    def never(call: Call) -> None:
        reached.set()
        call.hang()

    with BadServer(never) as server:
        stream: Stream[Event[Thing]] = Stream(Watch(cluster_at(server.url), "/api/v1/nodes", Thing)).start()
        assert reached.wait(10)
        stream.stop()
        assert stream.join(2)
        assert stream.feed.drain() == []
