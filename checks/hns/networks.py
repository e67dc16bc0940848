"""The networks that HNS holds on a node."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fields, without
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_network, no_packets
from checks.finding import ERROR, WARN, Problem, Said, Skip
from facts.access import ThisNode
from facts.derived.flanneld_words import FlanneldWords
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.hns import Hns, Network

LINK_LOCAL = "169.254."
TRIGGER = "External"


@check(
    "hns.network.absent",
    title="The pod network exists on the node",
    severity=ERROR,
    explains=no_network(),
    cases=[
        Case("gone after a reboot", FLANNEL_2022, (change(Hns, lambda h: replace(h, networks=())),), "node"),
        Case(
            "Docker's nat carries no pods",
            CLASSIC_2019,
            (change(Hns, lambda h: replace(h, networks=(Network("1", "nat", "nat"),))),),
            "node",
        ),
        Case(
            "the trigger network alone is none",
            CLASSIC_2019,
            (change(Hns, lambda h: replace(h, networks=without(h.networks, lambda n: n.name != TRIGGER))),),
            "node",
        ),
        Case(
            "Calico's name",
            FLANNEL_2019,
            (
                change(
                    Hns, lambda h: replace(h, networks=tuple(replace(n, name="Calico") for n in h.networks))
                ),
            ),
            quiet=True,
        ),
    ],
)
def absent(node: ThisNode, hns: Hns, words: FlanneldWords | Failed) -> Iterator[Said]:
    """Pods get no address until the CNI's daemon has made its network in HNS.

    Rule: HNS has no network but those of type nat, ICS or Internal and the trigger network External.
    Remedy: read the log of the CNI's daemon (flanneld, calico-node) for the error of its creation, mend
    that, restart the daemon; restart kube-proxy afterwards.
    Confused with: a network of another name (cni.name-mismatch).
    Source: Kubernetes, "Troubleshooting Kubernetes on Windows".
    """
    if hns.pod_networks:
        return
    names = ", ".join(n.name for n in hns.networks) or "none"
    proof: dict[type[Fact], str] = {Hns: f"networks: {names}"}
    last = (
        next((line for line in reversed(words.now) if line.strip()), "")
        if isinstance(words, FlanneldWords)
        else ""
    )
    if last:
        proof[FlanneldWords] = last.strip()
    yield Problem(f"HNS on {node.name} has no network that can carry pods (it has: {names}).", proof=proof)


def _without_address(hns: Hns, name: str) -> tuple[Network, ...]:
    return tuple(replace(n, management_ip="169.254.12.9") if n.name == name else n for n in hns.networks)


@check(
    "hns.network.apipa",
    title="The pod network has a real management address",
    severity=ERROR,
    explains=[cause_of("cni.flannel.mgmt-ip"), *no_packets()],
    cases=[
        Case(
            "the switch took a card without address",
            FLANNEL_2022,
            (
                change(
                    Hns,
                    lambda h: replace(
                        h, networks=tuple(replace(n, management_ip="169.254.12.9") for n in h.networks)
                    ),
                ),
            ),
            "node",
        ),
        Case(
            "the trigger network was made first, and took the card",
            CLASSIC_2019,
            (change(Hns, lambda h: replace(h, networks=_without_address(h, TRIGGER))),),
            "node",
        ),
        Case(
            "Docker's nat does not matter",
            CLASSIC_2019,
            (
                change(
                    Hns,
                    lambda h: replace(h, networks=(*h.networks, Network("1", "nat", "nat", "169.254.1.1"))),
                ),
            ),
            quiet=True,
        ),
    ],
)
def apipa(node: ThisNode, hns: Hns) -> Iterator[Said]:
    """A management address that begins with 169.254 means that the card had no address when the switch took
    it over.

    Rule: the ManagementIP of a pod network, or of the trigger network External, is in 169.254.0.0/16.
    Remedy: mend DHCP or give the card a fixed address; drain the node, stop kube-proxy, remove its policies
    (Get-HnsPolicyList | Remove-HnsPolicyList) and only then the network (Get-HnsNetwork | ? Name -eq NAME |
    Remove-HnsNetwork); restart flanneld, then kube-proxy, and uncordon. Microsoft's networkhealth.ps1 does not see
    this: it reads another name.
    Confused with: a second, link-local address on a healthy card.
    Source: microsoft/SDN Kubernetes/windows/debug/networkhealth.ps1.
    """
    trigger = tuple(n for n in hns.networks if n.name == TRIGGER)
    for network in (*hns.pod_networks, *trigger):
        if network.management_ip.startswith(LINK_LOCAL):
            text = (
                f"The network {network.name} on {node.name} has the management address "
                f"{network.management_ip}: its card had no address."
            )
            yield Problem(
                text,
                proof={
                    Hns: f"network {network.name}: ManagementIP {network.management_ip}, adapter "
                    f"{network.adapter}"
                },
            )
            return


def _calico(network: str) -> Change:
    """A cluster with the DaemonSet calico-node, whose Windows nodes have this pod network."""

    def apply(draft: Draft) -> None:
        fields(Stack, cni="calico", cni_origin="DaemonSet calico-system/calico-node")(draft)
        change(Hns, lambda h: replace(h, networks=tuple(replace(n, name=network) for n in h.networks)))(draft)

    return apply


@check(
    "hns.network.external-missing",
    title="The trigger network External exists",
    severity=WARN,
    explains=[],
    cases=[
        Case(
            "removed",
            CLASSIC_2019,
            (change(Hns, lambda h: replace(h, networks=without(h.networks, lambda n: n.name == TRIGGER))),),
            "node",
        ),
        Case("HostProcess flannel has none", FLANNEL_2022, quiet=True),
        Case("Calico made its network, and External is gone", FLANNEL_2022, (_calico("Calico"),), "node"),
        Case(
            "Calico's policies on the network of another CNI", FLANNEL_2022, (_calico("azure"),), quiet=True
        ),
    ],
)
def external_missing(node: ThisNode, hns: Hns, stack: Stack) -> Iterator[Said]:
    """The classic scripts and Calico make a network External first, so that the switch exists before pods
    come.

    Rule: the node was set up by the classic scripts, or Calico made its pod network (which is called Calico), and HNS
    has no network named External. Where Calico only does policies on the network of another CNI it makes none.
    Remedy: restart the network daemon (Restart-Service flanneld; delete the calico-node pod), which makes it
    again.
    Confused with: a missing pod network (hns.network.absent).
    Source: microsoft/SDN Kubernetes/flannel helper.psm1 and start.ps1.
    """
    if not stack.classic and (stack.cni != "calico" or hns.network("Calico") is None):
        yield Skip("Only the classic scripts and Calico as the pod network make the network External.")
        return
    if hns.network(TRIGGER) is None and hns.pod_networks:
        names = ", ".join(n.name for n in hns.networks) or "none"
        yield Problem(
            f"HNS on {node.name} has no network {TRIGGER}, which keeps the virtual switch alive.",
            proof={Hns: f"networks: {names}"},
        )
