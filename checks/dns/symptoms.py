"""Pods that ran into the rule that a dotted name is complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from checks.dns.names import Partial, failed_lookups, in_configuration, tail_of
from checks.workload.configured import has_started, on_windows, shared_network
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import ServiceObjects
from facts.fact import Failed


class Symptom(msgspec.Struct, frozen=True):
    """A Windows pod that needs a partial name. `line` is its log's; empty where only configuration and state tell."""

    pod: PodObject
    partial: Partial
    where: str
    line: str


def symptoms(
    pods: Iterable[PodObject],
    nodes: Nodes,
    services: ServiceObjects,
    domain: str,
    logs: WindowsPodLogs | Failed,
) -> Iterator[Symptom]:
    """By the pod's log; or, where its log cannot be read, by its configuration if it started and is not ready.

    A pod that has done its work is not ready either.
    """
    for pod in pods:
        if pod.status.phase == "Succeeded" or not on_windows(pod, nodes) or shared_network(pod):
            continue
        tail = tail_of(logs.tails, pod) if isinstance(logs, WindowsPodLogs) else None
        if tail is not None and tail.text:
            for failure in failed_lookups(tail, services, domain):
                yield Symptom(pod, failure.partial, "log", failure.line)
        elif not pod.ready and has_started(pod):
            for words, partial in in_configuration(pod, services, domain):
                yield Symptom(pod, partial, words.where, "")
