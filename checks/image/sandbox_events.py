"""Pods whose sandbox could not be made, by the kubelet's events alone, and which layer refused."""

from __future__ import annotations

from datetime import datetime
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
# Go's own sentences and hex codes; of Windows' own words, which may be in any language, only the English ones that old
# versions of Docker print without the code.
_NO_ENTRY = (
    "no match for platform",
    "no matching manifest for windows",
    'image operating system "linux" cannot be used on this platform',
)
_OTHER_WINDOWS = (
    "0xc0370101",
    "0x80370101",
    "container operating system does not match the host operating system",
    "operating system of the container does not match the operating system of the host",
    "-based image is incompatible with a",  # a Windows version 10.0.20348-based image … a 10.0.17763 host
)
_IMAGE = (*_NO_ENTRY, *_OTHER_WINDOWS, "get sandbox image", "failed pulling image", "failed to pull image")


def layer_of(message: str) -> Layer:
    text = message.lower()
    for layer, words in ((Layer.NETWORK, _NETWORK), (Layer.NAMESPACE, _NAMESPACE), (Layer.IMAGE, _IMAGE)):
        if any(word.lower() in text for word in words):
            return layer
    return Layer.OTHER


def platform_refused(message: str) -> bool:
    """The registry answered, and the image has nothing for this build (or the container's build is not the host's)."""
    return other_windows(message) or any(word in message.lower() for word in _NO_ENTRY)


def other_windows(message: str) -> bool:
    """The image is one for Windows, and for another build: it was seen, not only missed."""
    return any(word in message.lower() for word in _OTHER_WINDOWS)


_AFTER_SANDBOX = ("Pulling", "Pulled", "Created", "Started", "BackOff", "Failed")


def sandbox_failures(node: str, pods: Pods, events: Events) -> list[SandboxFailure]:
    """The pods of a node that no container of has run, with an event of a failed sandbox.

    Left out: a pod whose sandbox was made after all and whose image is being pulled now, which takes many minutes on
    Windows; and events of an earlier pod of that name.
    """
    found: list[SandboxFailure] = []
    for pod in pods.on(node):
        if has_started(pod) or pod.status.phase not in ("Pending", ""):
            continue
        born = _seconds(pod.metadata.creation_timestamp)
        told = [
            e
            for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace)
            if not e.last or _seconds(e.last) >= born
        ]
        failed = [e for e in told if e.reason == "FailedCreatePodSandBox"]
        if not failed:
            continue
        latest = max(failed, key=lambda e: _seconds(e.last))
        if any(e.reason in _AFTER_SANDBOX and _seconds(e.last) > _seconds(latest.last) for e in told):
            continue
        found.append(SandboxFailure(pod, latest.message, layer_of(latest.message)))
    return found


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


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
