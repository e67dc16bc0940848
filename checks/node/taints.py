"""Which pods come to Windows nodes that should not, and which should and do not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import ALL, Change, Draft
from checks.check import Case, check
from checks.edits import node_object
from checks.finding import ERROR, WARN, Object, Problem, Said
from checks.node.placement import OS_KEYS, chooses_os, without_selector
from facts.access import Now, ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import (
    EventObject,
    InvolvedObject,
    Metadata,
    NodeObject,
    PodObject,
    PodSpec,
    PodStatus,
    Taint,
)
from facts.cluster.workloads import DaemonSets, Events, Pods
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022


def _untainted(node: str = "") -> Change:
    return node_object(lambda found: replace(found, spec=replace(found.spec, taints=())), node=node)


@check(
    "node.taint.missing",
    title="Pods for Linux cannot land on the node",
    severity=WARN,
    cases=[
        Case(
            "no taint, and a DaemonSet without a selector",
            FLANNEL_2022,
            (_untainted(), without_selector("kube-proxy")),
            finds="node",
        ),
        Case("no taint, but selectors everywhere", FLANNEL_2019, (_untainted(),), quiet=True),
        Case("a taint, and no selector", FLANNEL_2022, (without_selector("kube-proxy"),), quiet=True),
    ],
)
def taint_missing(node: ThisNode, daemonsets: DaemonSets, pods: Pods) -> Iterator[Said]:
    """A pod for Linux without a selector that lands on Windows fails with platform errors, for ever.

    Rule: the Windows node has no taint with effect NoSchedule or NoExecute of its own, and some DaemonSet, or a
    controller's pod, does not choose an operating system by node selector, affinity or `spec.os`.
    Remedy: `kubectl taint node NODE os=windows:NoSchedule` (and for nodes to come `--register-with-taints`), or give
    the workloads `nodeSelector: {kubernetes.io/os: linux}`.
    Confused with: pods for Windows that stay Pending because they do not tolerate the taint (node.taint.blocking).
    Source: Kubernetes documentation, "Guide for Running Windows Containers in Kubernetes".
    """
    own = [
        t
        for t in node.object.spec.taints
        if not t.key.startswith("node.kubernetes.io/") or t.key.endswith("/os")
    ]
    if any(t.effect in ("NoSchedule", "NoExecute") for t in own):
        return
    open_to_all = sorted(
        {
            f"DaemonSet {d.metadata.namespace}/{d.metadata.name}"
            for d in daemonsets.items
            if not chooses_os(d.spec.template.spec)
        }
    )
    open_to_all += sorted({who for p in pods.items if (who := _owner(p)) and not chooses_os(p.spec)})
    if open_to_all:
        shown = ", ".join(open_to_all[:3]) + (
            f" and {len(open_to_all) - 3} more" if len(open_to_all) > 3 else ""
        )
        yield Problem(
            f"{node.name} has no taint against Linux pods, and these do not choose an operating system: {shown}.",
            proof={
                ThisNode: f"taints: {', '.join(t.key for t in node.object.spec.taints) or 'none'}",
                DaemonSets: shown,
            },
        )


def _owner(pod: PodObject) -> str:
    """The controller of a pod that the scheduler places; empty for static pods and those of DaemonSets."""
    owner = next((o for o in pod.metadata.owner_references if o.kind not in ("Node", "DaemonSet")), None)
    return f"{owner.kind} {pod.metadata.namespace}/{owner.name}" if owner else ""


_UNTOLERATED = re.compile(r"untolerated taint \{([^:}]+):? ?([^}]*)\}|had taint \{([^:}]+):? ?([^}]*)\}")


def _wants_windows(pod: PodObject) -> bool:
    named = pod.spec.os is not None and pod.spec.os.name == "windows"
    return named or any(pod.spec.node_selector.get(key, "") == "windows" for key in OS_KEYS)


def _called(pod: PodObject) -> str:
    return f"Pod {pod.metadata.namespace}/{pod.metadata.name}"


def _pending(message: str) -> Change:
    """A pod for Windows that the scheduler could not place."""

    def apply(draft: Draft) -> None:
        spec = PodSpec(node_selector={"kubernetes.io/os": "windows"})
        pod = PodObject(Metadata(name="waiting", namespace="shop"), spec, PodStatus(phase="Pending"))
        draft.put(Pods, Pods((*draft.get(Pods).items, pod)))
        about, at = InvolvedObject("Pod", "waiting", "shop"), draft.get(Now).utc
        event = EventObject(
            Metadata(name="w"), about, "FailedScheduling", message, "Warning", last_timestamp=at
        )
        draft.put(Events, Events((*draft.get(Events).items, event)))

    return apply


def _tainted(found: NodeObject) -> NodeObject:
    return replace(found, spec=replace(found.spec, taints=(Taint("os", "windows", "NoSchedule"),)))


_REFUSED = (
    "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {os: windows}."
)


@check(
    "node.taint.blocking",
    title="Pods for Windows tolerate the taint of Windows nodes",
    severity=ERROR,
    cases=[
        Case(
            "no toleration",
            FLANNEL_2022,
            (node_object(_tainted, node=ALL), _pending(_REFUSED)),
            finds="shop/waiting",
        ),
        Case(
            "the words of 1.18",
            CLASSIC_2019,
            (
                node_object(_tainted, node=ALL),
                _pending("2 node(s) had taint {os: windows}, that the pod didn't tolerate."),
            ),
            finds="shop/waiting",
        ),
        Case(
            "no room",
            FLANNEL_2022,
            (_pending("0/3 nodes are available: 3 Insufficient memory."),),
            quiet=True,
        ),
        Case(
            "the node is gone",
            FLANNEL_2022,
            (_pending("had untolerated taint {node.kubernetes.io/unreachable: }"),),
            quiet=True,
        ),
    ],
)
def taint_blocking(nodes: Nodes, pods: Pods, events: Events) -> Iterator[Said]:
    """A pod for Windows that does not tolerate the taint stays Pending: no other node can take it.

    Rule: a pod that asks for Windows is Pending, and its event FailedScheduling names an untolerated taint which
    every Windows node has.
    Remedy: Add to the pod template `tolerations: [{key: os, operator: Equal, value: windows, effect: NoSchedule}]`,
    or use a RuntimeClass whose scheduling does it.
    Confused with: too little CPU or memory, which the same event also tells; and the taints of a node that is not
    ready.
    Source: Kubernetes documentation, "Guide for Running Windows Containers in Kubernetes".
    """
    everywhere = [{t.key for t in n.spec.taints} for n in nodes.windows]
    common = set.intersection(*everywhere) if everywhere else set()
    for pod in pods.items:
        if pod.status.phase != "Pending" or pod.spec.node_name or not _wants_windows(pod):
            continue
        where = pod.metadata
        told = [e for e in events.about("Pod", where.name, where.namespace) if e.reason == "FailedScheduling"]
        for event in told[-1:]:
            keys = {(m.group(1) or m.group(3) or "").strip() for m in _UNTOLERATED.finditer(event.message)}
            blocking = sorted(k for k in keys & common if not k.startswith("node.kubernetes.io/"))
            if blocking:
                yield Problem(
                    f"{_called(pod)} does not tolerate the taint {blocking[0]} of all {len(everywhere)} Windows nodes.",
                    Object("Pod", where.name, where.namespace),
                    proof={Events: event.message[:300]},
                )
