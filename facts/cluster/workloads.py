"""Pods, DaemonSets, Services and their endpoints, events."""

from __future__ import annotations

from typing import ClassVar

from facts.cluster.objects import (
    DaemonSetObject,
    EndpointSliceAnswer,
    EndpointSliceObject,
    EventObject,
    PodObject,
    ServiceObject,
)
from facts.fact import Fact, asked_of_cluster
from targets.target import ClusterTarget


@asked_of_cluster
class Pods(Fact, frozen=True):
    """All pods of the cluster."""

    SOURCE: ClassVar[str] = "kubectl get pods -A -o json"

    items: tuple[PodObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Pods:
        return cls(tuple(cluster.list("/api/v1/pods", PodObject)))

    def on(self, node: str) -> tuple[PodObject, ...]:
        return tuple(p for p in self.items if p.spec.node_name == node)


@asked_of_cluster
class DaemonSets(Fact, frozen=True):
    """All DaemonSets."""

    SOURCE: ClassVar[str] = "kubectl get daemonsets -A -o json"

    items: tuple[DaemonSetObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> DaemonSets:
        return cls(tuple(cluster.list("/apis/apps/v1/daemonsets", DaemonSetObject)))


@asked_of_cluster
class ServiceObjects(Fact, frozen=True):
    """All Services."""

    SOURCE: ClassVar[str] = "kubectl get services -A -o json"

    items: tuple[ServiceObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> ServiceObjects:
        return cls(tuple(cluster.list("/api/v1/services", ServiceObject)))


@asked_of_cluster
class EndpointSlices(Fact, frozen=True):
    """All EndpointSlices. Where the cluster is too old for them (before 1.21) the API says not found."""

    SOURCE: ClassVar[str] = "kubectl get endpointslices -A -o json"

    items: tuple[EndpointSliceObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> EndpointSlices:
        from targets.errors import NotFound

        try:
            found = cluster.list("/apis/discovery.k8s.io/v1/endpointslices", EndpointSliceAnswer)
        except NotFound:
            found = cluster.list("/apis/discovery.k8s.io/v1beta1/endpointslices", EndpointSliceAnswer)
        return cls(tuple(answer.read() for answer in found))

    def of(self, namespace: str, service: str) -> tuple[EndpointSliceObject, ...]:
        return tuple(s for s in self.items if s.metadata.namespace == namespace and s.service == service)


@asked_of_cluster
class Events(Fact, frozen=True):
    """All events that the API still holds (one hour by default)."""

    SOURCE: ClassVar[str] = "kubectl get events -A -o json"

    items: tuple[EventObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Events:
        return cls(tuple(cluster.list("/api/v1/events", EventObject)))

    def about(self, kind: str, name: str, namespace: str = "") -> tuple[EventObject, ...]:
        return tuple(
            e
            for e in self.items
            if e.involved_object.kind == kind
            and e.involved_object.name == name
            and (not namespace or e.involved_object.namespace == namespace)
        )
