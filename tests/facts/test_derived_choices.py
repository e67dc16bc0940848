"""Of several objects that say something derived facts take the one that is in force, not what was left behind."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, drafted, fails, fields
from facts.cluster.control_plane import CoreDns, KubeadmConfig, KubeletConfigMap
from facts.cluster.objects import DaemonSetObject, Metadata, ServiceObject, ServiceSpec
from facts.cluster.workloads import DaemonSets, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.stack import Stack

CALICO = DaemonSetObject(Metadata("calico-node-windows", "calico-system"))


def dns(name: str, address: str) -> ServiceObject:
    labels = {"k8s-app": "kube-dns"}
    return ServiceObject(Metadata(name, "kube-system", labels=labels), ServiceSpec(cluster_ip=address))


def network(*changes: Change) -> ClusterNetwork:
    return drafted(Case("", FLANNEL_2022, changes)).get(ClusterNetwork)


def stack(example: str, *changes: Change) -> Stack:
    return drafted(Case("", example, changes)).get(Stack)


@pytest.mark.parametrize(
    ("services", "address"),
    [
        (
            (dns("kube-dns-upstream", "10.43.9.9"), dns("rke2-coredns-rke2-coredns", "10.43.0.10")),
            "10.43.0.10",
        ),
        ((dns("a-second-one", "10.96.7.7"), dns("kube-dns", "10.96.0.10")), "10.96.0.10"),
        ((dns("coredns-metrics", "None"), dns("coredns", "10.96.0.10")), "10.96.0.10"),
    ],
    ids=["node-local cache on RKE2", "kube-dns first", "headless"],
)
def test_the_service_that_pods_ask(services: tuple[ServiceObject, ...], address: str) -> None:
    assert network(fields(ServiceObjects, items=services)).dns_address.value == address


def test_the_domain_that_kubelets_are_told() -> None:
    told = fields(KubeletConfigMap, cluster_domain="corp.example")
    found = network(told, fails(CoreDns), fails(KubeadmConfig)).domain
    assert (found.value, found.origin) == ("corp.example", "ConfigMap kube-system/kubelet-config")


def _daemonsets(*names: str) -> Change:
    def edit(draft: Draft) -> None:
        items = (CALICO, *(DaemonSetObject(Metadata(n, "kube-system")) for n in names))
        draft.put(DaemonSets, replace(draft.get(DaemonSets), items=items))

    return edit


def test_a_config_map_of_flannel_that_was_left_behind() -> None:
    found = stack(FLANNEL_2022, _daemonsets("kube-proxy"))
    assert (found.cni, found.mode) == ("calico", "")
    assert found.cni_origin == "DaemonSet calico-system/calico-node-windows"


@pytest.mark.parametrize("beside", ["kube-flannel-ds", "rke2-canal"])
def test_calico_for_policies_leaves_the_network_to_flannel(beside: str) -> None:
    assert stack(FLANNEL_2022, _daemonsets(beside)).flannel_overlay


def test_flanneld_as_a_service_has_no_daemonset() -> None:
    assert stack(CLASSIC_2019, _daemonsets("kube-proxy")).flannel_overlay
