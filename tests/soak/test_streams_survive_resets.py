"""Watch and log streams while the API server resets requests and cuts connections: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamhelp import take

from facts.cluster.objects import ConfigMapObject
from lab.practice import Practice
from lab.world.state import LogLine
from targets.cluster import Cluster, open_cluster
from targets.pod_logs import LogChoice, LogTiming, PodLog, Row
from targets.stream import Feed, Stream
from targets.watch import Changed, Event, Relisted, Timing, Watch

PATH = "/api/v1/namespaces/shop/configmaps"
SAMPLE, SOAK = 60, 20_000  # changes, or lines


@pytest.fixture
def practice() -> Iterator[Practice]:
    with Practice("flannel-2022", use_engine=False) as made:
        yield made


@pytest.fixture
def cluster(practice: Practice) -> Iterator[Cluster]:
    made = open_cluster(practice.kubeconfig, environ={})
    yield made
    made.close()


def change(practice: Practice, number: int) -> None:
    """Somebody else writes the same ConfigMap again, on the server's side of the bad line."""
    name = "counter"
    meta = {"name": name, "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": str(number)}}
    practice.api_state.store.save(("v1", "ConfigMap", "shop", name), item)


def seen_until(feed: Feed[Event[ConfigMapObject]], number: int) -> list[int]:
    """The numbers as they were seen, up to `number`, in changes and in fresh lists."""
    seen: list[int] = []
    while not seen or seen[-1] != number:
        for event in take(feed, 1):
            objects = [event.object] if isinstance(event, Changed) else []
            if isinstance(event, Relisted):
                objects = event.items
            seen += [int(o.data["n"]) for o in objects if o.metadata.name == "counter"]
    return seen


def test_a_watch(practice: Practice, cluster: Cluster, soaking: bool) -> None:
    change(practice, 0)
    fast = Timing(first_pause=0.001, longest_pause=0.01)
    stream: Stream[Event[ConfigMapObject]] = Stream(
        Watch(cluster, PATH, ConfigMapObject, timing=fast)
    ).start()
    assert seen_until(stream.feed, 0) == [0]
    practice.api_state.weather.reset_every = 3
    last = 0
    for number in range(1, SOAK if soaking else SAMPLE):
        change(practice, number)
        if number % 5 == 0:
            practice.drop_connections()
        if number % 7 == 0:
            assert seen_until(stream.feed, number) == list(range(last + 1, number + 1))
            last = number
    stream.stop()
    assert stream.join(10) and stream.error is None and last > SAMPLE // 2


def test_a_log(practice: Practice, cluster: Cluster, soaking: bool) -> None:
    pod = next(p for p in practice.world.each("v1", "Pod") if p["metadata"]["name"].startswith("etcd"))
    meta, start = pod["metadata"], practice.world.now
    lines: list[LogLine] = []
    practice.api_state.read_log = lambda *_: list(lines)

    def say(number: int) -> None:
        lines.append((start + number / 1000, f"line {number}"))
        with practice.api_state.log_changed:
            practice.api_state.log_changed.notify_all()

    say(0)
    choice = LogChoice(meta["namespace"], meta["name"], pod["spec"]["containers"][0]["name"])
    fast = LogTiming(first_pause=0.001, longest_pause=0.01)
    stream: Stream[Row] = Stream(PodLog(cluster, choice, fast)).start()
    practice.api_state.weather.reset_every = 3
    got: list[str] = []
    for number in range(1, SOAK if soaking else SAMPLE):
        say(number)
        if number % 5 == 0:
            practice.drop_connections()
        while number % 7 == 0 and (not got or got[-1] != f"line {number}"):
            got += [row.text for row in take(stream.feed, 1) if row.kind == "line"]
    stream.stop()
    assert stream.join(10) and stream.error is None
    assert got == [f"line {number}" for number in range(len(got))] and len(got) > SAMPLE // 2
