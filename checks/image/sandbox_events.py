"""Pods whose sandbox could not be made, by the kubelet's events alone, and which layer refused."""

from __future__ import annotations

from enum import Enum

import msgspec

from checks.workload.configured import has_started
from facts.cluster.objects import PodObject
from facts.cluster.workloads import Events, Pods


class Layer(Enum):
    """Who refused. The value is how a sentence calls it."""

    NETWORK = "the CNI plug-in or HNS refused to set up its network"
    NAMESPACE = "HNS made no network namespace"
    IMAGE = "the pause image could not be pulled or does not fit the node"
    OTHER = "the runtime refused"


class SandboxFailure(msgspec.Struct, frozen=True):
    """A pod without a sandbox, and the latest event that says why."""

    pod: PodObject
    message: str
    layer: Layer


_NETWORK = (
    "setup network for sandbox",
    "set up sandbox container",
    "networkPlugin cni failed",
    "failed to set up pod",
)
_NAMESPACE = ("create network namespace",)
# Go's own sentences and hex codes: what Windows adds in its own language is not looked at.
_PLATFORM = ("no match for platform", "no matching manifest for windows", "0xc0370101", "0x80370101")
_IMAGE = (*_PLATFORM, "get sandbox image", "failed pulling image", "failed to pull image")


def layer_of(message: str) -> Layer:
    text = message.lower()
    for layer, words in ((Layer.NETWORK, _NETWORK), (Layer.NAMESPACE, _NAMESPACE), (Layer.IMAGE, _IMAGE)):
        if any(word.lower() in text for word in words):
            return layer
    return Layer.OTHER


def platform_refused(message: str) -> bool:
    """The registry answered, and the image has nothing for this build (or the container's build is not the host's)."""
    return any(word in message.lower() for word in _PLATFORM)


def sandbox_failures(node: str, pods: Pods, events: Events) -> list[SandboxFailure]:
    """The pods of a node that no container of has run, with an event of a failed sandbox."""
    found: list[SandboxFailure] = []
    for pod in pods.on(node):
        if has_started(pod) or pod.status.phase not in ("Pending", ""):
            continue
        told = [
            e
            for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace)
            if e.reason == "FailedCreatePodSandBox"
        ]
        if told:
            latest = max(told, key=lambda e: e.last.timestamp() if e.last else 0.0)
            found.append(SandboxFailure(pod, latest.message, layer_of(latest.message)))
    return found


def image_failures(node: str, pods: Pods, events: Events, reference: str) -> list[SandboxFailure]:
    """Those of `sandbox_failures` that the pause image causes."""
    return [
        f
        for f in sandbox_failures(node, pods, events)
        if f.layer is Layer.IMAGE or (reference and reference in f.message)
    ]


def names(failures: list[SandboxFailure], most: int = 3) -> str:
    """`shop/a, shop/b and 4 more`."""
    every = [f"{f.pod.metadata.namespace}/{f.pod.metadata.name}" for f in failures]
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
