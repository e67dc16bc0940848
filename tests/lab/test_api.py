"""The practice cluster's API: over real HTTPS, by plain requests and by the real kubectl."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.api.access import Directory
from lab.api.server import ApiServer
from lab.api.state import ApiState, Weather
from lab.api.store import Store
from lab.world.scenarios import build
from lab.world.state import Key, Object, World

NOW = 1_800_000_000.0
TOKEN = "a-token-of-the-tests"


class Cluster:
    """A world behind an API server, without Windows nodes."""

    def __init__(self, scenario: str = "flannel-2022") -> None:
        self.world: World = build(scenario, NOW)
        self.store = Store()
        self.store.sync(self.world.objects)
        self.state = ApiState(
            self.world.plan,
            self.store,
            lambda: NOW,
            self._write,
            lambda n, p, c: list(self.world.logs.get((n, p, c), [])),
            directory=Directory({TOKEN: "practice-admin"}),
        )
        self.server = ApiServer(self.state, self.world.pki)
        self.context = ssl.create_default_context(cadata=self.world.pki.ca)

    def _write(self, key: Key, item: Object | None, expected: str) -> Object:
        if item is None:
            return self.store.drop(key) or {}
        return self.store.save(key, item, expected=expected)

    def open(
        self, path: str, method: str = "GET", body: Any = None, token: str = TOKEN, **headers: str
    ) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.server.url + path, data, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", headers.pop("content_type", "application/json"))
        for name, value in headers.items():
            request.add_header(name, value)
        return urllib.request.urlopen(request, timeout=20, context=self.context)

    def ask(
        self, path: str, method: str = "GET", body: Any = None, token: str = TOKEN, **headers: str
    ) -> tuple[int, Any]:
        """(HTTP code, decoded JSON)."""
        try:
            with self.open(path, method, body, token, **headers) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    made.server.start()
    yield made
    made.server.stop()


def test_pages_hold_one_consistent_list(cluster: Cluster) -> None:
    names: list[str] = []
    path = "/api/v1/pods?limit=5"
    first = ""
    while path:
        code, body = cluster.ask(path)
        assert code == 200
        assert body["kind"] == "PodList"
        first = first or body["metadata"]["resourceVersion"]
        assert body["metadata"]["resourceVersion"] == first
        names += [i["metadata"]["name"] for i in body["items"]]
        more = body["metadata"].get("continue", "")
        if more:
            cluster.store.drop(("v1", "ConfigMap", "kube-system", "coredns"))
        path = f"/api/v1/pods?limit=5&continue={more}" if more else ""
    assert len(names) == len(set(names)) == sum(1 for _ in cluster.world.each("v1", "Pod"))


def test_an_unknown_continue_token_is_gone(cluster: Cluster) -> None:
    old = base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"shop/a"}').decode().rstrip("=")
    code, body = cluster.ask(f"/api/v1/pods?limit=5&continue={old}")
    assert (code, body["reason"], body["kind"]) == (410, "Expired", "Status")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("fieldSelector=spec.nodeName%3Dwin-1", 3),
        ("labelSelector=app%3Dwin-web", 2),
        ("labelSelector=app%20in%20(win-web,api)", 4),
        ("labelSelector=app%21%3Dwin-web&fieldSelector=metadata.namespace%3Dshop", 2),
        ("labelSelector=k8s-app", 5),
    ],
)
def test_selectors(cluster: Cluster, query: str, count: int) -> None:
    code, body = cluster.ask(f"/api/v1/pods?{query}")
    assert code == 200
    assert len(body["items"]) == count


def test_an_unknown_field_is_refused(cluster: Cluster) -> None:
    code, body = cluster.ask("/api/v1/pods?fieldSelector=spec.nothing%3Dx")
    assert (code, body["reason"]) == (400, "BadRequest")
    assert "field label not supported" in body["message"]


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/api/v1/nodes/nope", 404, "NotFound"),
        ("/api/v1/nothings", 404, "NotFound"),
        ("/apis/apps/v9/things", 404, "NotFound"),
    ],
)
def test_what_is_not_there(cluster: Cluster, path: str, code: int, reason: str) -> None:
    found, body = cluster.ask(path)
    assert (found, body["reason"], body["code"], body["status"]) == (code, reason, code, "Failure")


def test_who_asks(cluster: Cluster) -> None:
    assert cluster.ask("/api/v1/nodes", token="wrong")[0] == 401
    code, body = cluster.ask("/api/v1/nodes", token="")
    assert code == 403
    assert body["message"] == (
        'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    assert cluster.ask("/version", token="")[0] == 200
    assert cluster.ask("/api/v1/namespaces/kube-public/configmaps/cluster-info", token="")[0] == 200


def test_a_client_certificate_is_a_way_in(cluster: Cluster, tmp_path: Path) -> None:
    pair = cluster.world.pki.client("system:node:win-1", "system:nodes")
    file = tmp_path / "client.pem"
    file.write_text(pair.certificate + pair.key)
    cluster.context.load_cert_chain(file)
    assert cluster.ask("/api/v1/nodes", token="")[0] == 200


def test_few_rights_are_told_before_and_refused_with_verb_and_resource(cluster: Cluster) -> None:
    cluster.state.directory.few = True
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    code, body = cluster.ask(path, "POST", {"spec": {"namespace": "kube-system"}})
    assert code == 201
    assert not any("configmaps" in r["resources"] for r in body["status"]["resourceRules"])
    code, body = cluster.ask("/api/v1/namespaces/kube-system/configmaps")
    assert (code, body["reason"]) == (403, "Forbidden")
    assert (
        'cannot list resource "configmaps" in API group "" in the namespace "kube-system"' in body["message"]
    )
    spec = {"resourceAttributes": {"verb": "list", "resource": "nodes"}}
    code, body = cluster.ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST", {"spec": spec})
    assert body["status"]["allowed"] is True


def test_a_watch_sees_changes_and_ends_with_a_bookmark(cluster: Cluster) -> None:
    version = cluster.ask("/api/v1/nodes")[1]["metadata"]["resourceVersion"]
    path = f"/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds=2&resourceVersion={version}"
    with cluster.open(path) as stream:
        node = cluster.world.get("v1", "Node", "win-1")
        node["spec"]["unschedulable"] = True
        cluster.store.sync(cluster.world.objects)
        events = [json.loads(line) for line in stream]
    assert [e["type"] for e in events] == ["MODIFIED", "BOOKMARK"]
    assert events[0]["object"]["spec"]["unschedulable"] is True
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(version) + 1


def test_a_watch_from_a_compacted_version_is_gone(cluster: Cluster) -> None:
    cluster.store.compact()
    with cluster.open("/api/v1/nodes?watch=1&resourceVersion=1000") as stream:
        (event,) = [json.loads(line) for line in stream]
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_watch_that_has_seen_everything_outlives_compaction(cluster: Cluster) -> None:
    version = cluster.ask("/api/v1/nodes")[1]["metadata"]["resourceVersion"]
    with cluster.open(f"/api/v1/nodes?watch=1&timeoutSeconds=20&resourceVersion={version}") as stream:
        cluster.world.get("v1", "Node", "win-1")["spec"]["unschedulable"] = True
        cluster.store.sync(cluster.world.objects)
        assert json.loads(stream.readline())["type"] == "MODIFIED"
        cluster.store.compact()
        cluster.world.get("v1", "Node", "win-1")["spec"].pop("unschedulable")
        cluster.store.sync(cluster.world.objects)
        assert json.loads(stream.readline())["type"] == "MODIFIED"


def test_a_log_is_cut_by_time_and_lines_and_followed(cluster: Cluster) -> None:
    pod = next(
        p["metadata"]["name"] for p in cluster.world.pods_on("win-1") if "web" in p["metadata"]["name"]
    )
    key = ("shop", pod, "web")
    path = f"/api/v1/namespaces/shop/pods/{pod}/log"
    everything = cluster.world.logs[key]
    with cluster.open(path) as answer:
        assert answer.read().decode().splitlines() == [t for _, t in everything]
    with cluster.open(f"{path}?tailLines=2&timestamps=true") as answer:
        lines = answer.read().decode().splitlines()
    assert len(lines) == 2
    assert lines[-1].endswith(everything[-1][1])
    assert lines[-1][:20] == "2027-01-15T08:00:00."
    with cluster.open(f"{path}?sinceTime=2027-01-15T07:59:30Z") as answer:
        assert len(answer.read().decode().splitlines()) == 4
    with cluster.open(f"{path}?tailLines=1&follow=true") as stream:
        assert stream.readline().decode().rstrip() == everything[-1][1]
        cluster.world.logs[key] = [*everything, (NOW + 1, "one more line")]
        with cluster.state.log_changed:
            cluster.state.log_changed.notify_all()
        assert stream.readline() == b"one more line\n"


def test_logs_that_there_are_not(cluster: Cluster) -> None:
    pod = next(
        p["metadata"]["name"] for p in cluster.world.pods_on("win-1") if "web" in p["metadata"]["name"]
    )
    path = f"/api/v1/namespaces/shop/pods/{pod}/log"
    assert "previous terminated container" in cluster.ask(f"{path}?previous=true")[1]["message"]
    assert "is not valid for pod" in cluster.ask(f"{path}?container=nope")[1]["message"]
    cluster.state.kubelet_down = lambda node: f"dial tcp {node}:10250: connect: connection refused"
    code, body = cluster.ask(path)
    assert code == 500
    assert "containerLogs/shop" in body["message"]


def test_two_writers_of_one_lock(cluster: Cluster) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    lease = {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "one"}}
    code, made = cluster.ask(path, "POST", lease)
    assert code == 201
    assert cluster.ask(path, "POST", lease)[1]["reason"] == "AlreadyExists"
    made["spec"]["holderIdentity"] = "two"
    code, second = cluster.ask(f"{path}/lock", "PUT", made)
    assert code == 200
    code, body = cluster.ask(f"{path}/lock", "PUT", made)
    assert (code, body["reason"]) == (409, "Conflict")
    assert second["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    change = {"spec": {"holderIdentity": None, "leaseDurationSeconds": 5}}
    code, body = cluster.ask(f"{path}/lock", "PATCH", change, content_type="application/merge-patch+json")
    assert body["spec"] == {"leaseDurationSeconds": 5}
    assert cluster.ask(f"{path}/lock", "DELETE")[0] == 200
    assert cluster.ask(f"{path}/lock")[0] == 404


def test_bad_weather_is_counted_not_diced(cluster: Cluster) -> None:
    cluster.state.weather = Weather(throttle=2)
    assert [cluster.ask("/version")[0] for _ in range(3)] == [429, 429, 200]
    cluster.state.weather = Weather(fail_every=2)
    assert [cluster.ask("/version")[0] for _ in range(4)] == [200, 500, 200, 500]


def test_an_old_cluster_serves_old_versions() -> None:
    old = Cluster("classic-2019")
    old.server.start()
    try:
        assert old.ask("/apis/discovery.k8s.io/v1/endpointslices")[0] == 404
        code, body = old.ask(
            "/apis/discovery.k8s.io/v1beta1/endpointslices?labelSelector=kubernetes.io/service-name=win-web"
        )
        assert code == 200
        assert "topology" in body["items"][0]["endpoints"][0]
        assert old.ask("/version")[1]["gitVersion"] == "v1.18.20"
    finally:
        old.server.stop()


def test_stopping_ends_open_watches() -> None:
    made = Cluster()
    made.server.start()
    stream = made.open("/api/v1/nodes?watch=1")
    stream.readline()
    ended = threading.Event()

    def read() -> None:
        try:
            while stream.readline():
                pass
        except OSError:
            pass
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    made.server.stop()
    assert ended.wait(10)


def kubectl() -> str:
    folder = os.environ.get("KWINNOW_KUBERNETES", "")
    return str(Path(folder) / "kubectl") if folder else shutil.which("kubectl") or ""


@pytest.mark.kubernetes
@pytest.mark.skipif(not kubectl(), reason="needs kubectl: KWINNOW_KUBERNETES or kubectl on PATH")
def test_the_real_kubectl(cluster: Cluster, tmp_path: Path) -> None:
    from lab.practice_files import kubeconfig_text

    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig_text(cluster.server.url, cluster.world.pki.ca, TOKEN))

    def run(*words: str) -> str:
        environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(tmp_path)}
        done = subprocess.run(
            [kubectl(), *words], capture_output=True, text=True, timeout=60, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    table = run("get", "nodes", "-o", "wide")
    assert "win-1" in table
    assert "Windows Server 2022 Standard" in table
    assert "containerd://1.7.22" in table
    assert run("get", "pods", "-A").count("Running") == sum(1 for _ in cluster.world.each("v1", "Pod"))
    assert "kubelet is posting ready status" in run("describe", "node", "win-1")
    assert "200 in" in run("logs", "-n", "shop", "-l", "app=win-web", "--tail=1")
    assert json.loads(run("get", "svc", "-A", "-o", "json"))["kind"] == "List"
