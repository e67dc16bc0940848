"""What the events alone tell about sandboxes that cannot be made, before anybody has been on the node."""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import FLANNEL_2022, Case
from checks.check import check
from checks.finding import ERROR, Problem, Said
from checks.image.sandbox_events import Layer, names, sandbox_failures
from checks.workload.configured import workload_of
from checks.workload.edits import new_pod, pod_event
from facts.access import ThisNode
from facts.cluster.workloads import Events, Pods

_NETWORK = (
    'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "6b1f": plugin '
    'type="flannel" failed (add): failed to create the new HostComputeEndpoint: hcnCreateEndpoint failed in '
    "Win32: 0x803b0005"
)
_IMAGE = (
    "Failed to create pod sandbox: rpc error: code = NotFound desc = failed to get sandbox image "
    '"registry.k8s.io/pause:3.5": no'
)


@check(
    "image.pause.event-pattern",
    title="Pods get their sandbox on this node",
    severity=ERROR,
    cases=[
        Case(
            "two workloads, the network",
            FLANNEL_2022,
            (
                new_pod("one", waiting="ContainerCreating", owner="one"),
                pod_event("one", "FailedCreatePodSandBox", _NETWORK),
                new_pod("two", waiting="ContainerCreating", owner="two"),
                pod_event("two", "FailedCreatePodSandBox", _NETWORK),
            ),
            finds="node",
        ),
        Case(
            "one pod, and the event names the pause image",
            FLANNEL_2022,
            (new_pod("one", waiting="ContainerCreating"), pod_event("one", "FailedCreatePodSandBox", _IMAGE)),
            finds="node",
        ),
        Case(
            "one workload alone, for a reason of its own",
            FLANNEL_2022,
            (
                new_pod("one", waiting="ContainerCreating"),
                pod_event(
                    "one",
                    "FailedCreatePodSandBox",
                    "Failed to create pod sandbox: failed to logon user: 0x52e",
                ),
            ),
            quiet=True,
        ),
        Case(
            "its sandbox came after all, and a big image is being pulled",
            FLANNEL_2022,
            (
                new_pod("one", waiting="ContainerCreating"),
                pod_event("one", "FailedCreatePodSandBox", _NETWORK, ago=300),
                pod_event("one", "Pulling", 'Pulling image "registry.example.com/shop/legacy:1.0"', ago=280),
            ),
            quiet=True,
        ),
        Case(
            "it failed again after that: the sandbox was made anew",
            FLANNEL_2022,
            (
                new_pod("one", waiting="ContainerCreating"),
                pod_event("one", "Pulling", 'Pulling image "registry.example.com/shop/legacy:1.0"', ago=280),
                pod_event("one", "FailedCreatePodSandBox", _NETWORK, ago=20),
            ),
            finds="node",
        ),
        Case(
            "the event of an earlier pod of a StatefulSet",
            FLANNEL_2022,
            (
                new_pod("db-0", waiting="ContainerCreating", born_ago=60),
                pod_event("db-0", "FailedCreatePodSandBox", _NETWORK, ago=900),
            ),
            quiet=True,
        ),
        Case(
            "an old event of a pod that runs now",
            FLANNEL_2022,
            (new_pod("one"), pod_event("one", "FailedCreatePodSandBox", _IMAGE)),
            quiet=True,
        ),
    ],
)
def event_pattern(node: ThisNode, pods: Pods, events: Events) -> Iterator[Said]:
    """The events of pods that never started tell whether the pause image, the network or one workload is to blame.

    Rule: pods of two or more workloads on one node have FailedCreatePodSandBox and no container that ever ran; or
    one has it, and the message itself is about the pause image or the pod network. "setup network for sandbox"
    points at CNI and HNS, "get sandbox image", "no match for platform" and 0xc0370101 at the pause image.
    Remedy: continue with the finding that accounts for this one; without any, look at `kubectl describe pod` and at
    the image.pause.* or cni.* checks of this node.
    Confused with: one workload that fails alone.
    Source: containerd internal/cri/server/sandbox_run.go;
    https://github.com/kubernetes-sigs/sig-windows-tools/issues/72.
    """
    failures = sandbox_failures(node.name, pods, events)
    if not failures:
        return
    workloads = {workload_of(f.pod) for f in failures}
    plain = [f for f in failures if f.layer is not Layer.OTHER]
    if len(workloads) < 2 and not plain:
        return
    first = plain[0] if plain else failures[0]
    count = f"{len(failures)} pods have" if len(failures) > 1 else "One pod has"
    yield Problem(
        f"{count} no sandbox on this node ({names(failures)}): {first.layer.value}.",
        proof={Events: first.message},
    )
