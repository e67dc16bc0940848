"""Objects with as little in them as a real API server takes: every fact reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from apicompare import cluster_facts
from realcluster import own_cluster

from facts.asking import ask_cluster
from facts.cluster.nodes import Nodes
from facts.cluster.workloads import EndpointSlices, Events, Pods, ServiceObjects
from facts.fact import Failed
from targets.cluster import open_cluster

pytestmark = pytest.mark.kubernetes


def of(
    kind: str, name: str, version: str = "v1", namespace: str = "kube-system", **more: Any
) -> dict[str, Any]:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


DISCOVERY = "discovery.k8s.io/v1"
CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
TARGET = {"name": "t", "port": 80, "targetPort": "http"}
BARE = [
    of("Node", "bare", namespace=""),
    of("Pod", "bare", spec=CONTAINERS),
    of("Pod", "kube-flannel-bare", spec={"containers": [{"name": "kube-flannel", "image": "i"}]}),
    of("Service", "outside", spec={"type": "ExternalName", "externalName": "example.com"}),
    of("Service", "headless", spec={"clusterIP": "None"}),
    of("Service", "named-target", spec={"ports": [TARGET, {"name": "u", "port": 1}]}),
    of("EndpointSlice", "empty", DISCOVERY, addressType="IPv4", endpoints=None, ports=None),
    of("EndpointSlice", "fqdn", DISCOVERY, addressType="FQDN", endpoints=[{"addresses": ["a.example"]}], ports=[{}]),
    of("EndpointSlice", "six", DISCOVERY, addressType="IPv6", endpoints=[{"addresses": ["fd00::1"]}], ports=[]),
    of("Lease", "bare", "coordination.k8s.io/v1", "kube-node-lease"),
    of(
        "DaemonSet", "bare", "apps/v1",
        spec={
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}, "creationTimestamp": None}, "spec": CONTAINERS},
        },
    ),
    of("Event", "old", involvedObject={"kind": "Pod", "name": "bare", "namespace": "kube-system"}),
    of(
        "Event", "new", "events.k8s.io/v1", eventTime="2026-01-02T03:04:05.678901Z", action="a", reason="r",
        type="Normal", reportingController="k", reportingInstance="i", note="n",
        regarding={"kind": "Pod", "name": "bare", "namespace": "kube-system"},
    ),
    of("ConfigMap", "coredns"),
    of("ConfigMap", "kube-proxy"),
    of("ConfigMap", "kube-flannel-cfg"),
]  # fmt: skip


def test_every_fact_reads_what_is_bare(tmp_path: Path) -> None:
    dual = "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112"
    with own_cluster(tmp_path, dual) as real:
        for item in BARE:
            real.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(item))
        six = of("Service", "six", spec={"ipFamilies": ["IPv6"], "ports": [{"port": 53, "protocol": "UDP"}]})
        real.kubectl("create", "-f", "-", stdin=json.dumps(six))
        both = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"], "ports": [{"port": 53}]}
        real.kubectl("create", "-f", "-", stdin=json.dumps(of("Service", "both", spec=both)))
        own = {"name": "c", "image": "i", "securityContext": {"windowsOptions": {"hostProcess": True}}}
        agent = {"hostNetwork": True, "os": {"name": "windows"}, "containers": [own]}
        real.kubectl("create", "-f", "-", stdin=json.dumps(of("Pod", "agent", spec=agent)))
        waits = {"initContainerStatuses": [{"name": "w", "state": {"waiting": {"reason": "ErrImagePull"}}}]}
        patch = ("patch", "pod", "agent", "-n", "kube-system", "--subresource=status", "--type=merge", "-p")
        real.kubectl(*patch, json.dumps({"status": waits}))
        cluster = open_cluster(real.kubeconfig("admin"), environ={})
        try:
            found = {fact: ask_cluster(fact, cluster) for fact in cluster_facts()}
        finally:
            cluster.close()
    garbled = {f.__name__: v.why for f, v in found.items() if isinstance(v, Failed) and v.kind == "malformed"}
    assert garbled == {}
    nodes, pods, services = found[Nodes], found[Pods], found[ServiceObjects]
    slices, events = found[EndpointSlices], found[Events]
    assert isinstance(nodes, Nodes) and isinstance(pods, Pods) and isinstance(services, ServiceObjects)
    assert isinstance(slices, EndpointSlices) and isinstance(events, Events)
    assert [(n.name, n.os, n.condition("Ready")) for n in nodes.items] == [("bare", "", None)]
    assert {p.metadata.name: p.spec.node_name for p in pods.items}["bare"] == ""
    ips = {s.metadata.name: s.spec.cluster_ip for s in services.items}
    assert ips["headless"] == "None" and ips["outside"] == "" and ips["six"].startswith("fd00:96::")
    both_families = next(s.spec for s in services.items if s.metadata.name == "both")
    assert both_families.cluster_ip.startswith("fd00:96::") and both_families.ipv4.startswith("10.96.")
    host = {p.metadata.name: p.spec.host_process for p in pods.items}
    assert host["agent"] and not host["bare"]
    waiting = next(p.status.statuses for p in pods.items if p.metadata.name == "agent")
    assert [s.state.waiting for s in waiting] == [{"reason": "ErrImagePull"}]
    named = next(s for s in services.items if s.metadata.name == "named-target")
    assert [p.target_port for p in named.spec.ports] == ["http", 1]
    assert {
        s.metadata.name: len(s.endpoints) for s in slices.items if s.metadata.namespace == "kube-system"
    } == {
        "empty": 0,
        "fqdn": 1,
        "six": 1,
    }
    seen = {e.metadata.name: e for e in events.items}
    assert seen["old"].last is not None and seen["new"].last is not None and seen["new"].message == "n"
    msgspec.json.encode(list(found.values()))
