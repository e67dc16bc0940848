"""Which pods come to Windows nodes that should not, and which should and do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from checks.cases import ALL, Change, Draft
from checks.check import Case, check
from checks.edits import node_object
from checks.finding import ERROR, WARN, Object, Problem, Said
from checks.node.placement import admits, chooses_os, wants_windows, without_selector
from facts.access import Now, ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import (
    EventObject,
    InvolvedObject,
    Metadata,
    PodObject,
    PodSpec,
    PodStatus,
    Taint,
    Toleration,
)
from facts.cluster.workloads import DaemonSets, Events, Pods
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022


def _untainted(node: str = "") -> Change:
    return node_object(lambda found: replace(found, spec=replace(found.spec, taints=())), node=node)


def _windows_pods(edit: Callable[[PodSpec], PodSpec]) -> Change:
    """Change what the pods that the scheduler placed on Windows nodes ask for."""

    def apply(draft: Draft) -> None:
        names = set(draft.session.windows_nodes())
        each = (
            replace(p, spec=edit(p.spec)) if p.spec.node_name in names and _owner(p) else p
            for p in draft.get(Pods).items
        )
        draft.put(Pods, Pods(tuple(each)))

    return apply


def _system(key: str) -> bool:
    """Whether Kubernetes itself sets this taint, for a condition that passes."""
    return key.startswith("node.kubernetes.io/") and not key.endswith("/os")


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
        Case(
            "no taint, and a DaemonSet for other nodes",
            FLANNEL_2022,
            (_untainted(), without_selector("kube-proxy", agentpool="linux")),
            quiet=True,
        ),
        Case(
            "no taint, and a pod for Windows that runs",
            FLANNEL_2022,
            (_untainted(node=ALL), _windows_pods(lambda spec: replace(spec, node_selector={}, os=None))),
            quiet=True,
        ),
        Case("a taint, and no selector", FLANNEL_2022, (without_selector("kube-proxy"),), quiet=True),
    ],
)
def taint_missing(node: ThisNode, daemonsets: DaemonSets, pods: Pods, nodes: Nodes) -> Iterator[Said]:
    """A pod for Linux without a selector that lands on Windows fails with platform errors, for ever.

    Rule: the Windows node has no taint with effect NoSchedule or NoExecute of its own, and some DaemonSet, or a
    controller's pod, does not choose an operating system by node selector, affinity or `spec.os`, and what it does
    choose lets it onto this node. A pod that is ready on a Windows node is not meant.
    Remedy: Give the workloads `nodeSelector: {kubernetes.io/os: linux}`. Or give the pods for Windows a toleration, and
    only then `kubectl taint node NODE os=windows:NoSchedule` (for nodes to come `--register-with-taints`): without it
    they stay Pending when they are made anew.
    Confused with: pods for Windows that stay Pending because they do not tolerate the taint (node.taint.blocking).
    Source: Kubernetes documentation, "Guide for Running Windows Containers in Kubernetes".
    """
    own = [t for t in node.object.spec.taints if not _system(t.key)]
    if any(t.effect in ("NoSchedule", "NoExecute") for t in own):
        return
    open_to_all = sorted(
        {
            f"DaemonSet {d.metadata.namespace}/{d.metadata.name}"
            for d in daemonsets.items
            if not chooses_os(d.spec.template.spec) and admits(d.spec.template.spec, node.object)
        }
    )
    windows = {n.name for n in nodes.windows}
    open_to_all += sorted(
        {
            who
            for p in pods.items
            if (who := _owner(p))
            and not (p.ready and p.spec.node_name in windows)
            and not chooses_os(p.spec)
            and admits(p.spec, node.object)
        }
    )
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


def _tolerates(pod: PodObject, taint: Taint) -> bool:
    return any(
        (not t.effect or t.effect == taint.effect)
        and (not t.key or t.key == taint.key)
        and (t.operator == "Exists" or (bool(t.key) and t.value == taint.value))
        for t in pod.spec.tolerations
    )


def _called(pod: PodObject) -> str:
    return f"Pod {pod.metadata.namespace}/{pod.metadata.name}"


def _pending(message: str, *tolerations: Toleration) -> Change:
    """A pod for Windows that the scheduler could not place."""

    def apply(draft: Draft) -> None:
        spec = PodSpec(node_selector={"kubernetes.io/os": "windows"}, tolerations=tolerations)
        pod = PodObject(Metadata(name="waiting", namespace="shop"), spec, PodStatus(phase="Pending"))
        draft.put(Pods, Pods((*draft.get(Pods).items, pod)))
        about, at = InvolvedObject("Pod", "waiting", "shop"), draft.get(Now).utc
        event = EventObject(
            Metadata(name="w"), about, "FailedScheduling", message, "Warning", last_timestamp=at
        )
        draft.put(Events, Events((*draft.get(Events).items, event)))

    return apply


def _tainted(key: str = "os") -> Change:
    taint = Taint(key, "windows", "NoSchedule")
    return node_object(lambda found: replace(found, spec=replace(found.spec, taints=(taint,))), node=ALL)


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
            (_tainted(), _pending(_REFUSED)),
            finds="shop/waiting",
        ),
        Case(
            "the words of 1.18",
            CLASSIC_2019,
            (
                _tainted(),
                _pending("2 node(s) had taint {os: windows}, that the pod didn't tolerate."),
            ),
            finds="shop/waiting",
        ),
        Case(
            "the words since 1.34, which name no taint, and GKE's taint",
            FLANNEL_2022,
            (
                _tainted("node.kubernetes.io/os"),
                _pending("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s)."),
            ),
            finds="shop/waiting",
        ),
        Case(
            "it tolerates the taint, and the Linux node's is meant",
            FLANNEL_2022,
            (
                _tainted(),
                _pending(
                    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient memory.",
                    Toleration("os", "Equal", "windows", "NoSchedule"),
                ),
            ),
            quiet=True,
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
            (
                _tainted("node.kubernetes.io/unreachable"),
                _pending("had untolerated taint {node.kubernetes.io/unreachable: }"),
            ),
            quiet=True,
        ),
    ],
)
def taint_blocking(nodes: Nodes, pods: Pods, events: Events) -> Iterator[Said]:
    """A pod for Windows that does not tolerate the taint stays Pending: no other node can take it.

    Rule: a pod that asks for Windows is Pending, its last event FailedScheduling speaks of an untolerated taint (from
    1.34 on without naming it), and the pod does not tolerate a taint that every Windows node has to which its selector
    leads.
    Remedy: Add to the pod template `tolerations: [{key: os, operator: Equal, value: windows, effect: NoSchedule}]`,
    or use a RuntimeClass whose scheduling does it.
    Confused with: too little CPU or memory, which the same event also tells; and the taints of a node that is not
    ready.
    Source: Kubernetes documentation, "Guide for Running Windows Containers in Kubernetes";
    https://github.com/kubernetes/kubernetes/pull/134740 (events without the taint's name).
    """
    for pod in pods.items:
        if pod.status.phase != "Pending" or pod.spec.node_name or not wants_windows(pod.spec):
            continue
        where = pod.metadata
        told = [e for e in events.about("Pod", where.name, where.namespace) if e.reason == "FailedScheduling"]
        last = max(told, key=lambda e: e.last.timestamp() if e.last else 0.0, default=None)
        possible = [n for n in nodes.windows if admits(pod.spec, n)]
        if last is None or not possible or not re.search(r"\btaint", last.message):
            continue
        shared = [t for t in possible[0].spec.taints if all(t in n.spec.taints for n in possible)]
        hard = [t for t in shared if t.effect in ("NoSchedule", "NoExecute") and not _system(t.key)]
        blocking = next((t for t in hard if not _tolerates(pod, t)), None)
        if blocking is not None:
            taint = f"{blocking.key}={blocking.value}:{blocking.effect}"
            yield Problem(
                f"{_called(pod)} does not tolerate the taint {taint} of all {len(possible)} Windows nodes for it.",
                Object("Pod", where.name, where.namespace),
                remedy=(
                    f"Add to the pod template `tolerations: [{{key: {blocking.key}, operator: Equal, value: "
                    f"{blocking.value}, effect: {blocking.effect}}}]`, or use a RuntimeClass whose scheduling does it."
                ),
                proof={
                    Events: last.message[:300],
                    Nodes: f"{taint} on {', '.join(n.name for n in possible[:5])}",
                },
            )
