"""DaemonSets for Linux that put pods on Windows nodes."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft
from checks.causes import cause_of
from checks.check import Case, check
from checks.finding import WARN, Object, Problem, Said
from checks.node.placement import chooses_os, without_selector
from facts.access import ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodStatus
from facts.cluster.workloads import DaemonSets, Pods
from facts.examples import FLANNEL_2022


def _lands(name: str, phase: str, place: int = 0) -> Change:
    """A pod of the DaemonSet on a Windows node, the first by default, copied from one that runs on Linux."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        model = next(
            p for p in pods.items if any(o.name.startswith(name) for o in p.metadata.owner_references)
        )
        status = PodStatus(phase=phase, message="no match for platform in manifest")
        node = draft.session.windows_nodes()[place]
        added = replace(
            model,
            metadata=replace(model.metadata, name=f"{name}-lost-{place}", uid=f"lost-{place}"),
            spec=replace(model.spec, node_name=node, node_selector={}),
            status=status,
        )
        draft.put(Pods, Pods((*pods.items, added)))

    return apply


def _only_there(name: str) -> Change:
    """The DaemonSet has no pods on Linux nodes: it chooses Windows nodes by a label of their own."""

    def apply(draft: Draft) -> None:
        windows = draft.session.windows_nodes()
        kept = (
            p
            for p in draft.get(Pods).items
            if p.spec.node_name in windows
            or not any(o.name.startswith(name) for o in p.metadata.owner_references)
        )
        draft.put(Pods, Pods(tuple(kept)))

    return apply


_OPEN = without_selector("kube-proxy")


@check(
    "node.linux-daemonsets",
    title="DaemonSets for Linux stay off the node",
    severity=WARN,
    explains=[cause_of("node.taint.missing")],
    cases=[
        Case(
            "kube-proxy for Linux lands here",
            FLANNEL_2022,
            (_OPEN, _lands("kube-proxy", "Pending")),
            finds="kube-system/kube-proxy",
        ),
        Case("it ran", FLANNEL_2022, (_OPEN, _lands("kube-proxy", "Succeeded")), quiet=True),
        Case("it runs, if not ready", FLANNEL_2022, (_OPEN, _lands("kube-proxy", "Running")), quiet=True),
        Case(
            "it is for both systems, and runs on the other Windows node",
            FLANNEL_2022,
            (_OPEN, _lands("kube-proxy", "Pending"), _lands("kube-proxy", "Running", place=1)),
            quiet=True,
        ),
        Case(
            "it is for Windows",
            FLANNEL_2022,
            (_OPEN, _lands("kube-proxy", "Pending"), _only_there("kube-proxy")),
            quiet=True,
        ),
    ],
)
def linux_daemonsets(node: ThisNode, daemonsets: DaemonSets, pods: Pods, nodes: Nodes) -> Iterator[Said]:
    """A DaemonSet that does not say that it is for Linux puts a pod on each Windows node, where it can never run.

    Rule: the pod template has no `kubernetes.io/os` in node selector or affinity (and no `spec.os`), its pod on this
    Windows node is not Running, and others of its pods are on Linux nodes, but none is Running on a Windows node: one
    that is for Windows, or for both, is not meant.
    Remedy: `kubectl -n NAMESPACE patch daemonset NAME --type merge -p "spec: {template: {spec: {nodeSelector:
    {kubernetes.io/os: linux}}}}"` (YAML, since PowerShell takes the quotation marks out of JSON).
    Confused with: the Windows variant of the same DaemonSet, which has a selector of its own.
    Source: MicrosoftDocs/Virtualization-Documentation, "Kubernetes on Windows"; Kubernetes documentation, "Guide for
    Running Windows Containers in Kubernetes".
    """
    windows = {n.name for n in nodes.windows}
    for daemons in daemonsets.items:
        if chooses_os(daemons.spec.template.spec) or daemons.spec.template.spec.host_process:
            continue
        name, namespace = daemons.metadata.name, daemons.metadata.namespace
        of_it = [
            p
            for p in pods.items
            if p.metadata.namespace == namespace
            and any(o.kind == "DaemonSet" and o.name == name for o in p.metadata.owner_references)
        ]
        here = [p for p in of_it if p.spec.node_name in windows]
        if len(here) == len(of_it) or any(p.status.phase in ("Running", "Succeeded") for p in here):
            continue
        for pod in (p for p in here if p.spec.node_name == node.name):
            state = pod.status.phase or "Pending"
            yield Problem(
                f"DaemonSet {namespace}/{name} does not choose a system; its pod on {node.name} is {state}.",
                Object("DaemonSet", name, namespace),
                proof={
                    Pods: f"{pod.metadata.name}: {state} {pod.status.message}".strip(),
                    DaemonSets: "no kubernetes.io/os in the template",
                },
            )
