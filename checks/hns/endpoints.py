"""The pods' network cards in HNS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.check import Case, check
from checks.finding import ERROR, WARN, CannotTell, Object, Problem, Said
from facts.access import ThisNode
from facts.cluster.objects import Metadata, PodAddress, PodObject, PodSpec, PodStatus
from facts.cluster.workloads import Pods
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns, HnsEndpoint, Network
from facts.node.kubernetes import KubeProxy

ATTACHED = (2, 3)
SPARE = 5


def _pod_with(*states: int, leaving: datetime | None = None) -> Change:
    """A running pod shop/stranded on the first node, whose endpoints are in `states`."""

    def apply(draft: Draft) -> None:
        pods, hns = draft.get(Pods), draft.get(Hns)
        spec, status = PodSpec(node_name=draft.node), PodStatus(phase="Running", pod_ip="10.244.1.77")
        pod = PodObject(Metadata("stranded", "shop", deletion_timestamp=leaving), spec, status)
        draft.put(Pods, replace(pods, items=(*pods.items, pod)))
        network = hns.networks[0].name
        added = (HnsEndpoint(f"e{s}", "stranded", network, "10.244.1.77", state=s) for s in states)
        draft.put(Hns, replace(hns, endpoints=(*hns.endpoints, *added)))

    return apply


def _six_first(draft: Draft) -> None:
    """Dual stack, with IPv6 first in each pod's status."""
    pods = draft.get(Pods)
    items = (
        replace(
            p,
            status=replace(
                p.status, pod_ip="fd00::9", pod_ips=(PodAddress("fd00::9"), PodAddress(p.status.pod_ip))
            ),
        )
        if p.status.pod_ip and not p.spec.host_network
        else p
        for p in pods.items
    )
    draft.put(Pods, replace(pods, items=tuple(items)))


def _left_over(count: int) -> Change:
    def edit(hns: Hns) -> Hns:
        extra = tuple(
            HnsEndpoint(f"left-{i}", f"left-{i}", hns.networks[0].name, f"10.244.1.{100 + i}")
            for i in range(count)
        )
        return replace(hns, endpoints=(*hns.endpoints, *extra))

    return change(Hns, edit)


def _starting(count: int) -> Change:
    """Pods that the node makes at the moment: their endpoints are there, their addresses not yet in the API."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        new = (
            PodObject(Metadata(f"new-{i}", "shop"), PodSpec(node_name=draft.node), PodStatus(phase="Pending"))
            for i in range(count)
        )
        draft.put(Pods, replace(pods, items=(*pods.items, *new)))

    return apply


def _done(count: int) -> Change:
    """Pods of Jobs that have ended: they keep their addresses and hold no endpoint."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        old = (
            PodObject(
                Metadata(f"job-{i}", "batch"),
                PodSpec(node_name=draft.node),
                PodStatus(phase="Succeeded", pod_ip=f"10.244.1.{200 + i}"),
            )
            for i in range(count)
        )
        draft.put(Pods, replace(pods, items=(*pods.items, *old)))

    return apply


def _docker_containers(draft: Draft) -> None:
    """Somebody runs containers of their own on Docker's network nat."""
    hns = draft.get(Hns)
    own = tuple(HnsEndpoint(f"d{i}", "Ethernet", "nat", f"172.20.0.{i}") for i in range(12))
    nat = Network("nat-id", "nat", "nat")
    draft.put(Hns, replace(hns, networks=(*hns.networks, nat), endpoints=(*hns.endpoints, *own)))


def _no_state(draft: Draft) -> None:
    hns = draft.get(Hns)
    draft.put(Hns, replace(hns, endpoints=tuple(replace(e, state=0) for e in hns.endpoints)))


def _remote(draft: Draft) -> None:
    change(
        Hns,
        lambda h: replace(
            h,
            endpoints=(
                *h.endpoints,
                *(
                    HnsEndpoint(f"r{i}", "Ethernet", "x", f"10.244.9.{i}", remote=True, state=1)
                    for i in range(20)
                ),
            ),
        ),
    )(draft)


@check(
    "hns.endpoint.state",
    title="Every pod's network card is attached",
    severity=ERROR,
    explains=[],
    cases=[
        Case("detached", FLANNEL_2022, (_pod_with(4),), "shop/stranded"),
        Case(
            "detached, in a dual stack with IPv6 first",
            FLANNEL_2022,
            (_pod_with(4), _six_first),
            "shop/stranded",
        ),
        Case("degraded", CLASSIC_2019, (_pod_with(5),), "shop/stranded"),
        Case("attached, not shared, as containerd has it", FLANNEL_2022, (_pod_with(2),), quiet=True),
        Case("remote endpoints are never attached", FLANNEL_2022, (_remote,), quiet=True),
        Case("one that was left beside one that is attached", FLANNEL_2022, (_pod_with(1, 2),), quiet=True),
        Case(
            "a pod that is being deleted",
            FLANNEL_2022,
            (_pod_with(4, leaving=datetime(2026, 1, 2, tzinfo=UTC)),),
            quiet=True,
        ),
        Case("HNS tells no states", FLANNEL_2022, (_no_state,), unknown=True),
    ],
)
def state(node: ThisNode, hns: Hns, pods: Pods) -> Iterator[Said]:
    """A pod whose endpoint is not attached runs and has no network.

    Rule: the endpoint of a running pod is in another state than Attached (2) or AttachedSharing (3): Created
    (1), Detached (4), Degraded (5) or Destroyed (6). Remote endpoints and the source VIP are not attached by
    design.
    Remedy: kubectl delete pod POD, once; if the new pod's endpoint is not attached either, restart HNS and
    kube-proxy in a maintenance window.
    Confused with: a program in the pod that does not listen.
    Source: microsoft/hcsshim hcn (endpoint states); microsoft/SDN networkhealth.ps1.
    """
    running = {
        p.status.ipv4: p
        for p in pods.on(node.name)
        if p.status.phase == "Running" and not p.spec.host_network and not p.metadata.deletion_timestamp
    }
    own = [e for e in hns.endpoints if not e.remote and e.ip in running]
    if own and not any(e.state for e in own):
        yield CannotTell(f"HNS tells no state of the endpoints of {len(own)} pods.")
    attached = {e.ip for e in own if e.state in ATTACHED}
    bad = {e.ip: e for e in own if e.state not in (*ATTACHED, 0) and e.ip not in attached}
    for ip, endpoint in bad.items():
        pod = running[ip].metadata
        text = (
            f"The network card of pod {pod.namespace}/{pod.name} ({ip}) on {node.name} is "
            f"{endpoint.state_name} (state {endpoint.state}), not attached."
        )
        yield Problem(
            text,
            Object("Pod", pod.name, pod.namespace),
            proof={Hns: f"endpoint {endpoint.id} {ip}: state {endpoint.state}"},
        )


@check(
    "hns.endpoint.leak",
    title="HNS holds no endpoints of pods that are gone",
    severity=WARN,
    explains=[],
    cases=[
        Case("twelve are left", FLANNEL_2022, (_left_over(12),), "node"),
        Case("and as many pods of Jobs that have ended", FLANNEL_2022, (_left_over(12), _done(12)), "node"),
        Case("a few while pods come and go", FLANNEL_2022, (_left_over(2),), quiet=True),
        Case("twelve pods are being made", FLANNEL_2022, (_left_over(12), _starting(12)), quiet=True),
        Case("containers of Docker's own", CLASSIC_2019, (_docker_containers,), quiet=True),
        Case("remote endpoints are kube-proxy's", CLASSIC_2019, (_remote,), quiet=True),
    ],
)
def leak(node: ThisNode, hns: Hns, pods: Pods, proxy: KubeProxy | Failed | NotApplicable) -> Iterator[Said]:
    """Endpoints that outlive their pods keep their addresses, until no pod gets one.

    Rule: local endpoints (without *_ep, the source VIP and those on networks of type nat or ICS) are more than 5
    beyond the node's pods that have not ended and are not on the host network.
    Remedy: drain the node, stop the kubelet, remove the endpoints that belong to no pod (Get-HnsEndpoint | ? {
    -not $_.IsRemoteEndpoint -and $_.IPAddress -in 'ADDRESS', 'ADDRESS' } | Remove-HnsEndpoint), start the kubelet,
    uncordon. Leave those whose name ends in _ep and the source VIP: the host and kube-proxy need them.
    Confused with: remote endpoints, which kube-proxy makes for every backend on another node.
    Source: Microsoft, "Common problems" of Kubernetes on Windows.
    """
    vip = proxy.source_vip if isinstance(proxy, KubeProxy) else ""
    live = [
        p
        for p in pods.on(node.name)
        if not p.spec.host_network and p.status.phase not in ("Succeeded", "Failed")
    ]
    known = {p.status.ipv4 for p in live if p.status.ipv4}
    others = {n.name for n in hns.networks} - {n.name for n in hns.pod_networks}
    local = [
        e
        for e in hns.endpoints
        if not e.remote
        and not e.name.endswith("_ep")
        and (not vip or e.ip != vip)
        and e.network not in others
    ]
    extra = [e for e in local if e.ip not in known]
    if len(local) - len(live) > SPARE:
        shown = ", ".join(f"{e.ip} {e.name[:12]}" for e in extra[:8])
        text = (
            f"HNS on {node.name} holds {len(local)} local endpoints for {len(live)} pods: "
            f"{len(extra)} belong to none."
        )
        yield Problem(text, proof={Hns: f"without a pod: {shown}"})
