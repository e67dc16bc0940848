"""The Node objects and their leases."""

from __future__ import annotations

from typing import ClassVar

from facts.cluster.objects import LeaseObject, NodeObject
from facts.fact import Fact, asked_of_cluster
from targets.target import ClusterTarget


@asked_of_cluster
class Nodes(Fact, frozen=True):
    """Every node of the cluster."""

    SOURCE: ClassVar[str] = "kubectl get nodes -o json"

    items: tuple[NodeObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Nodes:
        return cls(tuple(cluster.list("/api/v1/nodes", NodeObject)))

    @property
    def windows(self) -> tuple[NodeObject, ...]:
        return tuple(n for n in self.items if n.os == "windows")

    @property
    def linux(self) -> tuple[NodeObject, ...]:
        return tuple(n for n in self.items if n.os != "windows")


@asked_of_cluster
class Leases(Fact, frozen=True):
    """The kubelets' heartbeats: one Lease a node."""

    SOURCE: ClassVar[str] = "kubectl -n kube-node-lease get leases -o json"

    items: tuple[LeaseObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Leases:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        return cls(tuple(cluster.list(path, LeaseObject)))

    def of(self, node: str) -> LeaseObject | None:
        """The heartbeat of one node."""
        return next((lease for lease in self.items if lease.metadata.name == node), None)
