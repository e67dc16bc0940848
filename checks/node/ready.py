"""NotReady, taken apart: what the cluster knows of a node that takes no pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_flanneld
from checks.edits import condition, node_object, not_ready, silent
from checks.finding import ERROR, INFO, Problem, Said
from checks.relations import SILENT
from checks.versions import clock, span
from facts.access import Now, ThisNode
from facts.cluster.nodes import Leases
from facts.cluster.objects import Condition, ContainerState, EventObject, InvolvedObject, Metadata, NodeObject
from facts.cluster.workloads import Events, Pods
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed

# The kubelet's own English words → the part of the node that they speak of. The first that matches counts.
_AREAS = (
    (r"container runtime is down|docker daemon", "the container runtime does not answer"),
    (r"pleg has yet to be successful", "the kubelet has only just started"),
    (r"PLEG is not healthy|ContainerRuntimeNotReady", "the container runtime does not answer"),
    (
        r"cni (plugin|config)|NetworkPluginNotReady|network not ready|network plugin",
        "the pod network is not ready",
    ),
    (r"shutting down", "the node is shutting down"),
    (r"missing node capacity", "the kubelet does not know what the node has"),
)
_DOWN = "[container runtime is down, PLEG is not healthy: pleg was last seen active 14m12.6s ago; threshold is 3m0s]"
_NO_CNI = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin "
    "returns error: cni plugin not initialized"
)


def _unheard(found: NodeObject) -> NodeObject:
    """A Node whose kubelet registered it and never reported."""
    unknown = condition("Ready", "Unknown", "Kubelet never posted node status.", "NodeStatusNeverUpdated")
    return unknown(found)


def _area(message: str) -> str:
    return next(
        (area for pattern, area in _AREAS if re.search(pattern, message, re.I)), "the kubelet says why"
    )


@check(
    "node.notready",
    title="The node is Ready",
    severity=ERROR,
    cases=[
        Case("the kubelet is silent", FLANNEL_2022, (silent(),), finds="node"),
        Case("no CNI", FLANNEL_2019, (not_ready(_NO_CNI),), finds="node"),
        Case("no runtime", CLASSIC_2019, (not_ready(_DOWN),), finds="node"),
        Case("never heard of", FLANNEL_2022, (node_object(_unheard),), finds="node"),
    ],
)
def notready(node: ThisNode, leases: Leases | Failed, now: Now) -> Iterator[Said]:
    """One word for four kinds of trouble: a silent kubelet, the runtime, the pod network, resources.

    Rule: the condition Ready is not True. Unknown means that the kubelet no longer posts (its process, its way to the
    API server, its certificate, the clock). False carries the kubelet's own reason: `cni plugin not initialized` or
    `cni config uninitialized` is the pod network; `container runtime is down`, `PLEG is not healthy` and
    `ContainerRuntimeNotReady` are the runtime.
    Remedy: Mend the cause that is listed with this; `kwinnow why NODE` walks the way to it.
    Confused with: a cordoned node (SchedulingDisabled), which is no condition and runs its pods.
    Source: Kubernetes documentation, "Node Status" (Unknown after node-monitor-grace-period, 40 s to 50 s);
    https://github.com/kubernetes-sigs/sig-windows-tools/issues/61.
    """
    ready = node.object.condition("Ready")
    if ready is None:
        yield Problem(
            f"{node.name} has no condition Ready: its kubelet has {SILENT} before its first report.",
            proof={ThisNode: "no condition Ready"},
        )
    elif ready.status != "True":
        proof = f"Ready={ready.status} reason={ready.reason} message={ready.message}"
        yield Problem(
            _message(node.name, ready, _renewed(leases, node.name), now.utc), proof={ThisNode: proof[:600]}
        )


def _renewed(leases: Leases | Failed, node: str) -> datetime | None:
    lease = leases.of(node) if isinstance(leases, Leases) else None
    return lease.spec.renew_time if lease else None


def _message(name: str, ready: Condition, renewed: datetime | None, now: datetime) -> str:
    since = ready.last_transition_time
    when = f" since {clock(since)} ({span(now - since)})" if since else ""
    if ready.status == "Unknown":
        # The lease is dated by the node's own clock: where that is far off, its date would only confuse.
        dated = renewed is not None and since is not None and abs(renewed - since) < timedelta(hours=1)
        last = f"; its last heartbeat is of {clock(renewed)}" if dated and renewed else ""
        first = " before its first report" if ready.reason == "NodeStatusNeverUpdated" else ""
        return f"{name} is NotReady: its kubelet has {SILENT}{first}{when}{last}."
    return f"{name} is NotReady{when}: {_area(ready.message)}: {' '.join(ready.message.split())[:240]}"


_PULLING = timedelta(minutes=15)
_CNI_POD = re.compile(r"flannel|calico-node|cni", re.I)


def _still_pulling(minutes: float, failed: bool = False) -> Change:
    """The CNI pod on the first node waits for its image."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        pod = next(p for p in pods.on(draft.node) if "flannel" in p.metadata.name)
        waiting = ContainerState(waiting={"reason": "ContainerCreating"})
        statuses = tuple(replace(s, ready=False, state=waiting) for s in pod.status.container_statuses)
        new = replace(pod, status=replace(pod.status, container_statuses=statuses, phase="Pending"))
        draft.put(Pods, Pods(tuple(new if p is pod else p for p in pods.items)))
        about = InvolvedObject("Pod", pod.metadata.name, pod.metadata.namespace)
        at = draft.get(Now).utc - timedelta(minutes=minutes)
        added = [
            EventObject(Metadata(name="pull"), about, "Pulling", "Pulling image", "Normal", last_timestamp=at)
        ]
        if failed:
            added.append(
                EventObject(
                    Metadata(name="bad"), about, "Failed", "no such host", "Warning", last_timestamp=at
                )
            )
        draft.put(Events, Events((*draft.get(Events).items, *added)))

    return apply


@check(
    "node.notready.flannel-pulling",
    title="The pod network's image is on the node",
    severity=INFO,
    explains=[
        cause_of("node.notready", when=lambda cause, effect: SILENT not in effect.message),
        *no_flanneld(),
    ],
    cases=[
        Case("for three minutes", FLANNEL_2022, (not_ready(_NO_CNI), _still_pulling(3)), finds="node"),
        Case("for an hour", FLANNEL_2022, (not_ready(_NO_CNI), _still_pulling(60)), quiet=True),
        Case(
            "the pull failed", FLANNEL_2022, (not_ready(_NO_CNI), _still_pulling(3, failed=True)), quiet=True
        ),
        Case("the node is Ready", FLANNEL_2022, (_still_pulling(3),), quiet=True),
    ],
)
def flannel_pulling(node: ThisNode, pods: Pods, events: Events, now: Now) -> Iterator[Said]:
    """The first pull of an image for Windows takes minutes; until then the node has no pod network.

    Rule: the node is not Ready, its pod of the CNI's DaemonSet waits in ContainerCreating, and the last thing that
    happened to it is an event Pulling that is younger than 15 minutes.
    Remedy: Wait up to 15 minutes. On the nodes that follow pull the image first: `crictl pull IMAGE`.
    Confused with: cni.none, where nobody is about to write the configuration.
    Source: kubernetes-sigs/sig-windows-tools, hostprocess/flannel; Kubernetes documentation, "Adding Windows worker
    nodes".
    """
    ready = node.object.condition("Ready")
    if ready is not None and ready.status == "True":
        return
    for pod in pods.on(node.name):
        waits = any(
            (s.state.waiting or {}).get("reason") in ("ContainerCreating", "PodInitializing")
            for s in pod.status.container_statuses
        )
        if not (
            _CNI_POD.search(pod.metadata.name)
            and waits
            and any(o.kind == "DaemonSet" for o in pod.metadata.owner_references)
        ):
            continue
        told = [
            e for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace) if e.last is not None
        ]
        pulling = [e.last for e in told if e.reason == "Pulling" and e.last]
        if not pulling or now.utc - max(pulling) > _PULLING:
            continue
        if any(
            e.reason in ("Pulled", "Failed", "BackOff", "FailedCreatePodSandBox")
            and e.last
            and e.last >= max(pulling)
            for e in told
        ):
            continue
        whose, age = f"{pod.metadata.namespace}/{pod.metadata.name}", span(now.utc - max(pulling))
        yield Problem(
            f"{node.name} has been pulling the image of {whose} for {age}: wait for it.",
            proof={Events: f"Pulling at {clock(max(pulling))}", Pods: "waiting: ContainerCreating"},
        )
