"""What a pod is told: its environment, commands, arguments and probes, as text that a check can search."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from checks.finding import Object
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Container, PodObject

_REFERENCE = re.compile(r"\$\((\w+)\)")


class Words(msgspec.Struct, frozen=True):
    """One configured text and where it stands."""

    where: str  # env API_URL of container web
    text: str


def pod_object(pod: PodObject) -> Object:
    return Object("Pod", pod.metadata.name, pod.metadata.namespace)


def workload_of(pod: PodObject) -> str:
    """What owns the pod; two pods of one workload give the same. The ReplicaSet's hash is left off."""
    owner = next(iter(pod.metadata.owner_references), None)
    name = owner.name if owner else pod.metadata.name
    if owner and owner.kind == "ReplicaSet":
        name = name.rpartition("-")[0] or name
    return f"{pod.metadata.namespace}/{name}"


def configured(pod: PodObject) -> Iterator[Words]:
    """Every configured text of the pod; `$(NAME)` and field references filled in where the API tells them."""
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        env = _environment(pod, container)
        of = f"of container {container.name}"
        for name, value in env.items():
            if value:
                yield Words(f"env {name} {of}", value)
        for place, words in (("command", container.command), ("args", container.args)):
            if words:
                yield Words(f"{place} {of}", " ".join(_filled(w, env) for w in words))
        for kind in ("liveness_probe", "readiness_probe", "startup_probe"):
            text = _probe(getattr(container, kind))
            if text:
                yield Words(f"{kind.replace('_', ' ')} {of}", text)


def _environment(pod: PodObject, container: Container) -> dict[str, str]:
    known: dict[str, str] = {}
    for variable in container.env:
        reference = (variable.value_from or {}).get("fieldRef")
        path = str(reference.get("fieldPath", "")) if isinstance(reference, dict) else ""
        known[variable.name] = _field(pod, path) if path else _filled(variable.value, known)
    return known


def _field(pod: PodObject, path: str) -> str:
    fields: Mapping[str, str] = {
        "status.hostIP": pod.status.host_ip,
        "status.podIP": pod.status.pod_ip,
        "spec.nodeName": pod.spec.node_name,
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
    }
    return fields.get(path, "")


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda m: known.get(m.group(1), m.group(0)), text)


def _probe(probe: dict[str, Any] | None) -> str:
    """A probe as words: the command, or the address that it asks when that is not the pod's own."""
    if not probe:
        return ""
    command = (probe.get("exec") or {}).get("command") or []
    if isinstance(command, list) and command:
        return " ".join(str(word) for word in command)
    for kind in ("httpGet", "tcpSocket"):
        target = probe.get(kind) or {}
        if target.get("host"):
            return f"{target['host']}:{target.get('port', '')}"
    return ""


def on_windows(pod: PodObject, nodes: Nodes) -> bool:
    """The pod runs on a Windows node, or asks for one."""
    if pod.spec.node_name:
        return pod.spec.node_name in {n.name for n in nodes.windows}
    return selects(pod, "windows")


def selects(pod: PodObject, system: str) -> bool:
    """Whether nodeSelector or required node affinity ties the pod to an operating system."""
    for key in ("kubernetes.io/os", "beta.kubernetes.io/os"):
        if pod.spec.node_selector.get(key) == system:
            return True
    required = ((pod.spec.affinity or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    terms = required.get("nodeSelectorTerms") or []
    return bool(terms) and all(_term_selects(term, system) for term in terms)


def _term_selects(term: dict[str, Any], system: str) -> bool:
    return any(
        e.get("key") in ("kubernetes.io/os", "beta.kubernetes.io/os")
        and e.get("operator") == "In"
        and list(e.get("values") or []) == [system]
        for e in term.get("matchExpressions") or []
    )


def has_started(pod: PodObject) -> bool:
    """At least one container has run: the sandbox exists and an image was there."""
    return any(
        s.state.running is not None or s.state.terminated is not None or s.restart_count
        for s in pod.status.statuses
    )


def shared_network(pod: PodObject) -> bool:
    """The pod uses the node's own network: a HostProcess or a hostNetwork pod."""
    return pod.spec.host_network or pod.spec.host_process
