"""What each node announces to the others: its lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import CLUSTER, SAME_NODE_OR_CLUSTER, cause_of
from checks.check import Case, check
from checks.cni.flannel_numbers import (
    ANNOTATION,
    VNI,
    Lease,
    ipv4_of,
    lease,
)
from checks.cni.links import names_cause, no_packets
from checks.finding import ERROR, Problem, Said, Skip, node_object
from facts.cluster.flannel import FlannelConfig
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Address, Metadata, NodeObject
from facts.examples import CLASSIC_2019, FLANNEL_2022


def on_linux(edit: Callable[[NodeObject], NodeObject]) -> Change:
    """Edit every Linux Node object, for cases."""
    return change(
        Nodes,
        lambda nodes: replace(nodes, items=tuple(edit(n) if n.os == "linux" else n for n in nodes.items)),
    )


def annotated(**values: str) -> Callable[[NodeObject], NodeObject]:
    """The node with flannel annotations set (names with _ for -)."""
    new = {ANNOTATION + key.replace("_", "-"): value for key, value in values.items()}
    return lambda n: replace(n, metadata=replace(n.metadata, annotations={**n.metadata.annotations, **new}))


def _with_ipv6(node: NodeObject) -> NodeObject:
    addresses = (Address("InternalIP", "fd00::10"), *node.status.addresses)
    return replace(node, status=replace(node.status, addresses=addresses))


def _another_node(labels: dict[str, str]) -> Change:
    """One more node, without a lease."""
    added = NodeObject(Metadata("another", labels={"kubernetes.io/os": "linux", **labels}))
    return change(Nodes, lambda nodes: replace(nodes, items=(*nodes.items, added)))


@check(
    "cni.flannel.lease-annotations",
    title="Every node announces a right flannel lease",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.remote-subnets", CLUSTER, when=names_cause),
        *no_packets(SAME_NODE_OR_CLUSTER),
    ],
    cases=[
        Case(
            "a Linux node still announces VNI 1",
            FLANNEL_2022,
            (on_linux(annotated(backend_data='{"VNI":1,"VtepMAC":"5a:1c:0f:3e:77:21"}')),),
            "cp-1",
        ),
        Case(
            "no MAC: Windows skips the route",
            FLANNEL_2022,
            (on_linux(annotated(backend_data='{"VNI":4096,"VtepMAC":""}')),),
            "cp-1",
        ),
        Case(
            "another back end",
            CLASSIC_2019,
            (on_linux(annotated(backend_type="host-gw", backend_data="null")),),
            "192.168.18.3",
        ),
        Case(
            "the address of another network",
            FLANNEL_2022,
            (on_linux(annotated(public_ip="172.31.0.9")),),
            "cp-1",
        ),
        Case(
            "an address that somebody chose",
            FLANNEL_2022,
            (on_linux(annotated(public_ip="172.31.0.9", public_ip_overwrite="172.31.0.9")),),
            quiet=True,
        ),
        Case(
            "IPv6 is the first InternalIP of a dual stack",
            FLANNEL_2022,
            (on_linux(_with_ipv6),),
            quiet=True,
        ),
        Case(
            "a virtual kubelet has no network of its own",
            FLANNEL_2022,
            (_another_node(labels={"type": "virtual-kubelet"}),),
            quiet=True,
        ),
    ],
)
def lease_annotations(flannel: FlannelConfig, nodes: Nodes) -> Iterator[Said]:
    """The annotations flannel.alpha.coreos.com/* are what all other nodes believe about a node.

    Rule: for every node: there is a lease; its back end is that of the ConfigMap; for vxlan its VNI is 4096
    or more and the one in use in the cluster, and its VtepMAC is not empty (Windows peers leave the route
    out without it); public-ip is the node's InternalIP or the address in public-ip-overwrite. Where all
    nodes have another public-ip, the cluster was made for another network, and that is right.
    Remedy: restart flannel on the node that is named; it writes its lease anew. Remove an annotation that
    somebody set by hand: kubectl annotate node NODE flannel.alpha.coreos.com/backend-data-. Where public-ip is
    the wrong card's, flannel takes the same one again: name the right one to it first, with --iface.
    Confused with: cni.flannel.remote-subnets, which is what the peers made of it.
    Source: flannel pkg/subnet/kube and pkg/backend/vxlan/vxlan_windows.go.
    """
    backend = flannel.conf.backend.lower()
    if backend not in ("vxlan", "host-gw") or not nodes.windows:
        yield Skip("flannel's back ends for Windows are not in use.")
        return
    wanted = flannel.conf.vni if flannel.conf.vni and flannel.conf.vni >= VNI else VNI
    elsewhere = all(_elsewhere(n) for n in nodes.items if lease(n.metadata.annotations))
    for node in nodes.items:
        held = lease(node.metadata.annotations)
        kind = "Windows node" if node.os == "windows" else "Linux node"
        if held is None and node.metadata.labels.get("type") == "virtual-kubelet":
            continue  # no machine stands behind it
        if held is None:
            text = f"{kind} {node.name} has no flannel lease: the other nodes do not know where its pods are."
            yield Problem(
                text,
                node_object(node.name),
                proof={Nodes: f"{node.name}: no annotation {ANNOTATION}backend-type"},
            )
            continue
        wrong = list(_wrong(held, backend, wanted))
        if _elsewhere(node) and not elsewhere:
            wrong.append(f"public-ip {held.public_ip} is not its InternalIP {ipv4_of(node)}")
        if wrong:
            text = f"The flannel lease of {kind} {node.name} is wrong: {'; '.join(wrong)}."
            yield Problem(text, node_object(node.name), proof={Nodes: f"{node.name}: {held.text}"})


def _wrong(held: Lease, backend: str, wanted: int) -> Iterator[str]:
    if held.backend.lower() != backend:
        yield f"back end {held.backend} instead of {backend}"
    elif backend == "vxlan":
        if held.vni is None:
            yield f"backend-data has no VNI ({held.data or 'empty'})"
        elif held.vni != wanted:
            yield f"VNI {held.vni} instead of {wanted}"
        if not held.mac.strip(":-0"):
            yield "no VtepMAC"


def _elsewhere(node: NodeObject) -> bool:
    """Whether the node's lease names another address than its own, and nobody asked for that."""
    held = lease(node.metadata.annotations)
    own = {a.address for a in node.status.addresses if a.type == "InternalIP"}
    return held is not None and bool(own) and held.public_ip not in (*own, held.overwrite)
