"""The pods' network cards in HNS."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.check import Case, check
from checks.finding import ERROR, WARN, Object, Problem, Said
from facts.access import ThisNode
from facts.cluster.objects import Metadata, PodObject, PodSpec, PodStatus
from facts.cluster.workloads import Pods
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns, HnsEndpoint
from facts.node.kubernetes import KubeProxy

ATTACHED = (2, 3)
SPARE = 5


def _pod_with(state: int) -> Change:
    """A running pod shop/stranded on the first node, whose endpoint is in `state`."""

    def apply(draft: Draft) -> None:
        pods, hns = draft.get(Pods), draft.get(Hns)
        spec, status = PodSpec(node_name=draft.node), PodStatus(phase="Running", pod_ip="10.244.1.77")
        pod = PodObject(Metadata("stranded", "shop"), spec, status)
        draft.put(Pods, replace(pods, items=(*pods.items, pod)))
        endpoint = HnsEndpoint("e77", "stranded", hns.networks[0].name, "10.244.1.77", state=state)
        draft.put(Hns, replace(hns, endpoints=(*hns.endpoints, endpoint)))

    return apply


def _left_over(count: int) -> Change:
    def edit(hns: Hns) -> Hns:
        extra = tuple(
            HnsEndpoint(f"left-{i}", f"left-{i}", hns.networks[0].name, f"10.244.1.{100 + i}")
            for i in range(count)
        )
        return replace(hns, endpoints=(*hns.endpoints, *extra))

    return change(Hns, edit)


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
        Case("degraded", CLASSIC_2019, (_pod_with(5),), "shop/stranded"),
        Case("attached, not shared, as containerd has it", FLANNEL_2022, (_pod_with(2),), quiet=True),
        Case("remote endpoints are never attached", FLANNEL_2022, (_remote,), quiet=True),
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
        p.status.pod_ip: p
        for p in pods.on(node.name)
        if p.status.phase == "Running" and not p.spec.host_network
    }
    bad: dict[str, HnsEndpoint] = {}
    for endpoint in hns.endpoints:
        if not endpoint.remote and endpoint.state not in (*ATTACHED, 0) and endpoint.ip in running:
            bad[endpoint.ip] = endpoint
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
        Case("a few while pods come and go", FLANNEL_2022, (_left_over(2),), quiet=True),
        Case("remote endpoints are kube-proxy's", CLASSIC_2019, (_remote,), quiet=True),
    ],
)
def leak(node: ThisNode, hns: Hns, pods: Pods, proxy: KubeProxy | Failed | NotApplicable) -> Iterator[Said]:
    """Endpoints that outlive their pods keep their addresses, until no pod gets one.

    Rule: local endpoints (without *_ep and the source VIP) are more than 5 beyond the node's pods that have
    an address and are not on the host network.
    Remedy: drain the node, stop the kubelet, Get-HnsEndpoint | Remove-HnsEndpoint, start the kubelet.
    Confused with: remote endpoints, which kube-proxy makes for every backend on another node.
    Source: Microsoft, "Common problems" of Kubernetes on Windows.
    """
    vip = proxy.source_vip if isinstance(proxy, KubeProxy) else ""
    known = {p.status.pod_ip for p in pods.on(node.name) if p.status.pod_ip and not p.spec.host_network}
    local = [
        e for e in hns.endpoints if not e.remote and not e.name.endswith("_ep") and (not vip or e.ip != vip)
    ]
    extra = [e for e in local if e.ip not in known]
    if len(local) - len(known) > SPARE:
        shown = ", ".join(f"{e.ip} {e.name[:12]}" for e in extra[:8])
        text = (
            f"HNS on {node.name} holds {len(local)} local endpoints for {len(known)} pods: "
            f"{len(extra)} belong to none."
        )
        yield Problem(text, proof={Hns: f"without a pod: {shown}"})
