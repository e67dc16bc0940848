"""Events, as the kubelet and the controllers record them."""

from __future__ import annotations

from lab.world.state import Object, World, new_object
from lab.world.text import rfc3339, stable_hex

LAST = 40.0  # seconds since the latest occurrence of something that keeps failing


def pod_event(
    world: World,
    pod: Object,
    kind: str,
    reason: str,
    message: str,
    *,
    count: int = 1,
    component: str,
    ago: float = LAST,
) -> None:
    meta = pod["metadata"]
    involved = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
    }
    _event(
        world,
        involved,
        meta["namespace"],
        kind,
        reason,
        message,
        count,
        component,
        pod["spec"].get("nodeName", ""),
        ago,
    )


def node_event(
    world: World,
    node: str,
    kind: str,
    reason: str,
    message: str,
    *,
    count: int = 1,
    component: str,
    ago: float = LAST,
) -> None:
    involved = {"kind": "Node", "name": node, "uid": node}
    _event(world, involved, "default", kind, reason, message, count, component, node, ago)


def _event(
    world: World,
    involved: dict[str, str],
    namespace: str,
    kind: str,
    reason: str,
    message: str,
    count: int,
    component: str,
    host: str,
    ago: float,
) -> None:
    name = f"{involved['name']}.{stable_hex(16, involved['name'], reason, message)}"
    first = world.changed_at if count > 1 and world.changed_at else world.now - ago
    world.put(
        new_object(
            "v1",
            "Event",
            name,
            namespace,
            created=first,
            involvedObject=involved,
            reason=reason,
            message=message,
            type=kind,
            count=count,
            firstTimestamp=rfc3339(first),
            lastTimestamp=rfc3339(world.now - ago),
            eventTime=None,
            reportingComponent=component,
            reportingInstance=host,
            source={"component": component, "host": host} if host else {"component": component},
        )
    )


def clear(world: World) -> None:
    """Events follow from the state: every derivation writes them anew."""
    for key in [k for k in world.objects if k[1] == "Event"]:
        del world.objects[key]
