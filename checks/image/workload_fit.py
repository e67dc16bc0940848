"""Do the images of pods run on the node they landed on?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from checks.cases import FLANNEL_2019, FLANNEL_2022, Case
from checks.check import check
from checks.finding import ERROR, WARN, Problem, Said
from checks.image.compatibility import build_of_tag, named, runs
from checks.image.reference import parse
from checks.image.sandbox_events import platform_refused
from checks.workload.configured import pod_object, selects, workload_of
from checks.workload.edits import new_pod, pod_event
from facts.cluster.nodes import Nodes
from facts.cluster.objects import NodeObject, PodObject
from facts.cluster.workloads import Events, Pods
from facts.fact import Fact

_NO_PLATFORM = (
    'Back-off pulling image "{0}": ErrImagePull: failed to pull and unpack image "{0}": no match '
    "for platform in manifest: not found"
)
_SERVERCORE = "mcr.microsoft.com/windows/servercore:ltsc2022"


class Refusal(msgspec.Struct, frozen=True):
    """A container that did not start because its image has nothing for the node's platform."""

    pod: PodObject
    image: str
    words: str  # what the runtime said; empty where only the tag tells


def node_build(node: NodeObject) -> int:
    """The Windows build that the kubelet reports (10.0.20348.2966); 0 if it reports none."""
    match = re.match(r"10\.0\.(\d+)", node.status.node_info.kernel_version) or re.match(
        r"10\.0\.(\d+)", node.metadata.labels.get("node.kubernetes.io/windows-build", "")
    )
    return int(match[1]) if match else 0


def waiting_containers(pod: PodObject) -> Iterator[tuple[str, str]]:
    """(image, message) of the containers that wait. A sandbox that cannot be made is another matter."""
    for status in pod.status.container_statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.get("reason") != "ContainerCreating":
            yield status.image, str(waiting.get("message", ""))


def refusals(nodes: Nodes, pods: Pods, events: Events) -> Iterator[tuple[NodeObject, Refusal]]:
    """Containers on Windows nodes that the runtime refused for their platform, by status or event."""
    for node in nodes.windows:
        for pod in pods.on(node.name):
            told = " ".join(
                e.message
                for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace)
                if e.reason != "FailedCreatePodSandBox" and platform_refused(e.message)
            )
            for image, message in waiting_containers(pod):
                words = message if platform_refused(message) else told if image in told else ""
                if words:
                    yield node, Refusal(pod, image, words)


def names_windows(image: str) -> bool:
    """Whether the reference itself says that the image is for Windows."""
    told = parse(image)
    words = f"{told.path}:{told.tag}".lower()
    return (
        build_of_tag(told.tag) is not None
        or any(w in words for w in ("windowsservercore", "nanoserver", "servercore"))
        or (told.host == "mcr.microsoft.com" and told.path.startswith(("windows", "dotnet/framework")))
    )


def _is_linux_chart(pod: PodObject, image: str) -> bool:
    bound = selects(pod, "windows") or (pod.spec.os is not None and pod.spec.os.name == "windows")
    return not bound and not names_windows(image)


@check(
    "image.workload.os-mismatch",
    title="The images of pods fit the build of their node",
    severity=ERROR,
    cases=[
        Case(
            "ltsc2022 on Server 2019",
            FLANNEL_2019,
            (
                new_pod(
                    "shiny",
                    image=_SERVERCORE,
                    waiting="ImagePullBackOff",
                    message=_NO_PLATFORM.format(_SERVERCORE),
                ),
            ),
            finds="shop/shiny",
        ),
        Case(
            "the event of Docker's days",
            FLANNEL_2022,
            (
                new_pod("old", image="hub.corp.example/app:4", waiting="ErrImagePull", message="rpc error"),
                pod_event(
                    "old",
                    "Failed",
                    'Failed to pull image "hub.corp.example/app:4": no matching manifest for windows/amd64 10.0.20348',
                ),
            ),
            finds="shop/old",
        ),
        Case(
            "the same image where it fits", FLANNEL_2022, (new_pod("shiny", image=_SERVERCORE),), quiet=True
        ),
    ],
)
def os_mismatch(nodes: Nodes, pods: Pods, events: Events) -> Iterator[Said]:
    """A container image is built for one Windows build, and a node runs only builds that its kernel supports.

    Rule: a container waits and the runtime said "no match for platform in manifest", "no matching manifest for
    windows/amd64" or 0xc0370101; or it waits and its tag (1809, ltsc2019, ltsc2022, ltsc2025, …) names a build that
    this node cannot run.
    Remedy: use the tag of the node's build, or pin the pods to nodes that fit with the label
    node.kubernetes.io/windows-build (`kubectl get nodes -L node.kubernetes.io/windows-build`).
    Confused with: a registry that wants credentials; the pause image, which stops all pods of a node.
    Source:
    https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility;
    https://github.com/microsoft/dotnet-framework-docker/issues/1265.
    """
    told = {
        (r.pod.metadata.namespace, r.pod.metadata.name, r.image): r for _, r in refusals(nodes, pods, events)
    }
    for node in nodes.windows:
        host = node_build(node)
        for pod in pods.on(node.name):
            for image, _ in waiting_containers(pod):
                refused = told.get((pod.metadata.namespace, pod.metadata.name, image))
                built = build_of_tag(parse(image).tag)
                unfit = bool(host and built and not runs(host, built))
                if unfit and built:
                    message = f"{image} is built for {named(built)}, and node {node.name} is {named(host)}."
                elif refused and not _is_linux_chart(pod, image):
                    message = f"{image} has nothing for {named(host)}, the build of node {node.name}."
                else:
                    continue
                proof: dict[type[Fact], str] = (
                    {Events: refused.words} if refused else {Pods: f"image: {image}"}
                )
                yield Problem(
                    message,
                    pod_object(pod),
                    proof={**proof, Nodes: f"{node.name}: {node.status.node_info.kernel_version}"},
                    node=node.name,
                )


@check(
    "image.workload.linux-on-windows",
    title="No Linux images were sent to Windows nodes",
    severity=ERROR,
    cases=[
        Case(
            "a chart without a nodeSelector",
            FLANNEL_2022,
            (
                new_pod(
                    "redis-0",
                    image="docker.io/library/redis:7",
                    selector={},
                    os_name="",
                    waiting="ImagePullBackOff",
                    message=_NO_PLATFORM.format("docker.io/library/redis:7"),
                ),
            ),
            finds="shop/redis-0",
        ),
        Case(
            "the chart on a Linux node",
            FLANNEL_2022,
            (new_pod("redis-0", selector={}, where="linux"),),
            quiet=True,
        ),
    ],
)
def linux_on_windows(nodes: Nodes, pods: Pods, events: Events) -> Iterator[Said]:
    """Without a selector for the operating system the scheduler may send a Linux workload to a Windows node, where
    it never starts.

    Rule: a pod on a Windows node asks for no operating system (nodeSelector, affinity, spec.os), its image does not
    name Windows, and the runtime found nothing for this platform in it. Pods of DaemonSets are judged by
    node.linux-daemonsets.
    Remedy: give the workload `nodeSelector: {kubernetes.io/os: linux}`, or keep all such pods away: `kubectl taint
    nodes NODE os=windows:NoSchedule`.
    Confused with: a Windows image of the wrong build, for which the runtime uses the same words.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/.
    """
    for node, refused in refusals(nodes, pods, events):
        pod = refused.pod
        if any(o.kind == "DaemonSet" for o in pod.metadata.owner_references):
            continue
        if _is_linux_chart(pod, refused.image):
            yield Problem(
                f"{refused.image} is no Windows image, and the pod asks for no operating system; it landed on "
                f"{node.name}.",
                pod_object(pod),
                proof={Events: refused.words, Pods: f"nodeSelector: {pod.spec.node_selector or 'none'}"},
                node=node.name,
            )


_FLOATING = re.compile(r"^(?:\d+(?:\.\d+)*|latest|)$")


@check(
    "image.workload.latest-tag",
    title="Windows base images are asked for by build",
    severity=WARN,
    cases=[
        Case(
            "servercore without a tag",
            FLANNEL_2022,
            (new_pod("plain", image="mcr.microsoft.com/windows/servercore"),),
            finds="shop/plain",
            severity=ERROR,
        ),
        Case(
            "a framework tag that moves",
            FLANNEL_2022,
            (new_pod("web", image="mcr.microsoft.com/dotnet/framework/aspnet:4.8"),),
            finds="shop/web",
            severity=WARN,
        ),
        Case(
            "a framework tag with its build",
            FLANNEL_2022,
            (
                new_pod(
                    "web", image="mcr.microsoft.com/dotnet/framework/aspnet:4.8-windowsservercore-ltsc2022"
                ),
            ),
            quiet=True,
        ),
    ],
)
def latest_tag(pods: Pods) -> Iterator[Said]:
    """A floating tag of a Windows image points at another Windows build one day, and the pods stop starting.

    Rule: an image below mcr.microsoft.com/windows/ with the tag latest or none is an error (latest has not been
    published since April 2019); one below mcr.microsoft.com/dotnet/framework/ without a Windows version in its tag
    is a warning.
    Remedy: name the build: ltsc2019, ltsc2022 or ltsc2025, as the node pool has it.
    Confused with: a tag that exists and cannot be pulled.
    Source:
    https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility;
    https://github.com/microsoft/dotnet-framework-docker/issues/1265.
    """
    seen: set[tuple[str, str]] = set()
    for pod in pods.items:
        for container in pod.spec.containers:
            image = parse(container.image)
            key = (workload_of(pod), container.image)
            if image.host != "mcr.microsoft.com" or image.digest or key in seen:
                continue
            seen.add(key)
            proof: dict[type[Fact], str] = {Pods: f"container {container.name}: image: {container.image}"}
            if image.path.startswith("windows/") and image.tag in ("", "latest"):
                yield Problem(
                    f"{container.image} names no build; Microsoft publishes no such tag since April 2019.",
                    pod_object(pod),
                    severity=ERROR,
                    proof=proof,
                )
            elif image.path.startswith("dotnet/framework/") and _FLOATING.match(image.tag):
                yield Problem(
                    f"{container.image} moves to another Windows build when Microsoft moves the tag.",
                    pod_object(pod),
                    proof=proof,
                )
