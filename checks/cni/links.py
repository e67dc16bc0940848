"""What follows where a part of the pod network is wrong: the links that several checks share.

Settings of the whole cluster reach every node, trouble on a node stays there. The checks name each other
downwards in the order of the flagship index, so that the links form no circle.
"""

from __future__ import annotations

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


def no_pods(same: Relation = SAME_NODE) -> list[Link]:
    """No pod can be attached: the node stays NotReady or its sandboxes fail."""
    return []


def no_network(same: Relation = SAME_NODE) -> list[Link]:
    """The node has no usable pod network."""
    return [*no_pods(same)]


def no_flanneld(same: Relation = SAME_NODE) -> list[Link]:
    """flanneld on a Windows node ends at its start: no lease, no network, no subnet.env."""
    return [
        cause_of("cni.flannel.lease-annotations", same),
        cause_of("cni.flannel.remote-subnets", same),
        cause_of("cni.flannel.subnet-env", same),
        cause_of("cni.flannel.waiting-network", same),
        cause_of("hns.network.absent", same),
        *no_network(same),
    ]


def no_packets(same: Relation = SAME_NODE) -> list[Link]:
    """Pods run, and nothing passes between nodes: names do not resolve, Services time out."""
    return []
