"""What kube-proxy needs of the pod network: its HNS network, and in an overlay an address of its own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, change, fails, fields
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said, Skip
from checks.proxy.settings import NOT_WORKING, lines_since_it_worked, minor, network_name, proxy_pod
from facts.access import ThisNode
from facts.cluster.workloads import Pods
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.cni import Ipam
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy, LogTail, NodeLogs


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
        Case(
            "nobody says a name",
            CLASSIC_2019,
            (
                change(
                    KubeProxy,
                    lambda p: replace(
                        p, kube_network="", flags={k: v for k, v in p.flags.items() if k != "network-name"}
                    ),
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
def hns_network_name(node: ThisNode, proxy: KubeProxy, hns: Hns, pods: Pods | Failed) -> Iterator[Said]:
    """kube-proxy waits for ever, a try a second, until an HNS network of the name it was given exists.

    Rule: `--network-name`, else KUBE_NETWORK (of the pod, of nssm, of the node) names no network of HNS, while HNS
    has one that carries pods; or neither is set.
    Remedy: give kube-proxy the name that `Get-HnsNetwork | Select Name, Type` shows for the pod network (vxlan0,
    cbr0, flannel.4096, Calico).
    Confused with: a network that the CNI has not made yet, normal in a node's first minutes.
    Source: kubernetes pkg/proxy/winkernel/proxier.go.
    """
    pod = proxy_pod(node.name, pods) if isinstance(pods, Pods) else None
    if not proxy.arguments and pod is None:
        yield Skip("No kube-proxy is set up on this node.")
        return
    name, origin = network_name(proxy, pod)
    have = ", ".join(f"{n.name} ({n.type})" for n in hns.networks) or "none"
    if not name:
        if isinstance(pods, Failed):
            yield CannotTell(
                f"No --network-name on the command line, and the pod's KUBE_NETWORK is not known: {pods.why}"
            )
            return
        yield Problem(
            "kube-proxy is told no HNS network: neither --network-name nor KUBE_NETWORK is set.",
            proof={KubeProxy: proxy.arguments or "no arguments", Hns: f"networks: {have}"},
        )
    elif not hns.pod_networks:
        yield Skip("HNS has no pod network yet: hns.network.absent judges that.")
    elif hns.network(name) is None:
        yield Problem(
            f"kube-proxy waits for the HNS network {name} ({origin}), which does not exist; HNS has {have}.",
            proof={KubeProxy: f"{origin}={name}", Hns: f"networks: {have}"},
        )


@check(
    "proxy.source-vip",
    title="kube-proxy has a source VIP inside the node's pod CIDR",
    severity=ERROR,
    explains=[*NOT_WORKING, cause_of("proxy.source-vip-invalid")],
    cases=[
        Case(
            "none",
            FLANNEL_2022,
            (change(KubeProxy, lambda p: replace(p, source_vip="", flags=p.flags | {"source-vip": ""})),),
            finds="node",
        ),
        Case(
            "left from an earlier pod CIDR",
            FLANNEL_2022,
            (
                change(
                    KubeProxy,
                    lambda p: replace(
                        p, source_vip="10.244.77.2", flags=p.flags | {"source-vip": "10.244.77.2"}
                    ),
                ),
            ),
            finds="node",
        ),
        Case(
            "not reserved",
            FLANNEL_2022,
            (change(Ipam, lambda i: Ipam(dict.fromkeys(i.leases, ()))),),
            finds="node",
        ),
        Case("the reservations cannot be read", FLANNEL_2022, (fails(Ipam),), quiet=True),
    ],
)
def source_vip(
    node: ThisNode, proxy: KubeProxy, hns: Hns, stack: Stack, pods: Pods | Failed, ipam: Ipam | Failed
) -> Iterator[Said]:
    """In an overlay kube-proxy sends the host's traffic to Services from an address of the pod network, which must
    be reserved for it.

    Rule: on an overlay the address (flag `--source-vip`, else sourceVip.json) is missing, lies outside the node's
    podCIDR, is a pod's address, or has no reservation in C:\\var\\lib\\cni\\networks\\NETWORK. A kube-proxy that
    never ran is proxy.not-running.
    Remedy: stop kube-proxy, delete C:\\sourcevip\\* (classic: C:\\k\\sourceVip*.json) and the old lease file, start
    kube-proxy: its script reserves a new address.
    Confused with: a podCIDR that changed; both appear together after a node was deleted and joined again.
    Source: kubernetes pkg/proxy/winkernel/proxier.go; https://github.com/kubernetes/kubernetes/issues/100962.
    """
    if stack.mode != "overlay" and hns.overlay is None:
        yield Skip("The pod network is no overlay.")
        return
    if not proxy.arguments or hns.overlay is None:
        yield Skip("kube-proxy has not started on an overlay here yet.")
        return
    address = proxy.flags.get("source-vip") or proxy.source_vip
    where = "--source-vip" if proxy.flags.get("source-vip") else proxy.source_vip_path or "sourceVip.json"
    if not address:
        yield Problem(
            "kube-proxy has no source VIP, and on an overlay it ends without one.",
            proof={KubeProxy: proxy.arguments},
        )
        return
    proof: dict[type[Fact], str] = {KubeProxy: f"{where}: {address}"}
    cidr = node.object.spec.pod_cidr
    try:
        outside = bool(cidr) and ipaddress.ip_address(address) not in ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        yield Problem(f"The source VIP {address!r} of kube-proxy is no address.", proof=proof)
        return
    holder = (
        next((p for p in pods.on(node.name) if p.status.pod_ip == address), None)
        if isinstance(pods, Pods)
        else None
    )
    leases = ipam.leases if isinstance(ipam, Ipam) else {}
    if outside:
        yield Problem(
            f"kube-proxy's source VIP {address} lies outside the node's podCIDR {cidr}.",
            proof={**proof, ThisNode: f"podCIDR: {cidr}"},
        )
    elif holder is not None:
        yield Problem(
            f"kube-proxy's source VIP {address} is also the address of pod "
            f"{holder.metadata.namespace}/{holder.metadata.name}.",
            proof={**proof, Pods: f"podIP: {address}"},
        )
    elif leases and address not in leases.get(hns.overlay.name, ()):
        elsewhere = next((n for n, taken in leases.items() if address in taken), "")
        how = (
            f"is reserved for the network {elsewhere}, not for {hns.overlay.name}"
            if elsewhere
            else "is not reserved"
        )
        yield Problem(
            f"kube-proxy's source VIP {address} {how}, so that a pod may be given it too.",
            proof={
                **proof,
                Ipam: f"{hns.overlay.name}: {', '.join(leases.get(hns.overlay.name, ())) or 'no leases'}",
            },
        )


_REFUSED = re.compile(r"0x803b00(?:2f|1e)", re.IGNORECASE)


@check(
    "proxy.source-vip-invalid",
    title="HNS accepts kube-proxy's source VIP",
    severity=ERROR,
    explains=[*NOT_WORKING],
    cases=[
        Case(
            "a reserved address",
            FLANNEL_2022,
            (
                change(
                    NodeLogs,
                    lambda n: NodeLogs(
                        (
                            *n.logs,
                            LogTail(
                                "kube-proxy",
                                r"C:\k\kube-proxy.log",
                                text='E0102 proxier.go:912] "Source Vip endpoint creation failed" '
                                'err="hcnCreateEndpoint failed in '
                                'Win32: ... (0x803b002f)"',
                            ),
                        )
                    ),
                ),
            ),
            finds="node",
        ),
    ],
)
def source_vip_invalid(logs: NodeLogs) -> Iterator[Said]:
    """kube-proxy makes an HNS endpoint for its source VIP first, and programs nothing until that worked.

    Rule: its log says "Source Vip endpoint creation failed" with 0x803b002f (invalid or reserved address) or
    0x803b001e.
    Remedy: delete C:\\sourcevip\\* (classic: C:\\k\\sourceVip*.json) and the lease of that address, then restart
    kube-proxy: host-local reserves a new one inside the present podCIDR.
    Confused with: no source VIP at all (proxy.source-vip).
    Source: https://github.com/kubernetes-sigs/sig-windows-tools/issues/71;
    https://github.com/kubernetes/kubernetes/issues/100962.
    """
    lines = [
        line
        for line in lines_since_it_worked(logs.lines("kube-proxy"))
        if "source vip endpoint creation failed" in line.lower()
    ]
    refused = next((line for line in reversed(lines) if _REFUSED.search(line)), "")
    if refused:
        code = _REFUSED.search(refused)
        yield Problem(
            f"HNS refuses the endpoint for kube-proxy's source VIP with {code[0].lower() if code else ''}.",
            proof={NodeLogs: refused},
        )


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
    given = proxy.flags.get("cluster-cidr", "")
    if given and network.pod_cidr and given != network.pod_cidr.value:
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
