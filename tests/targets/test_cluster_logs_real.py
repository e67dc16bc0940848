"""Pod logs through a real kube-apiserver, from a kubelet that breaks them off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from apithings import Thing
from badserver import BadServer, Call, server_certificate
from realcluster import RealCluster
from streamhelp import take

from targets.cluster import Cluster, open_cluster
from targets.errors import PermissionDenied
from targets.pod_logs import LogChoice, LogTiming, PodLog, Row, follow_log

pytestmark = pytest.mark.kubernetes

FAST = LogTiming(first_pause=0.001, longest_pause=0.01)


@pytest.fixture
def pod_on(real_cluster: RealCluster) -> Iterator[Callable[[BadServer], LogChoice]]:
    """Makes a pod with the container "c" on a node whose kubelet is the given one; removes both in the end."""
    cluster = admin(real_cluster)
    made: list[str] = []

    def make(kubelet: BadServer) -> LogChoice:
        choice, node = _make_pod(cluster, kubelet)
        made.extend([f"/api/v1/namespaces/default/pods/{choice.pod}", f"/api/v1/nodes/{node}"])
        return choice

    yield make
    for path in made:
        cluster.request("DELETE", path, dict[str, Any], params={"gracePeriodSeconds": "0"})


def _make_pod(cluster: Cluster, kubelet: BadServer) -> tuple[LogChoice, str]:
    node = {"kind": "Node", "apiVersion": "v1", "metadata": {"generateName": "node-"}}
    name = cluster.create("/api/v1/nodes", node, Thing).metadata.name
    status: dict[str, Any] = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
    }
    cluster.request(
        "PATCH",
        f"/api/v1/nodes/{name}/status",
        Thing,
        body={"status": status},
        content_type="application/merge-patch+json",
    )
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"generateName": "pod-"},
        "spec": {"nodeName": name, "containers": [{"name": "c", "image": "x"}]},
    }
    made = cluster.create("/api/v1/namespaces/default/pods", pod, Thing).metadata.name
    return LogChoice("default", made, "c"), name


def admin(real: RealCluster) -> Cluster:
    return open_cluster(real.kubeconfig("admin"), environ={})


def kubelet(folder: Path, real: RealCluster, *steps: Any) -> BadServer:
    return BadServer(*steps, tls=server_certificate(real.authority), folder=folder)


def query(call: Call) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(call.path).query).items()}


ONE, TWO, THREE = (f"2026-01-02T03:04:0{n}.123456789Z line {n}\n".encode() for n in (1, 2, 3))


def test_a_followed_log_survives_the_kubelets_break(
    real_cluster: RealCluster, tmp_path: Path, pod_on: Callable[[BadServer], LogChoice]
) -> None:
    def first(call: Call) -> None:
        call.begin_chunks()
        call.chunk(ONE)
        call.chunk(TWO)
        call.end_chunks()

    def second(call: Call) -> None:
        call.begin_chunks()
        call.chunk(TWO + THREE)
        call.hang()

    with kubelet(tmp_path, real_cluster, first, second) as server:
        cluster = admin(real_cluster)
        choice = pod_on(server)
        stream = follow_log(cluster, choice, timing=FAST)
        rows = take(stream.feed, 5)
        assert [row for row in rows if row.kind == "line"] == [
            Row(f"2026-01-02T03:04:0{n}.123456789Z", f"line {n}") for n in (1, 2, 3)
        ]
        assert [row.text for row in rows if row.kind == "notice"] == [
            "The log stream ended. Waiting for more.",
            "Connected again; nothing is missing.",
        ]
        asked = [query(call) for call in server.calls]
        assert asked[0] == {"follow": "true", "timestamps": "true", "tailLines": "500"}
        assert asked[1] == {"follow": "true", "timestamps": "true", "sinceTime": "2026-01-02T03:04:02Z"}
        assert urlsplit(server.calls[0].path).path == f"/containerLogs/default/{choice.pod}/c"
        stream.stop()
        assert stream.join(2)


def test_stop_while_the_server_has_sent_no_head_yet(
    real_cluster: RealCluster, tmp_path: Path, pod_on: Callable[[BadServer], LogChoice]
) -> None:
    reached = threading.Event()

    def silent(call: Call) -> None:
        reached.set()
        call.hang()

    with kubelet(tmp_path, real_cluster, silent) as server:
        cluster = admin(real_cluster)
        stream = follow_log(cluster, pod_on(server))
        assert reached.wait(20)
        stream.stop()
        assert stream.join(2) and stream.feed.drain() == []


def test_a_kubelet_that_cannot_be_reached_is_said(
    real_cluster: RealCluster, tmp_path: Path, pod_on: Callable[[BadServer], LogChoice]
) -> None:
    with kubelet(tmp_path, real_cluster, lambda call: call.hang()) as server:
        cluster = admin(real_cluster)
        choice = pod_on(server)
    once = LogChoice("default", choice.pod, "c", follow=False)
    rows = [row for batch in PodLog(cluster, once).batches() for row in batch]
    assert [row.kind for row in rows] == ["notice"]
    assert "connection refused" in rows[0].text and "kubelet" in rows[0].text


def test_a_wrong_container_and_missing_rights_end_it(real_cluster: RealCluster, tmp_path: Path) -> None:
    def said(cluster: Cluster, choice: LogChoice) -> list[Row]:
        return [row for batch in PodLog(cluster, choice, FAST).batches() for row in batch]

    cluster = admin(real_cluster)
    (row,) = said(cluster, LogChoice("default", "no-such-pod", "c"))
    assert 'pods "no-such-pod" not found' in row.text and "No more is read." in row.text
    stranger = open_cluster(real_cluster.kubeconfig("stranger"), environ={})
    (row,) = said(stranger, LogChoice("default", "p", "c"))
    assert "may not get pods/log “p” in namespace default" in row.text
    with pytest.raises(PermissionDenied):
        stranger.text(LogChoice("default", "p").path)
