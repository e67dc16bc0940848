"""Labels, roles and doubles of Node objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft, fails
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import node_object
from checks.finding import ERROR, WARN, CannotTell, Object, Problem, Said
from checks.finding import node_object as as_object
from checks.versions import minor, numbers, span
from facts.access import Now, ThisNode
from facts.cluster.control_plane import Csrs
from facts.cluster.nodes import Nodes
from facts.cluster.objects import (
    Condition,
    EventObject,
    InvolvedObject,
    Metadata,
    NodeObject,
)
from facts.cluster.signing_request import CsrObject, CsrSpec, CsrStatus
from facts.cluster.workloads import Events
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.windows import Os

_OS, _ARCH, _BUILD = "kubernetes.io/os", "kubernetes.io/arch", "node.kubernetes.io/windows-build"
_BUILD_SINCE = 17  # kubelets before 1.17 do not set the label of the build


def _label(key: str, value: str | None) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        labels = {k: v for k, v in found.metadata.labels.items() if k != key}
        if value is not None:
            labels[key] = value
        return replace(found, metadata=replace(found.metadata, labels=labels))

    return node_object(edit)


@check(
    "node.labels.os",
    title="The node's labels say what it runs",
    severity=ERROR,
    cases=[
        Case("upgraded in place", FLANNEL_2022, (_label(_BUILD, "10.0.17763"),), finds="node"),
        Case("set by hand", CLASSIC_2019, (_label(_OS, "Windows"),), finds="node"),
        Case("taken away", FLANNEL_2019, (_label(_OS, None),), finds="node"),
        Case("the build is not known from the node", FLANNEL_2022, (fails(Os),), unknown=True),
        Case("a label of one's own", FLANNEL_2022, (_label("example.com/os", "x"),), quiet=True),
    ],
)
def labels_os(node: ThisNode, os: Os | Failed) -> Iterator[Said]:
    """Selectors go by these labels: with wrong ones pods land on the wrong build, or stay Pending.

    Rule: `kubernetes.io/os` must be windows, `kubernetes.io/arch` what the kubelet reports, and
    `node.kubernetes.io/windows-build` 10.0. and the build that runs.
    Remedy: Restart the kubelet, which sets them anew: `Restart-Service kubelet`. Do not set these labels by hand.
    Confused with: labels of your own, which nobody checks.
    Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints"; "Guide for Running Windows
    Containers in Kubernetes".
    """
    labels, info = node.object.metadata.labels, node.object.status.node_info
    running = (
        f"10.0.{os.build}" if isinstance(os, Os) else ".".join(map(str, numbers(info.kernel_version)[:3]))
    )
    wanted = {_OS: "windows", _ARCH: info.architecture or "amd64"}
    if (minor(info.kubelet_version) or _BUILD_SINCE) >= _BUILD_SINCE and running:
        wanted[_BUILD] = running
    gone = [f"{key}={value}" for key, value in wanted.items() if key not in labels]
    wrong = [
        f"{key} is {labels[key] or 'empty'} and not {value}"
        for key, value in wanted.items()
        if key in labels and labels[key] != value
    ]
    said = [f"{node.name} lacks the label{'s' * (len(gone) > 1)} {', '.join(gone)}."] if gone else []
    if wrong:
        said.append(f"Labels of {node.name} do not fit what runs there: {'; '.join(wrong)}.")
    if said:
        proof = "; ".join([*(f"{label} is missing" for label in gone), *wrong])
        yield Problem(" ".join(said), proof={ThisNode: proof})
    elif isinstance(os, Failed):
        yield CannotTell(f"Which build of Windows runs on {node.name} is not known: {os.why}", hint=os.hint)


_ROLES = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@check(
    "node.control-plane",
    title="No Windows node is meant to be a control plane",
    severity=ERROR,
    cases=[
        Case("labelled so", FLANNEL_2022, (_label(_ROLES[0], ""),), finds="node"),
        Case("labelled a worker", FLANNEL_2022, (_label("node-role.kubernetes.io/worker", ""),), quiet=True),
    ],
)
def control_plane(node: ThisNode) -> Iterator[Said]:
    """Windows can only be a worker: the control plane's programs exist for Linux alone.

    Rule: a Windows node has the label node-role.kubernetes.io/control-plane or …/master.
    Remedy: `kubectl label node NODE node-role.kubernetes.io/control-plane-`; join with `kubeadm join` without
    `--control-plane`.
    Confused with: components of the control plane that Windows nodes must reach, which is needed.
    Source: Kubernetes documentation, "Windows containers in Kubernetes".
    """
    for role in _ROLES:
        if role in node.object.metadata.labels:
            yield Problem(
                f"{node.name} runs Windows and is labelled {role}.", proof={ThisNode: f"label {role}"}
            )


def _silent_for(found: NodeObject) -> datetime | None:
    ready = found.condition("Ready")
    return ready.last_heartbeat_time if ready else None


def _stale(one: NodeObject, other: NodeObject) -> tuple[NodeObject, NodeObject]:
    """The one whose kubelet has been silent for longer, then the other."""
    a, b = _silent_for(one), _silent_for(other)
    if a is not None and b is not None and a != b:
        return (one, other) if a < b else (other, one)
    ready = one.condition("Ready")
    return (other, one) if ready is not None and ready.status == "True" else (one, other)


def _second_object(name: str, address: bool) -> Change:
    """Another Node object for the first machine, silent for a day."""

    def apply(draft: Draft) -> None:
        nodes = draft.get(Nodes)
        first = next(n for n in nodes.items if n.name == draft.node)
        beat = draft.get(Now).utc - timedelta(days=1)
        ready = Condition("Ready", "Unknown", "NodeStatusUnknown", "", beat, beat)
        status = replace(first.status, conditions=(ready,))
        if not address:
            info = replace(first.status.node_info, system_uuid="another")
            status = replace(status, node_info=info, addresses=())
        second = NodeObject(Metadata(name=name, labels=first.metadata.labels), first.spec, status)
        draft.put(Nodes, Nodes((*nodes.items, second)))

    return apply


@check(
    "node.duplicate",
    title="Each machine is one Node",
    severity=WARN,
    explains=[cause_of("node.notready")],
    cases=[
        Case("renamed", FLANNEL_2022, (_second_object("old-name", address=True),), finds="old-name"),
        Case("cloned from one image", FLANNEL_2022, (_second_object("clone", address=False),), quiet=True),
    ],
)
def duplicate(nodes: Nodes) -> Iterator[Said]:
    """One machine under two names: pods of the name that is no longer used hang in Terminating.

    Rule: two Node objects, one of them Windows, have the same InternalIP, or the same system UUID and machine ID.
    Remedy: `kubectl delete node NAME` for the one whose kubelet is silent.
    Confused with: two machines cloned from one image: the same machine ID, other addresses.
    Source: experience; it happens when `--hostname-override` changes between address and name, as the book's C:\\k
    scripts advise.
    """
    done: set[str] = set()
    windows = nodes.windows
    for place, one in enumerate(windows):
        for other in (*windows[place + 1 :], *nodes.linux):
            same = _same(one, other)
            stale, kept = _stale(one, other)
            if same and stale.name not in done:
                done.add(stale.name)
                yield Problem(
                    f"{stale.name} and {kept.name} are one machine ({same}); {stale.name} is the stale name.",
                    as_object(stale.name),
                    proof={Nodes: f"{one.name}, {other.name}: {same}"},
                    node=stale.name,
                )


def _same(one: NodeObject, other: NodeObject) -> str:
    if one.address() and one.address() == other.address():
        return f"InternalIP {one.address()}"
    a, b = one.status.node_info, other.status.node_info
    if a.system_uuid and (a.system_uuid, a.machine_id) == (b.system_uuid, b.machine_id):
        return f"system UUID {a.system_uuid}"
    return ""


_YOUNG = timedelta(hours=1)  # an approved request is deleted an hour later
_GRACE = timedelta(minutes=2)


def _certificate_for(name: str, minutes: float) -> Change:
    def apply(draft: Draft) -> None:
        created = draft.get(Now).utc - timedelta(minutes=minutes)
        approved = CsrStatus((Condition("Approved", "True"),), "LS0t")
        signer = "kubernetes.io/kube-apiserver-client-kubelet"
        request = CsrObject(
            Metadata(name="csr-new", creation_timestamp=created),
            CsrSpec(signer, f"system:node:{name}"),
            approved,
        )
        draft.put(Csrs, Csrs((request,)))

    return apply


def _left(name: str) -> Change:
    """A Node that an autoscaler took away."""

    def apply(draft: Draft) -> None:
        event = EventObject(Metadata(name="left"), InvolvedObject("Node", name), "RemovingNode")
        draft.put(Events, Events((*draft.get(Events).items, event)))

    return apply


# What the control plane tells of a Node that it knew.
_KNEW = ("RegisteredNode", "NodeReady", "NodeNotReady", "RemovingNode", "DeletingNode")


@check(
    "node.absent",
    title="Every kubelet with a certificate has a Node",
    severity=ERROR,
    cases=[
        Case("has a certificate and no Node", FLANNEL_2022, (_certificate_for("ghost", 10),), finds="ghost"),
        Case("just now", FLANNEL_2022, (_certificate_for("ghost", 0.5),), quiet=True),
        Case("it came and went", FLANNEL_2022, (_certificate_for("ghost", 10), _left("ghost")), quiet=True),
        Case(
            "whether it came and went is not known",
            FLANNEL_2022,
            (_certificate_for("ghost", 10), fails(Events)),
            unknown=True,
        ),
        Case("its Node is there", FLANNEL_2022, (_certificate_for("win-1", 10),), quiet=True),
    ],
)
def absent(nodes: Nodes, csrs: Csrs, now: Now, events: Events | Failed) -> Iterator[Said]:
    """A kubelet got its certificate and did not register, or registered under another name.

    Rule: a client certificate was approved for system:node:NAME within the last hour, more than two minutes ago,
    there is no Node called NAME, and no event tells that there was one.
    Remedy: Read the kubelet's log on that machine (`Unable to register node with API server`); compare its
    `--hostname-override` with the name in the certificate; `kubectl get csr`.
    Confused with: a Node that exists and is NotReady; and one that an autoscaler has taken away again.
    Source: https://github.com/microsoft/SDN/issues/238; Kubernetes documentation, "TLS bootstrapping".
    """
    known = {n.name for n in nodes.items}
    for request in csrs.items:
        name, created = request.node_name, request.metadata.creation_timestamp
        client = request.spec.signer_name == "kubernetes.io/kube-apiserver-client-kubelet"
        approved = any(c.type == "Approved" for c in request.status.conditions)
        if not (name and created and client and approved) or name in known:
            continue
        if not _GRACE < now.utc - created < _YOUNG:
            continue
        if isinstance(events, Failed):
            yield CannotTell(f"Whether there was a Node {name}, and it was taken away, is not known.")
        elif not any(e.reason in _KNEW for e in events.about("Node", name)):
            age = span(now.utc - created)
            yield Problem(
                f"The kubelet of {name} got its certificate {age} ago, and there is no Node {name}.",
                Object("Node", name),
                proof={Csrs: f"{request.metadata.name}: approved, requested by {request.spec.username}"},
                node=name,
            )
