"""Edits that the cases of several families share: services, the Node object, the kubelet's settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from checks.cases import ALL, Change, Draft, change
from facts.access import Access, Attempt, Now, ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Condition, NodeObject
from facts.node.kubernetes import Kubelet
from facts.node.windows import Service, Services

NodeEdit = Callable[[NodeObject], NodeObject]


def service(name: str, *, node: str = "", **values: object) -> Change:
    """Set fields of one service."""

    def edit(found: Services) -> Services:
        each = (replace(s, **values) if s.name.lower() == name.lower() else s for s in found.services)
        return replace(found, services=tuple(each))

    return change(Services, edit, node)


def extra_service(added: Service, *, node: str = "") -> Change:
    """Add a service that the example does not have."""
    return change(Services, lambda found: replace(found, services=(*found.services, added)), node)


def no_service(name: str, *, node: str = "") -> Change:
    """Take a service away."""

    def edit(found: Services) -> Services:
        return replace(found, services=tuple(s for s in found.services if s.name.lower() != name.lower()))

    return change(Services, edit, node)


def node_object(edit: NodeEdit, *, node: str = "") -> Change:
    """Change a Windows node's object, where it stands alone and in the list of all nodes."""

    def apply(draft: Draft) -> None:
        for name in draft.session.windows_nodes() if node == ALL else [node or draft.node]:
            changed = edit(draft.get(ThisNode, name).object)
            draft.put(ThisNode, ThisNode(changed), name)
            items = draft.get(Nodes).items
            draft.put(Nodes, Nodes(tuple(changed if n.name == name else n for n in items)))

    return apply


def condition(kind: str, status: str, message: str = "", reason: str = "") -> NodeEdit:
    """The node's condition `kind` as given; its times stay."""

    def edit(found: NodeObject) -> NodeObject:
        old = found.condition(kind) or Condition(kind)
        new = replace(old, status=status, reason=reason or old.reason, message=message or old.message)
        rest = tuple(c for c in found.status.conditions if c.type != kind)
        return replace(found, status=replace(found.status, conditions=(*rest, new)))

    return edit


def not_ready(message: str) -> Change:
    """The kubelet reports that the node is not ready, and why."""
    return node_object(condition("Ready", "False", message, "KubeletNotReady"))


def silent() -> Change:
    """The kubelet reports no more: the control plane has set Ready to Unknown."""
    edit = condition("Ready", "Unknown", "Kubelet stopped posting node status.", "NodeStatusUnknown")
    return node_object(edit)


def kubelet_flags(**flags: str | None) -> Change:
    """Set or (None) remove flags of the kubelet; an underscore stands for a dash."""

    def edit(found: Kubelet) -> Kubelet:
        values = dict(found.flags)
        for name, value in flags.items():
            values.pop(name.replace("_", "-"), None)
            if value is not None:
                values[name.replace("_", "-")] = value
        return replace(found, flags=values)

    return change(Kubelet, edit)


def kubelet_config(**keys: object) -> Change:
    """Set or (None) remove keys of the kubelet's configuration file."""

    def edit(found: Kubelet) -> Kubelet:
        values = {k: v for k, v in {**found.config, **keys}.items() if v is not None}
        return replace(found, config=values)

    return change(Kubelet, edit)


def later(seconds: float) -> Change:
    """The session asked `seconds` later than it did."""

    def apply(draft: Draft) -> None:
        draft.put(Now, Now(draft.get(Now).utc + timedelta(seconds=seconds)))

    return apply


def way_failed(stage: str, kind: str, code: str, why: str) -> Change:
    """WinRM was tried and came as far as `stage`."""
    attempt = Attempt("winrm", "http://10.0.1.21:5985", stage, kind, code, why)
    return change(Access, lambda found: replace(found, attempts=(attempt,), hello=None))
