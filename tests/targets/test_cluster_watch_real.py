"""Watch against a real kube-apiserver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from realcluster import RealCluster

from targets.cluster import Cluster, open_cluster
from targets.deadline import Deadline
from targets.errors import NotFound, PermissionDenied
from targets.stream import Stream
from targets.watch import Changed, Disconnected, Event, Relisted, Timing, Watch

pytestmark = pytest.mark.kubernetes


class Meta(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str = ""


class Thing(msgspec.Struct):
    metadata: Meta
    data: dict[str, str] = {}


@pytest.fixture
def admin(real_cluster: RealCluster) -> Iterator[Cluster]:
    cluster = open_cluster(real_cluster.kubeconfig("admin"), environ={})
    yield cluster
    cluster.close()


@pytest.fixture
def path(admin: Cluster) -> str:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"generateName": "watch-"}}
    name = admin.create("/api/v1/namespaces", body, Thing).metadata.name
    return f"/api/v1/namespaces/{name}/configmaps"


def make(cluster: Cluster, path: str, name: str) -> Thing:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}
    return cluster.create(path, body, Thing)


def next_batch(stream: Stream[Event[Thing]]) -> list[Event[Thing]]:
    assert stream.feed.wait(20), "nothing came"
    return stream.feed.drain()


def test_it_lists_and_then_tells_every_change(admin: Cluster, path: str) -> None:
    make(admin, path, "first")
    stream: Stream[Event[Thing]] = Stream(Watch(admin, path, Thing)).start()
    (listed,) = next_batch(stream)
    assert isinstance(listed, Relisted) and [thing.metadata.name for thing in listed.items] == ["first"]
    seen: list[tuple[str, str]] = []
    make(admin, path, "second")
    patch = {"data": {"a": "b"}}
    admin.request("PATCH", f"{path}/first", Thing, body=patch, content_type="application/merge-patch+json")
    admin.request("DELETE", f"{path}/second", dict[str, Any])
    while len(seen) < 3:
        for event in next_batch(stream):
            assert isinstance(event, Changed), event
            seen.append((event.kind, event.object.metadata.name))
    assert seen == [("ADDED", "second"), ("MODIFIED", "first"), ("DELETED", "second")]
    stream.stop()
    assert stream.join(5), "stop did not end the watch at once"
    assert stream.error is None and stream.feed.closed


def test_it_goes_on_after_the_servers_time_out_without_a_gap_or_a_repeat(admin: Cluster, path: str) -> None:
    version = admin.listing(path, Thing).resource_version
    watching = Watch(admin, path, Thing, version, timing=Timing(server=1, first_pause=0.01))
    stream: Stream[Event[Thing]] = Stream(watching).start()
    seen: list[str] = []
    for number in range(4):
        make(admin, path, f"n{number}")
        while f"n{number}" not in seen:
            seen += [event.object.metadata.name for event in next_batch(stream) if isinstance(event, Changed)]
        # The next object is made in another connection: wait until this one has ended.
        wanted = number + 2
        while sum("watch=true" in sent.text for sent in admin.log.entries) < wanted:
            stream.feed.wait(0.2)
            assert not stream.feed.closed
            seen += [
                event.object.metadata.name for event in stream.feed.drain() if isinstance(event, Changed)
            ]
    stream.stop()
    assert stream.join(5)
    assert seen == ["n0", "n1", "n2", "n3"]


def test_a_version_that_the_server_has_forgotten_leads_to_a_fresh_list(
    admin: Cluster, path: str, real_cluster: RealCluster
) -> None:
    # Events are the one resource that an API server does not keep in its watch cache: etcd itself says 410.
    namespace = path.split("/")[4]
    events_path = f"/api/v1/namespaces/{namespace}/events"

    def happen(name: str) -> None:
        what = {"kind": "Pod", "namespace": namespace, "name": "p"}
        admin.create(
            events_path,
            {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name}, "involvedObject": what},
            Thing,
        )

    happen("here")
    real_cluster.compact()
    events = iter(Watch(admin, events_path, Thing, "2"))
    first = next(events)
    assert isinstance(first, Relisted) and "410" in first.why
    assert [thing.metadata.name for thing in first.items] == ["here"]
    happen("later")
    second = next(events)
    assert isinstance(second, Changed) and second.object.metadata.name == "later"


def test_bookmarks_move_the_version_on_without_an_event(admin: Cluster, path: str) -> None:
    version = make(admin, path, "mine").metadata.resource_version
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"generateName": "elsewhere-"}}
    elsewhere = admin.create("/api/v1/namespaces", body, Thing).metadata.name
    later = make(admin, f"/api/v1/namespaces/{elsewhere}/configmaps", "theirs").metadata.resource_version
    # A bookmark comes once a minute, and at once after the objects of a streamed list.
    streamed = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    watching = Watch(admin, path, Thing, version, params=streamed)
    stream: Stream[Event[Thing]] = Stream(watching).start()
    (first,) = next_batch(stream)
    assert isinstance(first, Changed) and first.object.metadata.resource_version == version
    bound = Deadline(20)
    while int(watching.resource_version) < int(later) and not bound.passed:
        assert not stream.feed.wait(0.05), "a bookmark is no event"
    stream.stop()
    assert stream.join(5)
    assert int(watching.resource_version) >= int(later) > int(version)


def test_no_rights_and_no_such_resource_end_it_with_the_error(
    real_cluster: RealCluster, admin: Cluster
) -> None:
    stranger = open_cluster(real_cluster.kubeconfig("stranger"), environ={})
    with pytest.raises(PermissionDenied) as caught:
        list(Watch(stranger, "/api/v1/nodes", Thing, "5"))
    assert (caught.value.verb, caught.value.resource) == ("watch", "nodes")
    with pytest.raises(NotFound):
        list(Watch(admin, "/apis/no.such.group/v1/things", Thing))


def test_a_server_that_cannot_be_reached_is_told_and_tried_again(tmp_path: Any) -> None:
    from targets.kubeconfig import Chosen, ClusterEntry, UserEntry

    entry = ClusterEntry(server="http://127.0.0.1:9")  # discard: nobody listens
    cluster = Cluster(Chosen("c", "default", "k", entry, tmp_path, "u", UserEntry(), tmp_path), environ={})
    watching = Watch(cluster, "/api/v1/nodes", Thing, timing=Timing(first_pause=0.001))
    events = iter(watching)
    for _ in range(3):
        event = next(events)
        assert isinstance(event, Disconnected) and "connection refused" in event.why
    watching.stop()
    assert list(events) == []
