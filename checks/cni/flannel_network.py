"""flannel's overlay network as HNS holds it: its VSID and its routes to the other nodes."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import SAME_NODE, cause_of
from checks.check import Case, check
from checks.cni.flannel_numbers import VNI, lease, pod_cidr, same_mac
from checks.cni.links import no_packets
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig
from facts.cluster.nodes import Nodes
from facts.cluster.objects import NodeObject
from facts.derived.effective_cni import EffectiveCni
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns, Network, RemoteSubnet


def overlay_network(**values: object) -> Change:
    """Edit the pod network of type Overlay, for cases."""

    def edit(hns: Hns) -> Hns:
        return replace(
            hns, networks=tuple(replace(n, **values) if n == hns.overlay else n for n in hns.networks)
        )

    return change(Hns, edit)


def first_route(**values: object) -> Change:
    """Edit the first RemoteSubnetRoute; without values remove it."""

    def edit(hns: Hns) -> Hns:
        if hns.overlay is None:
            return hns
        first, *rest = hns.overlay.remote_subnets
        routes = (replace(first, **values), *rest) if values else tuple(rest)
        changed = tuple(replace(n, remote_subnets=routes) if n == hns.overlay else n for n in hns.networks)
        return replace(hns, networks=changed)

    return change(Hns, edit)


SHOWN = 20  # routes in a proof: a cluster may have hundreds of nodes


def _overlay(stack: Stack, hns: Hns, cni: EffectiveCni | Failed | NotApplicable) -> Network | Skip:
    """The network that pods are attached to: one of an earlier name may be left beside it."""
    if not stack.flannel_overlay:
        return Skip("The node does not use flannel's overlay.")
    name = cni.conf.network if isinstance(cni, EffectiveCni) and cni.conf else ""
    named = hns.network(name)
    if named is not None and named.type.lower() == "overlay":
        return named
    return hns.overlay or Skip("HNS has no overlay network on this node.")


def _left_over(hns: Hns) -> Hns:
    """A network of an earlier setup stands before the one in use."""
    old = Network("0", "vxlan0", "Overlay", "10.0.1.21", vsid=4097)
    return replace(hns, networks=(old, *hns.networks))


def _dual_stack(nodes: Nodes) -> Nodes:
    """Every node has an IPv6 podCIDR, first of the two."""

    def of(node: NodeObject) -> NodeObject:
        both = ("fd00:10:244::/64", node.spec.pod_cidr)
        return replace(node, spec=replace(node.spec, pod_cidr=both[0], pod_cidrs=both))

    return replace(nodes, items=tuple(map(of, nodes.items)))


@check(
    "cni.flannel.vsid",
    title="The overlay network has flannel's VNI",
    severity=ERROR,
    explains=[cause_of("cni.flannel.remote-subnets", SAME_NODE), *no_packets()],
    cases=[
        Case("made with another VNI", FLANNEL_2022, (overlay_network(vsid=4097),), "node"),
        Case("classic", CLASSIC_2019, (overlay_network(vsid=1),), "node"),
        Case("the trigger network External has 9999 by design", CLASSIC_2019, quiet=True),
        Case(
            "no pod is on the network that was left over",
            FLANNEL_2022,
            (change(Hns, _left_over),),
            quiet=True,
        ),
        Case("HNS shows no VSID policy", FLANNEL_2022, (overlay_network(vsid=0),), unknown=True),
    ],
)
def vsid(
    node: ThisNode,
    hns: Hns,
    stack: Stack,
    cni: EffectiveCni | Failed | NotApplicable,
    flannel: FlannelConfig | Failed | NotApplicable,
) -> Iterator[Said]:
    """HNS stamps the network's VSID on every packet; if it is not flannel's VNI, the peers drop them all.

    Rule: the VSID policy of the node's overlay network differs from the ConfigMap's VNI (4096 where it sets
    none, or one that Windows refuses).
    Remedy: drain the node, then Get-HnsNetwork | ? Type -eq Overlay | ? Name -ne External | Remove-HnsNetwork;
    the node's own network is interrupted for some seconds, which may end a remote session. Restart flanneld,
    then kube-proxy; pods on the node must be made anew.
    Confused with: the network External, whose VSID 9999 is meant.
    Source: flannel pkg/backend/vxlan/device_windows.go; microsoft/SDN Kubernetes/flannel helper.psm1.
    """
    network = _overlay(stack, hns, cni)
    if isinstance(network, Skip):
        yield network
        return
    if not network.vsid:
        yield CannotTell(f"HNS shows no VSID policy of the network {network.name}")
        return
    given = flannel.conf.vni if isinstance(flannel, FlannelConfig) else None
    wanted = given if given and given >= VNI else VNI
    if network.vsid != wanted:
        text = (
            f"The network {network.name} on {node.name} has VSID {network.vsid}, and flannel's VNI "
            f"is {wanted}."
        )
        yield Problem(text, proof={Hns: f"network {network.name} ({network.type}): VSID {network.vsid}"})


@check(
    "cni.flannel.remote-subnets",
    title="The node has a route to every other node's pods",
    severity=ERROR,
    explains=[*no_packets()],
    cases=[
        Case("one is missing", FLANNEL_2022, (first_route(),), "node", ERROR),
        Case(
            "to an address that is not the peer's",
            FLANNEL_2022,
            (first_route(provider_address="10.9.9.9"),),
            "node",
            ERROR,
        ),
        Case("with a VNI that is not the peer's", CLASSIC_2019, (first_route(vsid=1),), "node", ERROR),
        Case(
            "a dead node's route is left",
            FLANNEL_2022,
            (
                change(
                    Hns,
                    lambda h: replace(
                        h,
                        networks=tuple(
                            replace(
                                n,
                                remote_subnets=(
                                    *n.remote_subnets,
                                    RemoteSubnet("10.244.77.0/24", 4096, "10.9.9.9", "00-15-5D-00-00-01"),
                                ),
                            )
                            if n == h.overlay
                            else n
                            for n in h.networks
                        ),
                    ),
                ),
            ),
            "node",
            WARN,
        ),
        Case(
            "IPv6 is the first podCIDR of a dual stack, and a route is missing",
            FLANNEL_2022,
            (change(Nodes, _dual_stack), first_route()),
            "node",
            ERROR,
        ),
        Case(
            "IPv6 is the first podCIDR of a dual stack",
            FLANNEL_2022,
            (change(Nodes, _dual_stack),),
            quiet=True,
        ),
        Case(
            "MACs are compared without regard to their spelling",
            FLANNEL_2022,
            (
                change(
                    Hns,
                    lambda h: replace(
                        h,
                        networks=tuple(
                            replace(
                                n,
                                remote_subnets=tuple(
                                    replace(r, mac=r.mac.replace("-", ":").lower()) for r in n.remote_subnets
                                ),
                            )
                            for n in h.networks
                        ),
                    ),
                ),
            ),
            quiet=True,
        ),
    ],
)
def remote_subnets(
    node: ThisNode,
    hns: Hns,
    stack: Stack,
    cni: EffectiveCni | Failed | NotApplicable,
    nodes: Nodes,
) -> Iterator[Said]:
    """Through a RemoteSubnetRoute policy the node knows where another node's pods are; without it they are
    unreachable.

    Rule: for every other node with a vxlan lease the overlay network has one RemoteSubnetRoute: prefix is
    the node's podCIDR, provider address its public-ip, isolation id its VNI, MAC its VtepMAC. Missing or
    different is an error; a route to a prefix that no node has is a warning.
    Remedy: restart flanneld on this node (Restart-Service flanneld, or delete its pod). If one peer stays
    missing, restart flannel on that peer, so that it writes its lease anew.
    Confused with: UDP 4789 blocked on the way: then the routes are complete.
    Source: flannel pkg/backend/vxlan/vxlan_network_windows.go.
    """
    network = _overlay(stack, hns, cni)
    if isinstance(network, Skip):
        yield network
        return
    peers = [n for n in nodes.items if n.name != node.name and pod_cidr(n)]
    wrong: list[str] = []
    for peer in peers:
        found = _judge(network, peer)
        if found:
            wrong.append(f"{peer.name}: {found}")
    prefixes = {n.spec.pod_cidr for n in nodes.items} | {p for n in nodes.items for p in n.spec.pod_cidrs}
    stale = [r for r in network.remote_subnets if r.prefix not in prefixes]
    odd = network.remote_subnets if wrong else stale
    routes = "; ".join(f"{r.prefix} via {r.provider_address} vsid {r.vsid} mac {r.mac}" for r in odd[:SHOWN])
    count = f"{len(network.remote_subnets)} routes, " if len(odd) > SHOWN else ""
    shown = f"network {network.name}: {count}{routes or 'no RemoteSubnetRoute at all'}"
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        text = (
            f"{node.name} cannot reach the pods of {len(wrong)} of {len(peers)} nodes "
            f"({', '.join(wrong[:5])}{more})."
        )
        yield Problem(text, proof={Hns: f"{shown}\n" + "\n".join(wrong)})
    elif stale:
        owners = {a.address: n.name for n in nodes.items for a in n.status.addresses}
        left = ", ".join(
            f"{r.prefix} via {r.provider_address} ({owners.get(r.provider_address, 'nobody')})"
            for r in stale[:5]
        )
        text = f"{node.name} keeps routes to pods that are no node's any more: {left}."
        yield Problem(text, severity=WARN, proof={Hns: shown})


def _judge(network: Network, peer: NodeObject) -> str:
    """What is wrong with the route to `peer`; empty if nothing is. No lease, no route: that is the peer's
    trouble."""
    held = lease(peer.metadata.annotations)
    if held is None or held.backend.lower() != "vxlan":
        return ""
    cidr = pod_cidr(peer)
    routes = [r for r in network.remote_subnets if r.prefix == cidr]
    if not routes:
        return f"no route to {cidr}"
    if len(routes) > 1:
        return f"{len(routes)} routes to {cidr}"
    route = routes[0]
    if (
        route.provider_address != held.public_ip
    ):  # flannel copies a chosen address there, and peers read it there
        return f"route to {route.provider_address} instead of {held.public_ip}"
    if held.vni is not None and route.vsid != held.vni:
        return f"route with VNI {route.vsid} instead of {held.vni}"
    if held.mac and not same_mac(route.mac, held.mac):
        return f"route with MAC {route.mac} instead of {held.mac}"
    return ""
