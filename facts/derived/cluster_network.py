"""The numbers that everything else is compared with, each with where it came from."""

from __future__ import annotations

import re

import msgspec

from facts.cluster.control_plane import CoreDns, KubeadmConfig, KubeletConfigMap, KubeProxyConfigMap
from facts.cluster.flannel import FlannelConfig
from facts.cluster.workloads import Pods, ServiceObjects
from facts.fact import Fact, Failed, NotApplicable, derived


class Sourced(msgspec.Struct, frozen=True):
    """A value and where it was read; both empty where nobody says it. `failed`: who could not be asked then."""

    value: str = ""
    origin: str = ""
    failed: tuple[Failed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.value)


def _flag(pods: Pods | Failed, component: str, flag: str) -> Sourced:
    """A flag of a static control-plane pod."""
    for pod in pods.items if isinstance(pods, Pods) else ():
        if pod.metadata.namespace == "kube-system" and pod.metadata.name.startswith(component):
            for container in pod.spec.containers:
                for word in (*container.command, *container.args):
                    match = re.match(rf"--{flag}=(.*)", word)
                    if match:
                        return Sourced(match.group(1), f"--{flag} of pod {pod.metadata.name}")
    return Sourced()


def _first(*candidates: Sourced, of: tuple[Fact | Failed | NotApplicable, ...]) -> Sourced:
    """The first that says it. `of`: the answers in which it was looked for."""
    failed = tuple(a for a in of if isinstance(a, Failed))
    return next((c for c in candidates if c), Sourced(failed=failed))


@derived
class ClusterNetwork(Fact, frozen=True):
    """Pod and service CIDR, DNS address and domain, overlay VNI, port and back end."""

    pod_cidr: Sourced
    service_cidr: Sourced
    dns_address: Sourced
    domain: Sourced
    backend: Sourced  # vxlan, host-gw, …
    vni: Sourced  # decimal; absent where net-conf does not set it
    port: Sourced

    @classmethod
    def derive(
        cls,
        kubeadm: KubeadmConfig | Failed | NotApplicable,
        kubelet: KubeletConfigMap | Failed | NotApplicable,
        proxy: KubeProxyConfigMap | Failed | NotApplicable,
        coredns: CoreDns | Failed | NotApplicable,
        flannel: FlannelConfig | Failed | NotApplicable,
        services: ServiceObjects | Failed,
        pods: Pods | Failed,
    ) -> ClusterNetwork:
        adm = kubeadm if isinstance(kubeadm, KubeadmConfig) else KubeadmConfig()
        net = flannel.conf if isinstance(flannel, FlannelConfig) else None
        dns = _dns_service(services)
        cm = "ConfigMap kube-system/kubeadm-config"
        flannel_cm = (
            f"ConfigMap {flannel.namespace}/kube-flannel-cfg" if isinstance(flannel, FlannelConfig) else ""
        )
        return cls(
            pod_cidr=_first(
                Sourced(adm.pod_subnet, cm),
                _flag(pods, "kube-controller-manager", "cluster-cidr"),
                Sourced(
                    proxy.cluster_cidr if isinstance(proxy, KubeProxyConfigMap) else "",
                    "ConfigMap kube-system/kube-proxy",
                ),
                Sourced(net.network if net else "", flannel_cm),
                of=(kubeadm, pods, proxy, flannel),
            ),
            service_cidr=_first(
                Sourced(adm.service_subnet, cm),
                _flag(pods, "kube-apiserver", "service-cluster-ip-range"),
                of=(kubeadm, pods),
            ),
            dns_address=_first(
                dns,
                Sourced(
                    kubelet.cluster_dns[0]
                    if isinstance(kubelet, KubeletConfigMap) and kubelet.cluster_dns
                    else "",
                    "ConfigMap kube-system/kubelet-config",
                ),
                of=(services, kubelet),
            ),
            domain=_first(
                Sourced(
                    coredns.domain if isinstance(coredns, CoreDns) else "",
                    "Corefile in ConfigMap kube-system/coredns",
                ),
                Sourced(adm.dns_domain, cm),
                Sourced(
                    kubelet.cluster_domain if isinstance(kubelet, KubeletConfigMap) else "",
                    "ConfigMap kube-system/kubelet-config",
                ),
                Sourced("cluster.local", "the default"),
                of=(coredns, kubeadm, kubelet),
            ),
            backend=_first(Sourced(net.backend.lower() if net else "", flannel_cm), of=(flannel,)),
            vni=_first(
                Sourced(str(net.vni) if net and net.vni is not None else "", flannel_cm), of=(flannel,)
            ),
            port=_first(
                Sourced(str(net.port) if net and net.port is not None else "", flannel_cm), of=(flannel,)
            ),
        )


def _dns_service(services: ServiceObjects | Failed) -> Sourced:
    """The Service that pods ask: by its usual name, else by its label.

    Others have that label too: the node-local cache's way to CoreDNS (kube-dns-upstream), and headless ones that
    monitoring adds (https://github.com/kubernetes/kubernetes/blob/master/cluster/addons/dns/nodelocaldns/nodelocaldns.yaml).
    """
    labelled = [
        s
        for s in (services.items if isinstance(services, ServiceObjects) else ())
        if s.metadata.namespace == "kube-system"
        and s.metadata.labels.get("k8s-app") == "kube-dns"
        and s.spec.addresses
    ]
    found = min(
        labelled,
        key=lambda s: (s.metadata.name.endswith("-upstream"), s.metadata.name != "kube-dns"),
        default=None,
    )
    if found is None:
        return Sourced()
    return Sourced(found.spec.ipv4 or found.spec.addresses[0], f"Service kube-system/{found.metadata.name}")
