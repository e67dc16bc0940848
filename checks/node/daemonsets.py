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
from facts.cluster.objects import PodStatus
from facts.cluster.workloads import DaemonSets, Pods
from facts.examples import FLANNEL_2022


def _lands(name: str, phase: str) -> Change:
    """A pod of the DaemonSet on the first Windows node, copied from one that runs on Linux."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        model = next(
            p for p in pods.items if any(o.name.startswith(name) for o in p.metadata.owner_references)
        )
        status = PodStatus(phase=phase, message="no match for platform in manifest")
        added = replace(
            model,
            metadata=replace(model.metadata, name=f"{name}-lost", uid="lost"),
            spec=replace(model.spec, node_name=draft.node, node_selector={}),
            status=status,
        )
        draft.put(Pods, Pods((*pods.items, added)))

    return apply


@check(
    "node.linux-daemonsets",
    title="DaemonSets for Linux stay off the node",
    severity=WARN,
    explains=[cause_of("node.taint.missing")],
    cases=[
        Case(
            "kube-proxy for Linux lands here",
            FLANNEL_2022,
            (without_selector("kube-proxy"), _lands("kube-proxy", "Pending")),
            finds="kube-system/kube-proxy",
        ),
        Case(
            "it runs",
            FLANNEL_2022,
            (without_selector("kube-proxy"), _lands("kube-proxy", "Succeeded")),
            quiet=True,
        ),
    ],
)
def linux_daemonsets(node: ThisNode, daemonsets: DaemonSets, pods: Pods) -> Iterator[Said]:
    """A DaemonSet that does not say that it is for Linux puts a pod on each Windows node, where it can never run.

    Rule: the pod template has no `kubernetes.io/os` in node selector or affinity (and no `spec.os`), and its pod on
    this Windows node is not Running and ready.
    Remedy: `kubectl -n NAMESPACE patch daemonset NAME --type merge -p '{"spec":{"template":{"spec":{"nodeSelector":
    {"kubernetes.io/os":"linux"}}}}}'`.
    Confused with: the Windows variant of the same DaemonSet, which has a selector of its own.
    Source: MicrosoftDocs/Virtualization-Documentation, "Kubernetes on Windows"; Kubernetes documentation, "Guide for
    Running Windows Containers in Kubernetes".
    """
    for daemons in daemonsets.items:
        if chooses_os(daemons.spec.template.spec):
            continue
        name, namespace = daemons.metadata.name, daemons.metadata.namespace
        for pod in pods.on(node.name):
            if pod.metadata.namespace != namespace or pod.status.phase == "Succeeded" or pod.ready:
                continue
            if any(o.kind == "DaemonSet" and o.name == name for o in pod.metadata.owner_references):
                state = pod.status.phase or "Pending"
                yield Problem(
                    f"DaemonSet {namespace}/{name} does not choose a system; its pod on {node.name} is {state}.",
                    Object("DaemonSet", name, namespace),
                    proof={
                        Pods: f"{pod.metadata.name}: {state} {pod.status.message}".strip(),
                        DaemonSets: "no kubernetes.io/os in the template",
                    },
                )
