"""Partial names, failed look-ups and HOST:PORT in what pods are told and say."""

from __future__ import annotations

import pytest

from checks.dns.names import failed_lookups, partial_names
from checks.service.addresses import targets
from checks.workload.configured import configured, selects, workload_of
from facts.cluster.objects import (
    Container,
    EnvVar,
    Metadata,
    OwnerReference,
    PodObject,
    PodSpec,
    PodStatus,
    ServiceObject,
)
from facts.cluster.pod_logs import PodTail
from facts.cluster.workloads import ServiceObjects

SERVICES = ServiceObjects(
    (ServiceObject(Metadata("api", "shop")), ServiceObject(Metadata("kubernetes", "default")))
)
DOMAIN = "cluster.local"


def written(text: str) -> list[str]:
    return [p.written for p in partial_names(text, SERVICES, DOMAIN)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://api.shop:8080/x", ["api.shop"]),
        ("api.shop.svc", ["api.shop.svc"]),
        ("--to=api.shop,kubernetes.default", ["api.shop", "kubernetes.default"]),
        ('lookup "api.shop.": no such host', ["api.shop"]),
        ("api.shop.svc.cluster.local", []),
        ("api.shop.svc.cluster.local.", []),
        ("api.shop.example.com", []),
        ("my-api.shop", []),
        ("x.api.shop", []),
        ("other.shop", []),
        ("api", []),
        ("API.SHOP", []),
    ],
)
def test_partial_names(text: str, found: list[str]) -> None:
    assert written(text) == found


def test_the_full_name_is_offered() -> None:
    assert [p.full for p in partial_names("api.shop", SERVICES, "k8s.example")] == [
        "api.shop.svc.k8s.example"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "System.Net.Http.HttpRequestException: No such host is known. (api.shop:80)",
        "dial tcp: lookup api.shop on 10.96.0.10:53: no such host",
        "Error: getaddrinfo ENOTFOUND api.shop",
        "java.net.UnknownHostException: api.shop",
        "curl: (6) Could not resolve host: api.shop",
        "Der angegebene Host ist unbekannt (11001) api.shop",
        "Resolve-DnsName : api.shop : DNS name does not exist",
        "*** UnKnown can't find api.shop: Non-existent domain",
    ],
)
def test_failed_lookups(line: str) -> None:
    tail = PodTail("shop", "p", "n", f"started\n{line}\n")
    assert [(f.partial.written, f.line) for f in failed_lookups(tail, SERVICES, DOMAIN)] == [
        ("api.shop", line)
    ]


@pytest.mark.parametrize(
    "line",
    ["GET http://api.shop/ 200", "the DNS request for 'api.shop' timed out", "no such host: db.example.com"],
)
def test_other_lines_are_no_failed_lookup(line: str) -> None:
    assert not list(failed_lookups(PodTail("shop", "p", "n", line), SERVICES, DOMAIN))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://10.0.1.21:30080/health", ["10.0.1.21:30080"]),
        ("dial 127.0.0.1:30080, localhost:31000", ["127.0.0.1:30080", "localhost:31000"]),
        ("web.shop.svc.cluster.local:30080", ["web.shop.svc.cluster.local:30080"]),
        ("10.0.1.21:300800", []),
        ("12:30", ["12:30"]),
        ("nothing", []),
    ],
)
def test_targets(text: str, found: list[str]) -> None:
    assert [str(t) for t in targets(text)] == found


def pod(*env: EnvVar, **spec: object) -> PodObject:
    container = Container("app", "img", args=("--url=$(URL)",), env=env)
    status = PodStatus(host_ip="10.0.1.21")
    return PodObject(Metadata("p", "shop"), PodSpec(containers=(container,), **spec), status)  # type: ignore[arg-type]


def test_references_are_filled_in_as_kubernetes_does() -> None:
    host = EnvVar("HOST", value_from={"fieldRef": {"fieldPath": "status.hostIP"}})
    url = EnvVar("URL", "http://$(HOST):30080")
    assert {w.where: w.text for w in configured(pod(host, url))} == {
        "env HOST of container app": "10.0.1.21",
        "env URL of container app": "http://10.0.1.21:30080",
        "args of container app": "--url=http://10.0.1.21:30080",
    }
    # A variable that stands later is not known yet: Kubernetes leaves the reference as it is.
    early = {w.where: w.text for w in configured(pod(url, host))}
    assert early["env URL of container app"] == "http://$(HOST):30080"


def test_secrets_by_reference_say_nothing() -> None:
    secret = EnvVar("KEY", value_from={"secretKeyRef": {"name": "s", "key": "k"}})
    assert [w.where for w in configured(pod(secret))] == ["args of container app"]


def test_operating_system_by_selector_or_affinity() -> None:
    def affinity(*values: str) -> dict[str, object]:
        term = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": list(values)}]}
        return {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        }

    assert selects(pod(node_selector={"kubernetes.io/os": "windows"}), "windows")
    assert selects(pod(node_selector={"beta.kubernetes.io/os": "windows"}), "windows")
    assert selects(pod(affinity=affinity("windows")), "windows")
    assert not selects(pod(affinity=affinity("windows", "linux")), "windows")
    assert not selects(pod(), "windows")


def test_pods_of_one_deployment_are_one_workload() -> None:
    def owned(name: str, kind: str, owner: str) -> PodObject:
        return PodObject(Metadata(name, "shop", owner_references=(OwnerReference(kind, owner),)))

    assert workload_of(owned("web-5d8c7-a", "ReplicaSet", "web-5d8c7")) == "shop/web"
    assert workload_of(owned("db-0", "StatefulSet", "db")) == "shop/db"
    assert workload_of(PodObject(Metadata("alone", "shop"))) == "shop/alone"
