"""What follows where a part of the pod network is wrong: the links that several checks share.

Settings of the whole cluster reach every node, trouble on a node stays there. The checks name each other
downwards in the order of the flagship index, so that the links form no circle.
"""

from __future__ import annotations

from msgspec.structs import replace

from checks.causes import SAME_NODE, Link, Relation, cause_of
from checks.finding import Finding


def names_cause(cause: Finding, effect: Finding) -> bool:
    """The effect's own words name the node that the cause is about."""
    words = {cause.node, cause.object.name} - {""}
    return any(
        word in text for word in words for text in (effect.message, *(e.excerpt for e in effect.evidence))
    )


def names_effect(cause: Finding, effect: Finding) -> bool:
    """The cause's own words name the node that the effect is about."""
    return names_cause(effect, cause)


def everywhere(cause: Finding, effect: Finding) -> bool:
    """The cause ends flanneld: on every Windows node, or on the one that it is about."""
    return (
        "exits" in cause.message
        and (not cause.node or cause.node == effect.node)
        and on_windows(cause, effect)
    )


def on_windows(cause: Finding, effect: Finding) -> bool:
    """What is said of a Linux node has another cause than flanneld on Windows."""
    return "Linux node" not in effect.message


def only(links: list[Link], when: Relation) -> list[Link]:
    """The links, drawn only where `when` holds, too."""

    def both(first: Relation | None) -> Relation:
        return lambda cause, effect: when(cause, effect) and (first is None or first(cause, effect))

    return [replace(link, when=both(link.when)) for link in links]


def _for_want_of_network(cause: Finding, effect: Finding) -> bool:
    """The node is NotReady because of its network, not because of its kubelet or runtime."""
    return any(word in effect.message.lower() for word in ("network", "cni"))


def no_pods(same: Relation = SAME_NODE) -> list[Link]:
    """No pod can be attached: sandboxes fail, or the node stays NotReady for want of a network."""
    return [
        cause_of("image.pause.event-pattern", same),
        cause_of("node.notready", same, when=_for_want_of_network),
    ]


def no_load_balancers(same: Relation = SAME_NODE) -> list[Link]:
    """kube-proxy has no network to program, or what it programmed is gone."""
    return [
        cause_of("proxy.lb-missing", same),
        cause_of("dns.lb-rule", same),
        cause_of("service.nodeport.lb-present", same),
    ]


def no_network(same: Relation = SAME_NODE) -> list[Link]:
    """The node has no usable pod network: neither pods nor kube-proxy work."""
    return [
        cause_of("proxy.network-name", same),
        cause_of("proxy.not-running", same),
        cause_of("proxy.source-vip", same),
        cause_of("proxy.source-vip-invalid", same),
        *no_load_balancers(same),
        *no_pods(same),
    ]


def no_lease(same: Relation = SAME_NODE) -> list[Link]:
    """Nothing did flanneld's work on a Windows node: no lease, no network, no subnet.env."""
    return [
        cause_of("cni.flannel.lease-annotations", same),
        cause_of("cni.flannel.remote-subnets", same),
        cause_of("cni.flannel.subnet-env", same),
        cause_of("cni.flannel.waiting-network", same),
        cause_of("hns.network.absent", same),
        *no_network(same),
    ]


def no_flanneld(same: Relation = SAME_NODE) -> list[Link]:
    """flanneld on a Windows node ends at its start, or never comes to it."""
    return [cause_of("cni.none", same), *no_lease(same)]


def no_packets(same: Relation = SAME_NODE) -> list[Link]:
    """Pods run, and nothing passes between nodes: what is concluded from pods' timeouts alone has its cause here."""
    return [
        cause_of("cni.flannel.underlay-4789", same),
        cause_of("cni.flannel.mac-spoofing", same),
        cause_of("cni.flannel.svc-to-node-backend", same),
    ]
