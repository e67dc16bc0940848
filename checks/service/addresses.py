"""HOST:PORT in texts, and whose address it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from facts.cluster.nodes import Nodes
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import Pods, ServiceObjects

_TARGET = re.compile(
    r"(?<![\w.\-])(?P<host>\d{1,3}(?:\.\d{1,3}){3}|[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?):(?P<port>\d{2,5})(?!\d)"
)
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


class Target(msgspec.Struct, frozen=True):
    host: str  # as written, in lower case
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def targets(text: str) -> Iterator[Target]:
    """Every HOST:PORT in `text`, each once."""
    seen: set[Target] = set()
    for match in _TARGET.finditer(text):
        target = Target(match["host"].lower(), int(match["port"]))
        if target not in seen and target.port <= 65535:
            seen.add(target)
            yield target


def own_addresses(node: NodeObject) -> set[str]:
    """What a program on the node may call it: its addresses and its name."""
    return {a.address.lower() for a in node.status.addresses} | {node.name.lower()}


def owner(target: Target, services: ServiceObjects, pods: Pods, nodes: Nodes) -> tuple[str, bool]:
    """(whose address it is, whether that port is one it serves there); ("", False) for an address of nobody here.

    Services are known by ClusterIP and by name (web.shop, web.shop.svc.cluster.local), pods by address.
    """
    for service in services.items:
        meta = service.metadata
        named = target.host == f"{meta.name}.{meta.namespace}" or target.host.startswith(
            f"{meta.name}.{meta.namespace}.svc"
        )
        if named or target.host in service.spec.addresses:
            what = f"Service {meta.namespace}/{meta.name}"
            return what, any(p.port == target.port for p in service.spec.ports)
    addresses = {a.address for n in nodes.items for a in n.status.addresses}
    for pod in pods.items:
        if pod.status.pod_ip == target.host and target.host not in addresses:
            # Ports of containers need not be declared; a Service's target port tells as well.
            listens = any(
                p.container_port == target.port for c in pod.spec.containers for p in c.ports
            ) or any(
                target.port in (p.target_port, p.port if not p.target_port else 0)
                for s in services.items
                if s.metadata.namespace == pod.metadata.namespace
                for p in s.spec.ports
            )
            return f"pod {pod.metadata.namespace}/{pod.metadata.name}", listens
    return "", False
