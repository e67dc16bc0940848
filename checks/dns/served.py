"""Which Services are the cluster's DNS, and for which domains it answers."""

from __future__ import annotations

import re

from facts.cluster.control_plane import CoreDns
from facts.cluster.objects import ServiceObject
from facts.cluster.workloads import ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.fact import Failed, NotApplicable

_UPSTREAM = "kube-dns-upstream"  # the node-local cache's own Service has the label of the cluster's DNS


def dns_services(services: ServiceObjects) -> list[ServiceObject]:
    """The Services of the cluster's DNS: kube-dns, RKE2's rke2-coredns-rke2-coredns, the cache's kube-dns-upstream."""
    return [
        s
        for s in services.items
        if s.metadata.namespace == "kube-system" and s.metadata.labels.get("k8s-app") == "kube-dns"
    ]


def dns_service(services: ServiceObjects) -> ServiceObject | None:
    """The one that pods ask."""
    return min(dns_services(services), key=lambda s: s.metadata.name == _UPSTREAM, default=None)


def zones(network: ClusterNetwork, coredns: CoreDns | Failed | NotApplicable) -> tuple[str, ...]:
    """The domains that the cluster's DNS answers for; none where nobody names one."""
    told: list[str] = []
    for line in coredns.corefile.splitlines() if isinstance(coredns, CoreDns) else ():
        words = line.partition("{")[0].split()
        if words[:1] == ["kubernetes"]:
            told += [w.rstrip(".").lower() for w in words[1:]]
    found = tuple(dict.fromkeys(z for z in told if z and "/" not in z and not z.endswith(".arpa")))
    other = network.domain.value.rstrip(".").lower()
    # Without a zone of its own the plug-in takes that of its server block, which may be everything.
    known = network.domain.origin != "the default" and re.fullmatch(r"[\w.-]+", other)
    return found or ((other,) if known else ())


def inside(suffix: str, served: tuple[str, ...]) -> bool:
    """Whether a search suffix lies in one of these domains."""
    name = suffix.rstrip(".").lower()
    return any(name == zone or name.endswith(f".{zone}") for zone in served)
