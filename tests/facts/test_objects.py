"""Objects that say the same in more than one place: what counts is told once."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from checks.cases import FLANNEL_2022, Case, drafted
from checks.workload.edits import new_service
from facts.access import Wishes
from facts.cluster.objects import PodObject, ServiceObject
from facts.cluster.pod_logs import WindowsPodLogs
from facts.derived.flow_plan import FlowPlan
from targets.errors import TargetError

HOST, ORDINARY = {"windowsOptions": {"hostProcess": True}}, {"windowsOptions": {"hostProcess": False}}
USER = {"windowsOptions": {"runAsUserName": "NT AUTHORITY\\SYSTEM"}}


def pod(**spec: Any) -> PodObject:
    return msgspec.json.decode(json.dumps({"spec": spec}), type=PodObject)


@pytest.mark.parametrize(
    ("expected", "of_pod", "of_container"),
    [
        (True, HOST, None),
        (True, HOST, USER),
        (True, None, HOST),
        (True, USER, HOST),
        (True, ORDINARY, HOST),
        (False, HOST, ORDINARY),
        (False, None, ORDINARY),
        (False, USER, None),
        (False, None, None),
    ],
)
def test_host_process_by_pod_or_container(expected: bool, of_pod: Any, of_container: Any) -> None:
    """The container's word goes before the pod's: the API reference of windowsOptions."""
    made = pod(securityContext=of_pod, containers=[{"name": "a", "securityContext": of_container}])
    assert made.spec.host_process is expected


def test_an_init_container_can_say_it_as_well() -> None:
    assert pod(
        initContainers=[{"name": "i", "securityContext": HOST}], containers=[{"name": "a"}]
    ).spec.host_process


@pytest.mark.parametrize(
    ("spec", "ipv4", "addresses"),
    [
        ({"clusterIP": "10.96.0.9"}, "10.96.0.9", ("10.96.0.9",)),  # before 1.20
        ({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "fd00::9"]}, "10.96.0.9", ("10.96.0.9", "fd00::9")),
        ({"clusterIP": "fd00::9", "clusterIPs": ["fd00::9", "10.96.0.9"]}, "10.96.0.9", ("fd00::9", "10.96.0.9")),
        ({"clusterIP": "fd00::9", "clusterIPs": ["fd00::9"]}, "", ("fd00::9",)),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "", ()),
        ({"type": "ExternalName"}, "", ()),
    ],
)  # fmt: skip
def test_cluster_ips(spec: dict[str, Any], ipv4: str, addresses: tuple[str, ...]) -> None:
    service = msgspec.json.decode(json.dumps({"spec": spec}), type=ServiceObject)
    assert (service.spec.ipv4, service.spec.addresses) == (ipv4, addresses)


def test_a_service_with_ipv6_first_is_tried_at_its_ipv4_address() -> None:
    both = new_service("both", "fd00::9", 81, other_ip="10.96.77.7", node_port=30999)
    draft = drafted(Case("plan", FLANNEL_2022, (both,)))
    draft.put(Wishes, Wishes(flows=True))
    plan = draft.session.get(FlowPlan, draft.node)
    assert isinstance(plan, FlowPlan)
    hosts = {t.host for t in plan.targets if t.service == "shop/both" and t.purpose == "cluster-ip"}
    assert hosts == {"10.96.77.7"}


class OnePod:
    """A cluster with one Windows node and one pod, which hands out the log of the container asked for."""

    def __init__(self, status: dict[str, Any]) -> None:
        spec = {"nodeName": "w", "initContainers": [{"name": "wait"}], "containers": [{"name": "app"}]}
        self.pod = {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec, "status": status}
        self.asked: list[str] = []

    def list(self, path: str, kind: type[Any], **_: Any) -> list[Any]:
        node = {"metadata": {"name": "w", "labels": {"kubernetes.io/os": "windows"}}}
        items = [node] if path == "/api/v1/nodes" else [self.pod] if path == "/api/v1/pods" else []
        return [msgspec.convert(i, kind) for i in items]

    def text(self, path: str, params: dict[str, str]) -> str:
        self.asked.append(params["container"])
        if params["container"] == "app":
            raise TargetError("container app is waiting to start: PodInitializing")
        return "lookup db.shop: no such host"


CRASHES = {"name": "wait", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
DONE = {"name": "wait", "restartCount": 1, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
IDLE = {"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}


def test_the_log_of_a_pod_that_does_not_come_past_its_init_container() -> None:
    cluster = OnePod({"phase": "Pending", "initContainerStatuses": [CRASHES], "containerStatuses": [IDLE]})
    logs = WindowsPodLogs.ask(cluster)  # type: ignore[arg-type]
    assert [(t.pod, t.text) for t in logs.tails] == [("p", "lookup db.shop: no such host")]


def test_an_init_container_that_came_to_its_end_is_not_read() -> None:
    app = {"name": "app", "restartCount": 2, "state": {"running": {}}}
    cluster = OnePod({"phase": "Running", "initContainerStatuses": [DONE], "containerStatuses": [app]})
    WindowsPodLogs.ask(cluster)  # type: ignore[arg-type]
    assert cluster.asked == ["app"]
