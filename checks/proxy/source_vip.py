"""kube-proxy's own address in an overlay: is there one, is it free, does HNS accept it?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import FLANNEL_2022, Case, change, fails, fields
from checks.causes import cause_of
from checks.check import check
from checks.edits import node_object
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.proxy.settings import HIDDEN, NOT_WORKING, lines_since_it_worked, says, told_elsewhere, unseen
from facts.access import ThisNode
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import Pods
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.cni import Ipam
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy, NodeLogs


def _ipv6_first(node: NodeObject) -> NodeObject:
    six = "fd00:10:244:1::/64"
    return replace(node, spec=replace(node.spec, pod_cidr=six, pod_cidrs=(six, node.spec.pod_cidr)))


@check(
    "proxy.source-vip",
    title="kube-proxy has a source VIP inside the node's pod CIDR",
    severity=ERROR,
    explains=[*NOT_WORKING, cause_of("proxy.source-vip-invalid")],
    cases=[
        Case(
            "none",
            FLANNEL_2022,
            (change(KubeProxy, lambda p: replace(p, source_vip="", flags={"proxy-mode": "kernelspace"})),),
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
        Case(
            "Calico gives addresses of its own, whatever the podCIDR is",
            FLANNEL_2022,
            (
                fields(Stack, cni="calico"),
                change(KubeProxy, lambda p: replace(p, flags=p.flags | {"source-vip": "10.244.77.2"})),
            ),
            quiet=True,
        ),
        Case(
            "dual stack, IPv6 first",
            FLANNEL_2022,
            (node_object(_ipv6_first),),
            quiet=True,
        ),
        Case(
            "none on the command line, but a configuration file",
            FLANNEL_2022,
            (change(KubeProxy, lambda p: replace(p, source_vip="", flags={"config": r"C:\k\proxy.conf"})),),
            unknown=True,
        ),
        Case("its command line is hidden", FLANNEL_2022, (HIDDEN,), unknown=True),
    ],
)
def source_vip(
    node: ThisNode, proxy: KubeProxy, hns: Hns, stack: Stack, pods: Pods | Failed, ipam: Ipam | Failed
) -> Iterator[Said]:
    """In an overlay kube-proxy sends the host's traffic to Services from an address of the pod network, which must
    be reserved for it.

    Rule: on an overlay the address (flag `--source-vip`, else sourceVip.json) is missing or is a pod's address; with
    flannel also where it lies outside the node's podCIDRs or has no reservation in
    C:\\var\\lib\\cni\\networks\\NETWORK (Calico gives addresses by rules of its own). A kube-proxy that never ran is
    proxy.not-running.
    Remedy: stop kube-proxy, delete C:\\sourcevip\\* (classic: C:\\k\\sourceVip*.json) and the old lease file, start
    kube-proxy: its script reserves a new address.
    Confused with: a podCIDR that changed; both appear together after a node was deleted and joined again.
    Source: kubernetes pkg/proxy/winkernel/proxier.go; https://github.com/kubernetes/kubernetes/issues/100962.
    """
    if stack.mode != "overlay" and hns.overlay is None:
        yield Skip("The pod network is no overlay.")
        return
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    if hns.overlay is None:
        yield Skip("kube-proxy has not started on an overlay here yet.")
        return
    address = proxy.flags.get("source-vip") or proxy.source_vip
    where = "--source-vip" if proxy.flags.get("source-vip") else proxy.source_vip_path or "sourceVip.json"
    if not address and (place := told_elsewhere(proxy)):
        yield CannotTell(f"{place} may tell kube-proxy its source VIP; nothing else does.")
        return
    if not address:
        yield Problem(
            "kube-proxy has no source VIP, and on an overlay it ends without one.",
            proof={KubeProxy: proxy.arguments},
        )
        return
    proof: dict[type[Fact], str] = {KubeProxy: f"{where}: {address}"}
    own = node.object.spec.pod_cidrs or tuple(c for c in (node.object.spec.pod_cidr,) if c)
    cidr, flannel = ", ".join(own), stack.cni == "flannel"
    try:
        vip = ipaddress.ip_address(address)
        outside = bool(own) and flannel and not any(vip in ipaddress.ip_network(c, strict=False) for c in own)
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
    elif flannel and leases and address not in leases.get(hns.overlay.name, ()):
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


_WORDS = '"Source Vip endpoint creation failed" err="hcnCreateEndpoint failed in Win32: ... (0x803b002f)"'


@check(
    "proxy.source-vip-invalid",
    title="HNS accepts kube-proxy's source VIP",
    severity=ERROR,
    explains=[*NOT_WORKING],
    cases=[
        Case(
            "a reserved address",
            FLANNEL_2022,
            (says(_WORDS),),
            finds="node",
        ),
        Case(
            "it was refused before it worked, as the file of errors still tells",
            FLANNEL_2022,
            (says(_WORDS, "E1231 00:05:00.000000    4310 proxier.go:912]"),),
            quiet=True,
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
        line for line in lines_since_it_worked(logs) if "source vip endpoint creation failed" in line.lower()
    ]
    refused = next((line for line in reversed(lines) if _REFUSED.search(line)), "")
    if refused:
        code = _REFUSED.search(refused)
        yield Problem(
            f"HNS refuses the endpoint for kube-proxy's source VIP with {code[0].lower() if code else ''}.",
            proof={NodeLogs: refused},
        )
