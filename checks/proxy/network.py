"""What kube-proxy is told of the pod network: the name in HNS, and the addresses of pods."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fields
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said, Skip
from checks.proxy.settings import (
    HIDDEN,
    NOT_WORKING,
    lines_since_it_worked,
    minor,
    network_name,
    proxy_pod,
    says,
    told_elsewhere,
    unseen,
)
from facts.access import ThisNode
from facts.cluster.workloads import Pods
from facts.derived.cluster_network import ClusterNetwork, Sourced
from facts.fact import Fact, Failed
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy, NodeLogs


def _nameless(found_in: str = "process") -> Change:
    def edit(proxy: KubeProxy) -> KubeProxy:
        flags = {k: v for k, v in proxy.flags.items() if k != "network-name"}
        return replace(proxy, kube_network="", flags=flags, found_in=found_in)

    return change(KubeProxy, edit)


def _without_name_in_pod(draft: Draft) -> None:
    pods = draft.get(Pods)
    bare = (
        replace(p, spec=replace(p.spec, containers=tuple(replace(c, env=()) for c in p.spec.containers)))
        if "kube-proxy" in p.metadata.name
        else p
        for p in pods.items
    )
    draft.put(Pods, Pods(tuple(bare)))


@check(
    "proxy.network-name",
    title="kube-proxy is told an HNS network that exists",
    severity=ERROR,
    explains=[*NOT_WORKING, cause_of("proxy.source-vip")],
    cases=[
        Case(
            "another network's name",
            CLASSIC_2019,
            (change(KubeProxy, lambda p: replace(p, flags=p.flags | {"network-name": "cbr0"})),),
            finds="node",
        ),
        Case("nobody says a name, and it does not run", CLASSIC_2019, (_nameless("nssm"),), finds="node"),
        Case(
            "nobody says a name, by its own words",
            FLANNEL_2022,
            (
                _nameless(),
                _without_name_in_pod,
                says("Environment variable KUBE_NETWORK and network-flag not initialized"),
            ),
            finds="node",
        ),
        Case(
            "its start script says it, and it works (Calico, AKS)",
            FLANNEL_2022,
            (_nameless(), _without_name_in_pod),
            quiet=True,
        ),
        Case(
            "the node's setting is an old one, and its start script says another",
            FLANNEL_2022,
            (
                _nameless(),
                _without_name_in_pod,
                change(KubeProxy, lambda p: replace(p, kube_network="cbr0")),
            ),
            quiet=True,
        ),
        Case(
            "its start script says it, and nothing is programmed",
            FLANNEL_2022,
            (_nameless(), _without_name_in_pod, fields(Hns, load_balancers=())),
            unknown=True,
        ),
        Case(
            "its start script says it, and it waits for that network",
            FLANNEL_2022,
            (
                _nameless(),
                _without_name_in_pod,
                says(
                    '"Unable to find HNS Network specified, please check network name and CNI deployment" '
                    'err="Network name azure not found" hnsNetworkName="azure"'
                ),
            ),
            finds="node",
        ),
        Case(
            "no pod network at all is hns.network.absent",
            FLANNEL_2022,
            (fields(Hns, networks=()),),
            quiet=True,
        ),
    ],
)
def hns_network_name(
    node: ThisNode, proxy: KubeProxy, hns: Hns, pods: Pods | Failed, logs: NodeLogs | Failed
) -> Iterator[Said]:
    """kube-proxy waits for ever, a try a second, until an HNS network of the name it was given exists.

    Rule: `--network-name`, else KUBE_NETWORK (of the pod, of nssm, of the node), else the name that the log says it
    waits for, is no network of HNS, while HNS has one that carries pods; or the log says that neither is set, or
    neither is and kube-proxy does not run. A start script may set the name where nobody sees it (Calico, AKS): then
    load balancers in HNS show that it is right.
    Remedy: give kube-proxy the name that `Get-HnsNetwork | Select Name, Type` shows for the pod network (vxlan0,
    cbr0, flannel.4096, Calico).
    Confused with: a network that the CNI has not made yet, normal in a node's first minutes.
    Source: kubernetes pkg/proxy/winkernel/proxier.go.
    """
    pod = proxy_pod(node.name, pods) if isinstance(pods, Pods) else None
    if pod is None and (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    name, origin = network_name(proxy, pod)
    lines = lines_since_it_worked(logs)
    said = ""
    if not name:
        name, said = _waits_for(lines)
        origin = "by its log"
    have = ", ".join(f"{n.name} ({n.type})" for n in hns.networks) or "none"
    if not name:
        unset = next((t for t in reversed(lines) if _UNSET in t.lower()), "")
        plain = proxy.found_in in ("nssm", "service") and not told_elsewhere(proxy)
        if unset or plain:
            proof: dict[type[Fact], str] = {NodeLogs: unset} if unset else {KubeProxy: proxy.arguments}
            yield Problem(
                "kube-proxy is told no HNS network: neither --network-name nor KUBE_NETWORK is set.",
                proof={**proof, Hns: f"networks: {have}"},
            )
        elif not hns.load_balancers:
            yield CannotTell(
                "Nothing that can be seen names kube-proxy's HNS network, and HNS has no load balancer that would show "
                "that kube-proxy found it.",
                hint="See in kube-proxy's log, or in the script that starts it, what KUBE_NETWORK is.",
            )
    elif not hns.pod_networks:
        yield Skip("HNS has no pod network yet: hns.network.absent judges that.")
    elif hns.network(name) is None:
        if origin.startswith("KUBE_NETWORK") and hns.load_balancers and proxy.found_in == "process":
            return  # its start script set another name: it works
        yield Problem(
            f"kube-proxy waits for the HNS network {name} ({origin}), which does not exist; HNS has {have}.",
            proof={NodeLogs: said, Hns: f"networks: {have}"}
            if said
            else {KubeProxy: f"{origin}={name}", Hns: f"networks: {have}"},
        )


_UNSET = "environment variable kube_network and network-flag not initialized"
_WAITS = re.compile(r'Unable to find HNS Network specified.*hnsNetworkName="?([^"\s]+)')


def _waits_for(lines: list[str]) -> tuple[str, str]:
    """(network, line) that kube-proxy's log, which repeats it every second, ends with."""
    last = lines[-1] if lines else ""
    match = _WAITS.search(last)
    return (match[1], last) if match else ("", "")


@check(
    "proxy.cluster-cidr",
    title="kube-proxy's cluster CIDR is the pods' network",
    severity=WARN,
    cases=[
        Case(
            "the network of the guide",
            CLASSIC_2019,
            (change(KubeProxy, lambda p: replace(p, flags=p.flags | {"cluster-cidr": "10.245.0.0/16"})),),
            finds="node",
            severity=WARN,
        ),
        Case(
            "the IPv4 part of two",
            FLANNEL_2022,
            (
                change(KubeProxy, lambda p: replace(p, flags=p.flags | {"cluster-cidr": "10.244.0.0/16"})),
                fields(ClusterNetwork, pod_cidr=Sourced("10.244.0.0/16,fd00:10:244::/56", "kubeadm-config")),
            ),
            quiet=True,
        ),
        Case("its command line is hidden", CLASSIC_2019, (HIDDEN,), unknown=True),
        Case(
            "a newer kube-proxy does not look at it",
            FLANNEL_2022,
            (change(KubeProxy, lambda p: replace(p, flags=p.flags | {"cluster-cidr": "10.245.0.0/16"})),),
            finds="node",
            severity=INFO,
        ),
    ],
)
def cluster_cidr(node: ThisNode, proxy: KubeProxy, network: ClusterNetwork) -> Iterator[Said]:
    """Old kube-proxies tell inside from outside by `--cluster-cidr`.

    Rule: the flag is given and is not the cluster's pod network: warn up to 1.29, info for newer versions, which
    ignore it.
    Remedy: start kube-proxy with flannel's `Network` as `--cluster-cidr`.
    Confused with: the exceptions of OutBoundNAT in the CNI configuration, which count in every version.
    Source: microsoft/SDN Kubernetes/flannel/start-kubeproxy.ps1.
    """
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    given = proxy.flags.get("cluster-cidr", "")
    pods = {part.strip() for part in network.pod_cidr.value.split(",")}
    if given and network.pod_cidr and not {part.strip() for part in given.split(",")} <= pods:
        old = 0 < minor(node) <= 29
        yield Problem(
            f"kube-proxy is started with --cluster-cidr={given}; the pods' network is "
            f"{network.pod_cidr.value} ({network.pod_cidr.origin}).",
            severity=WARN if old else INFO,
            proof={
                KubeProxy: f"--cluster-cidr={given}",
                ClusterNetwork: f"pod CIDR: {network.pod_cidr.value}",
            },
        )
