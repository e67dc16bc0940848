"""What is written through the practice cluster's API has its consequences, as an edit of a fault has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from realobjects import Speaker

from lab.practice import Practice
from lab.world.state import Object

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
NODES, APPS = "/api/v1/nodes", "/apis/apps/v1/namespaces"


class Clock:
    """It is always the same moment until somebody moves it."""

    def __init__(self) -> None:
        self.epoch = self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait()


@pytest.fixture(scope="module")
def shared() -> Iterator[Practice]:
    with Practice("flannel-2022", Clock(), use_engine=False) as made:
        yield made


@pytest.fixture
def practice(shared: Practice) -> Iterator[Practice]:
    """A healthy cluster: what a test changed is as it was before the next."""
    yield shared
    shared.plant("cni.flannel.firewall-4789")
    shared.unplant("cni.flannel.firewall-4789")


@pytest.fixture
def api(practice: Practice) -> Speaker:
    return Speaker(practice._api.port, practice.token, (practice.folder / "ca.pem").read_text())


def patch(api: Speaker, path: str, change: Any, kind: str = STRATEGIC) -> Any:
    return api.done("PATCH", path, change, Content_Type=kind)


def pods(practice: Practice, app: str) -> list[Object]:
    return [p for p in practice.world.each("v1", "Pod") if p["metadata"].get("labels", {}).get("app") == app]


def placed(practice: Practice, app: str) -> list[str]:
    return sorted(p["spec"].get("nodeName", "") for p in pods(practice, app))


def test_a_deleted_pod_is_replaced_by_another(practice: Practice, api: Speaker) -> None:
    before = {p["metadata"]["name"] for p in pods(practice, "win-web")}
    name = sorted(before)[0]
    api.done("DELETE", f"/api/v1/namespaces/shop/pods/{name}", None)
    after = {p["metadata"]["name"] for p in pods(practice, "win-web")}
    assert len(after) == 2 and name not in after and len(after & before) == 1
    (new,) = (p for p in pods(practice, "win-web") if p["metadata"]["name"] not in before)
    assert new["metadata"]["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert new["status"]["phase"] == "Running"


def test_a_changed_template_is_rolled_out_by_a_replica_set_of_its_own(
    practice: Practice, api: Speaker
) -> None:
    path = f"{APPS}/shop/deployments/win-web"
    old = {p["metadata"]["name"] for p in pods(practice, "win-web")}
    change = {
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}
    }
    patch(api, path, change)
    sets = [
        s
        for s in practice.world.each("apps/v1", "ReplicaSet", "shop")
        if s["metadata"]["labels"]["app"] == "win-web"
    ]
    assert sorted(s["spec"]["replicas"] for s in sets) == [0, 2]
    (live,) = (s for s in sets if s["spec"]["replicas"])
    for pod in pods(practice, "win-web"):
        meta = pod["metadata"]
        assert meta["name"] not in old
        assert meta["labels"]["pod-template-hash"] == live["metadata"]["labels"]["pod-template-hash"]
        assert live["metadata"]["name"] == f"win-web-{meta['labels']['pod-template-hash']}"
    shown = api.done("GET", path, None)
    assert shown["metadata"]["generation"] == shown["status"]["observedGeneration"] == 2
    assert shown["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    # Back to the template of before: the first ReplicaSet is used again, with the highest number.
    patch(api, path, {"spec": {"template": {"metadata": {"annotations": None}}}}, MERGE)
    assert {p["metadata"]["labels"]["pod-template-hash"] for p in pods(practice, "win-web")} != {
        live["metadata"]["labels"]["pod-template-hash"]
    }
    assert api.done("GET", path, None)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_what_is_read_and_written_back_rolls_nothing_out(practice: Practice, api: Speaker) -> None:
    for path in (
        f"{APPS}/shop/deployments/win-web",
        f"{APPS}/kube-flannel/daemonsets/kube-flannel-ds-windows-amd64",
    ):
        names = {p["metadata"]["name"] for p in practice.world.each("v1", "Pod")}
        item = api.done("GET", path, None)
        again = api.done("PUT", path, item)
        assert again["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
        item["metadata"].setdefault("annotations", {})["note"] = "x"
        assert api.done("PUT", path, item)["metadata"]["annotations"]["note"] == "x"
        assert {p["metadata"]["name"] for p in practice.world.each("v1", "Pod")} == names


def test_stale_writes_are_refused(practice: Practice, api: Speaker) -> None:
    path = f"{NODES}/win-1"
    item = api.done("GET", path, None)
    patch(api, path, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    reply = api.send("PUT", path, item)
    assert (reply.code, reply.document["reason"]) == (409, "Conflict")


def test_labels_annotations_and_taints_of_a_node_hold(practice: Practice, api: Speaker) -> None:
    path = f"{NODES}/win-1"
    patch(api, path, {"metadata": {"labels": {"rack": "7"}, "annotations": {"note": "x"}}}, MERGE)
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    kept = api.done("GET", path, None)["spec"]["taints"]
    patch(api, path, {"spec": {"taints": [*kept, taint]}})
    practice.tick()
    shown = api.done("GET", path, None)
    assert shown["metadata"]["labels"]["rack"] == "7"
    assert shown["metadata"]["annotations"]["note"] == "x"
    assert taint in shown["spec"]["taints"]
    assert shown["status"]["nodeInfo"]["operatingSystem"] == "windows"
    (mine,) = (f for f in shown["metadata"]["managedFields"] if "f:metadata" in f["fieldsV1"])
    assert (mine["operation"], mine["time"]) == ("Update", "2027-01-15T08:00:00Z")
    assert mine["fieldsV1"]["f:metadata"]["f:labels"] == {"f:rack": {}}


def test_a_cordoned_node_gets_no_new_pods(practice: Practice, api: Speaker) -> None:
    patch(api, f"{NODES}/win-1", {"spec": {"unschedulable": True}})
    for pod in pods(practice, "win-web"):
        api.done("DELETE", f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}", None)
    assert placed(practice, "win-web") == ["win-2", "win-2"]
    taints = api.done("GET", f"{NODES}/win-1", None)["spec"]["taints"]
    assert {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"} in taints
    patch(api, f"{NODES}/win-1", {"spec": {"unschedulable": None}})
    taints = api.done("GET", f"{NODES}/win-1", None)["spec"]["taints"]
    assert [t["key"] for t in taints] == ["os"]


def test_a_taint_drives_pods_out_and_they_wait_until_it_goes(practice: Practice, api: Speaker) -> None:
    taint = {"key": "maintenance", "effect": "NoExecute"}
    own = {"key": "os", "value": "windows", "effect": "NoSchedule"}
    for node in ("win-1", "win-2"):
        patch(api, f"{NODES}/{node}", {"spec": {"taints": [own, taint]}})
    assert placed(practice, "win-web") == ["", ""]
    waiting = pods(practice, "win-web")[0]
    assert waiting["status"]["phase"] == "Pending"
    events = api.done("GET", "/api/v1/namespaces/shop/events", None)["items"]
    why = "node(s) had untolerated taint"
    said = f"0/3 nodes are available: 1 {why} {{node-role.kubernetes.io/control-plane: }}, 2 {why} {{maintenance: }}"
    assert {(e["reason"], e["message"]) for e in events} == {("FailedScheduling", f"{said}.")}
    assert len(placed(practice, "flannel")) == 3, "flannel tolerates everything"
    for node in ("win-1", "win-2"):
        patch(api, f"{NODES}/{node}", {"spec": {"taints": [own]}})
    assert placed(practice, "win-web") == ["win-1", "win-1"], "where there was room first"


def test_replicas_follow_the_scale(practice: Practice, api: Speaker) -> None:
    path = f"{APPS}/shop/deployments/api/scale"
    assert api.done("GET", path, None)["spec"] == {"replicas": 2}
    assert patch(api, path, {"spec": {"replicas": 4}}, MERGE)["spec"] == {"replicas": 4}
    assert len(pods(practice, "api")) == 4


def test_a_service_that_changes_changes_the_load_balancers_of_windows_nodes(
    practice: Practice, api: Speaker
) -> None:
    def ports() -> set[int]:
        lists = practice.world.windows["win-1"].hns.policy_lists
        return {p["Policies"][0]["ExternalPort"] for p in lists}

    path = "/api/v1/namespaces/shop/services/win-web-public"
    assert 30080 in ports()
    patch(api, path, {"spec": {"ports": [{"port": 80, "nodePort": 30555}]}})
    assert 30555 in ports() and 30080 not in ports()
    made = {
        "metadata": {"name": "front"},
        "spec": {"selector": {"app": "win-web"}, "ports": [{"port": 8088}]},
    }
    item = api.done("POST", "/api/v1/namespaces/shop/services", made)
    assert item["spec"]["clusterIP"].startswith("10.96.") and item["spec"]["ports"][0]["protocol"] == "TCP"
    assert 8088 in ports()
    api.done("DELETE", "/api/v1/namespaces/shop/services/front", None)
    assert 8088 not in ports()


def test_a_deleted_node_comes_back_when_its_kubelet_starts_again(practice: Practice, api: Speaker) -> None:
    api.done("DELETE", f"{NODES}/win-2", None)
    assert practice.world.pods_on("win-2") == []
    practice.tick()
    assert api.send("GET", f"{NODES}/win-2").code == 404, "a kubelet that runs does not register anew"
    machine = practice.nodes["win-2"].machine
    machine.services["kubelet"].started = 60.0
    assert isinstance(practice.clock, Clock)
    practice.clock.time += 60
    practice._changed("win-2", machine)
    assert api.done("GET", f"{NODES}/win-2", None)["spec"]["podCIDR"] == "10.244.2.0/24"
    practice.clock.time -= 60


def test_a_signed_request_joins_the_node(practice: Practice, api: Speaker) -> None:
    practice.plant("certs.csr-pending")
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-9lm4p"
    item = api.done("GET", path, None)
    item["status"]["conditions"] = [{"type": "Approved", "status": "True", "reason": "KubectlApprove"}]
    api.done("PUT", f"{path}/approval", item)
    assert api.done("GET", path, None)["status"]["certificate"]
    ready = {c["type"]: c["status"] for c in api.done("GET", f"{NODES}/win-1", None)["status"]["conditions"]}
    assert ready["Ready"] == "True"
    practice.unplant("certs.csr-pending")


def test_how_long_the_runtime_has_been_away_is_told(practice: Practice) -> None:
    def said(seconds: float) -> str:
        clock = practice.clock
        assert isinstance(clock, Clock)
        clock.time += seconds
        practice.tick()
        conditions = practice.world.get("v1", "Node", "win-1")["status"]["conditions"]
        clock.time -= seconds
        return str(next(c["message"] for c in conditions if c["type"] == "Ready"))

    practice.plant("runtime.containerd.stopped")
    assert "last seen active 25m0.0s ago; threshold is 3m0s" in said(0)
    assert "last seen active 1h25m30.5s ago" in said(3630.5)
    practice.unplant("runtime.containerd.stopped")
    machine = practice.nodes["win-1"].machine
    machine.services["containerd"].state = "Stopped"
    practice._changed("win-1", machine)
    assert said(20) == "container runtime is down"


def test_a_mistake_in_a_config_map_ends_flannel_and_not_the_lab(practice: Practice, api: Speaker) -> None:
    config = "/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg"
    again = {
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}
    }
    patch(api, config, {"data": {"net-conf.json": '{"Network": "10.244.0.0/16", "Backend": {'}}, MERGE)
    for name in ("kube-flannel-ds", "kube-flannel-ds-windows-amd64"):
        patch(api, f"{APPS}/kube-flannel/daemonsets/{name}", again)
    (pod,) = (
        p["metadata"]["name"] for p in practice.world.pods_on("win-1") if "flannel" in p["metadata"]["name"]
    )
    (status,) = api.done("GET", f"/api/v1/namespaces/kube-flannel/pods/{pod}", None)["status"][
        "containerStatuses"
    ]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    log = api.send("GET", f"/api/v1/namespaces/kube-flannel/pods/{pod}/log").body.decode()
    assert "error parsing subnet config" in log


def test_what_the_models_cannot_follow_is_refused_and_changes_nothing(
    practice: Practice, api: Speaker
) -> None:
    before = practice.world.objects
    reply = api.send("PATCH", f"{NODES}/win-1", {"spec": {"taints": [{"key": "a"}]}}, Content_Type=STRATEGIC)
    assert reply.code == 422 and "cannot follow" in reply.document["message"]
    assert practice.world.objects == before
    practice.tick()
