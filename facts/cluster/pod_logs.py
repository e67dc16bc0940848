"""The last words of Windows pods that are in trouble: what a limit of Windows looks like from inside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.reading import read_each
from facts.fact import Fact, asked_of_cluster
from targets.errors import TargetError
from targets.target import ClusterTarget

MOST = 20  # pods that are read; more would cost the API server more than it tells


class PodTail(msgspec.Struct, frozen=True):
    namespace: str
    pod: str
    node: str
    text: str
    error: str = ""


@asked_of_cluster
class WindowsPodLogs(Fact, frozen=True):
    """The last 60 lines of pods on Windows nodes, of at most 20 of them.

    Read are pods that restart or are not ready, and those that are told SERVICE.NAMESPACE without the cluster's
    domain: they may go on running while every call fails.
    """

    SOURCE: ClassVar[str] = "kubectl logs --tail=60 (Windows pods that are not ready, or told a partial name)"

    tails: tuple[PodTail, ...]
    left_out: int = 0

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> WindowsPodLogs:
        windows = {n.name for n in Nodes.ask(cluster).windows}
        every = cluster.list("/api/v1/pods", PodObject)
        pods = [p for p in every if p.spec.node_name in windows and not p.spec.host_process]
        ran = [p for p in pods if p.status.phase in ("Running", "Failed") or _stuck_in(p)]
        partial = _partial_name(p.metadata.namespace for p in every)
        ill = [p for p in ran if not p.ready or _restarts(p)]
        ill += [p for p in ran if p not in ill and _is_told(p, partial)]
        tails = read_each(ill[:MOST], lambda pod: cls._tail(cluster, pod))
        return cls(
            tuple(_lost(p, t) if isinstance(t, TargetError) else t for p, t in zip(ill, tails, strict=False)),
            max(0, len(ill) - MOST),
        )

    @staticmethod
    def _tail(cluster: ClusterTarget, pod: PodObject) -> PodTail:
        where = pod.metadata
        path = f"/api/v1/namespaces/{where.namespace}/pods/{where.name}/log"
        params = {"tailLines": "60", "limitBytes": "65536"}
        container = _stuck_in(pod) or next((c.name for c in pod.spec.containers), "")
        if container:
            params["container"] = container
        return PodTail(where.namespace, where.name, pod.spec.node_name, cluster.text(path, params=params))


def _lost(pod: PodObject, error: TargetError) -> PodTail:
    return PodTail(pod.metadata.namespace, pod.metadata.name, pod.spec.node_name, "", str(error))


def _stuck_in(pod: PodObject) -> str:
    """The init container that fails again and again, so that no other has started: only that has anything to say."""
    if any(s.state.waiting is None or s.restart_count for s in pod.status.container_statuses):
        return ""
    failed = (s for s in pod.status.init_container_statuses if s.restart_count or s.state.terminated)
    return next((s.name for s in failed if (s.state.terminated or {}).get("exitCode") != 0), "")


def _restarts(pod: PodObject) -> int:
    return sum(s.restart_count for s in pod.status.container_statuses)


def _partial_name(namespaces: Iterable[str]) -> re.Pattern[str]:
    """NAME.NAMESPACE or NAME.NAMESPACE.svc at the end of a host name."""
    known = "|".join(sorted({re.escape(n) for n in namespaces}))
    return re.compile(rf"[a-z0-9]\.(?:{known})(?:\.svc)?(?![\w.\-])")


def _is_told(pod: PodObject, partial: re.Pattern[str]) -> bool:
    return any(
        partial.search(text)
        for container in pod.spec.containers
        for text in (*container.command, *container.args, *(e.value for e in container.env))
    )
