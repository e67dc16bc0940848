"""host-local's addresses: used up, or never given back."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.check import Case, check
from checks.cni.flannel_numbers import pod_cidr
from checks.cni.links import no_pods
from checks.edits import node_object
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.objects import EventObject, InvolvedObject, NodeObject
from facts.cluster.workloads import Events, Pods
from facts.derived.effective_cni import EffectiveCni
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.cni import Ipam

EXHAUSTED = "no IP addresses available in range set"
RESERVE = 3  # addresses below which a node counts as full
SPARE = 5  # leases more than pods that are normal while pods come and go


def _filled(count: int, first: int = 2) -> tuple[str, ...]:
    return tuple(f"10.244.1.{first + i}" for i in range(count))


def _leases(count: int) -> Change:
    return change(Ipam, lambda i: replace(i, leases={name: _filled(count) for name in i.leases}))


def _told(waits: bool) -> Change:
    """An event says of the node's first pod that no address was left; it still waits, or has one by now."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        pod = next(p for p in pods.on(draft.node) if not p.spec.host_network)
        if waits:
            without = replace(pod, status=replace(pod.status, pod_ip="", phase="Pending"))
            draft.put(Pods, replace(pods, items=tuple(without if p == pod else p for p in pods.items)))
        about = InvolvedObject("Pod", pod.metadata.name, pod.metadata.namespace)
        event = EventObject(involved_object=about, message=f"failed to allocate for range 0: {EXHAUSTED}")
        draft.put(Events, replace(draft.get(Events), items=(*draft.get(Events).items, event)))

    return apply


def _dual_stack(node: NodeObject) -> NodeObject:
    both = ("fd00:10:244:1::/64", node.spec.pod_cidr)
    return replace(node, spec=replace(node.spec, pod_cidr=both[0], pod_cidrs=both))


@check(
    "cni.ipam-exhausted",
    title="The node has free pod addresses",
    severity=ERROR,
    explains=no_pods(),
    cases=[
        Case("all 253 are taken", FLANNEL_2022, (_leases(252),), "node", ERROR),
        Case("leases of pods that are gone", CLASSIC_2019, (_leases(40),), "node", WARN),
        Case("a few more than pods", FLANNEL_2022, (_leases(4),), quiet=True),
        Case("a pod that waits was told so", FLANNEL_2022, (_leases(4), _told(waits=True)), "node", ERROR),
        Case("the pod has got an address since", FLANNEL_2022, (_leases(4), _told(waits=False)), quiet=True),
        Case(
            "all are taken, and IPv6 is the first podCIDR",
            FLANNEL_2022,
            (_leases(252), node_object(_dual_stack)),
            "node",
            ERROR,
        ),
    ],
)
def ipam_exhausted(
    node: ThisNode, ipam: Ipam, cni: EffectiveCni, pods: Pods, events: Events | Failed
) -> Iterator[Said]:
    """host-local keeps one file an address; files of pods that are gone keep their addresses for ever.

    Rule: fewer than 4 addresses of the podCIDR are free, or an event of a pod on the node says that none is:
    error. More than 5 leases beyond the node's pods: warning, they leak.
    Remedy: drain the node, stop the kubelet, Get-HnsEndpoint | Remove-HnsEndpoint, remove
    C:\\var\\lib\\cni\\networks\\NAME, start the kubelet and restart kube-proxy (its endpoints are gone, too),
    uncordon. Causes known: Kubernetes 1.11.0 to 1.11.2, Docker before 18.09.
    Confused with: a podCIDR that is too small for maxPods (resources.pods).
    Source: Microsoft, "Common problems" of Kubernetes on Windows; containernetworking/plugins host-local.
    """
    name = cni.conf.network if cni.conf else ""
    leases = next((a for n, a in ipam.leases.items() if n.lower() == name.lower()), None)
    if leases is None:
        yield Skip("host-local holds no address for the network of the CNI configuration.")
        return
    own = [p for p in pods.on(node.name) if p.status.pod_ip and not p.spec.host_network]
    own = [p for p in own if p.status.phase not in ("Succeeded", "Failed")]
    waiting = [p for p in pods.on(node.name) if not p.status.pod_ip]  # the others have got an address since
    names = {(p.metadata.namespace, p.metadata.name) for p in waiting}
    said = next((e for e in (events.items if isinstance(events, Events) else ()) if _says_so(e, names)), None)
    shown = f"network {name}: {len(leases)} leases, {len(own)} pods"
    cidr = pod_cidr(node.object)
    if not cidr:
        yield CannotTell("the node has no podCIDR, so that the number of its addresses is not known")
        return
    capacity = ipaddress.ip_network(cidr, strict=False).num_addresses - 3  # network, gateway, broadcast
    if said or len(leases) >= capacity - RESERVE:
        proof: dict[type[Fact], str] = {Ipam: f"{shown}, {capacity} addresses"}
        if said:
            proof[Events] = said.message
        text = f"{node.name} has {len(leases)} of {capacity} pod addresses in use, and {len(own)} pods"
        text += ": host-local says that it has none left." if said else "."
        yield Problem(text, proof=proof)
    elif len(leases) > len(own) + SPARE:
        text = (
            f"{node.name} holds {len(leases)} pod addresses for {len(own)} pods: leases of pods that "
            "are gone are left."
        )
        yield Problem(
            text, severity=WARN, proof={Ipam: shown, Pods: f"{len(own)} pods with an address on {node.name}"}
        )


def _says_so(event: EventObject, pods: set[tuple[str, str]]) -> bool:
    about: InvolvedObject = event.involved_object
    return about.kind == "Pod" and (about.namespace, about.name) in pods and EXHAUSTED in event.message
