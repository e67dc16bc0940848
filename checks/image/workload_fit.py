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
from checks.image.sandbox_events import other_windows, platform_refused
from checks.workload.configured import pod_object, selects, workload_of
from checks.workload.edits import new_pod, pod_event, says_so_by_container, waits_for_init
from facts.cluster.nodes import Nodes
from facts.cluster.objects import ContainerStatus, NodeObject, PodObject
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


def waiting_containers(pod: PodObject) -> Iterator[tuple[ContainerStatus, str]]:
    """The containers that wait, and the message. A sandbox that cannot be made is another matter."""
    for status in pod.status.statuses:
        waiting = status.state.waiting
        if waiting is not None and waiting.get("reason") != "ContainerCreating":
            yield status, str(waiting.get("message") or "")


def _unfit_by_tag(pod: PodObject, status: ContainerStatus, host: int) -> int | None:
    """The build that the tag names, where this host cannot run it. HostProcess images run on every build, Hyper-V
    isolation brings a kernel of its own, and what has run once fits.
    """
    ran = status.restart_count or status.last_state.terminated
    if ran or pod.spec.host_process or "hyperv" in pod.spec.runtime_class_name.lower():
        return None
    built = build_of_tag(parse(status.image).tag)
    return built if host and built and not runs(host, built) else None


def refusals(nodes: Nodes, pods: Pods, events: Events) -> Iterator[tuple[NodeObject, Refusal]]:
    """Containers on Windows nodes that the runtime refused for their platform, by status or event."""
    for node in nodes.windows:
        for pod in pods.on(node.name):
            waiting = list(waiting_containers(pod))
            if not waiting:
                continue
            told = [
                e.message
                for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace)
                if e.reason != "FailedCreatePodSandBox" and platform_refused(e.message)
            ]
            for status, message in waiting:
                # A refused start names the container, a refused pull the image.
                named = (t for t in told if status.image in t or f'"{status.name}"' in t)
                words = message if platform_refused(message) else next(named, "")
                if words:
                    yield node, Refusal(pod, status.image, words)


def names_windows(image: str) -> bool:
    """Whether the reference itself says that the image is for Windows."""
    told = parse(image)
    words = f"{told.path}:{told.tag}".lower()
    return (
        # A number alone may be the number of a build at home.
        (build_of_tag(told.tag) is not None and not told.tag.isdigit())
        or any(w in words for w in ("windowsservercore", "nanoserver", "servercore"))
        or (told.host == "mcr.microsoft.com" and told.path.startswith(("windows", "dotnet/framework")))
    )


def _looks_like_linux(refused: Refusal) -> bool:
    pod = refused.pod
    bound = selects(pod, "windows") or (pod.spec.os is not None and pod.spec.os.name == "windows")
    return not bound and not names_windows(refused.image) and not other_windows(refused.words)


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
            "an init container's image",
            FLANNEL_2019,
            (
                new_pod("shiny", image="hub.corp.example/app:4"),
                waits_for_init("shiny", _SERVERCORE, "ErrImagePull", _NO_PLATFORM.format(_SERVERCORE)),
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
            "Docker names the container, in words without a code",
            FLANNEL_2019,
            (
                new_pod("alerts", image="hub.corp.example/alerts:4", waiting="RunContainerError"),
                pod_event(
                    "alerts",
                    "Failed",
                    'Error: failed to start container "app": Error response from daemon: CreateComputeSystem app: '
                    "The container operating system does not match the host operating system.",
                ),
            ),
            finds="shop/alerts",
        ),
        Case(
            "a pull that Docker refused, of a pod that asks for no system",
            FLANNEL_2019,
            (
                new_pod(
                    "lucky", image="hub.corp.example/app:4", selector={}, os_name="", waiting="ErrImagePull"
                ),
                pod_event(
                    "lucky",
                    "Failed",
                    'Failed to pull image "hub.corp.example/app:4": rpc error: code = Unknown desc = a Windows '
                    "version 10.0.20348-based image is incompatible with a 10.0.17763 host",
                ),
            ),
            finds="shop/lucky",
        ),
        Case(
            "a HostProcess image runs on every build",
            FLANNEL_2022,
            (
                new_pod(
                    "agent", image="hub.corp.example/agent:2-1809", host_process=True, waiting="ErrImagePull"
                ),
            ),
            quiet=True,
        ),
        Case(
            "HostProcess by the word of its container",
            FLANNEL_2022,
            (
                new_pod(
                    "agent", image="hub.corp.example/agent:2-1809", host_process=True, waiting="ErrImagePull"
                ),
                says_so_by_container("agent"),
            ),
            quiet=True,
        ),
        Case(
            "what has run and crashes fits",
            FLANNEL_2022,
            (new_pod("app", image="hub.corp.example/app:1809", restarts=4, waiting="CrashLoopBackOff"),),
            quiet=True,
        ),
        Case(
            "Hyper-V isolation",
            FLANNEL_2022,
            (
                new_pod(
                    "app",
                    image="hub.corp.example/app:ltsc2019",
                    runtime_class="runhcs-wcow-hypervisor",
                    waiting="PodInitializing",
                ),
            ),
            quiet=True,
        ),
        Case(
            "the same image where it fits", FLANNEL_2022, (new_pod("shiny", image=_SERVERCORE),), quiet=True
        ),
    ],
)
def os_mismatch(nodes: Nodes, pods: Pods, events: Events) -> Iterator[Said]:
    """A container image is built for one Windows build, and a node runs only builds that its kernel supports.

    Rule: a container waits and the runtime said "no match for platform in manifest", "no matching manifest for
    windows/amd64", 0xc0370101, or that the image is incompatible with the host; or it waits, has never run, and its
    tag (1809, ltsc2019, ltsc2022, ltsc2025, …) names a build that this node cannot run. Tags of HostProcess pods
    (which run on every build) and of Hyper-V isolated ones say nothing.
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
            for status, _ in waiting_containers(pod):
                image = status.image
                refused = told.get((pod.metadata.namespace, pod.metadata.name, image))
                built = _unfit_by_tag(pod, status, host)
                if built:
                    message = f"{image} is built for {named(built)}, and node {node.name} is {named(host)}."
                elif refused and not _looks_like_linux(refused):
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
    Remedy: give the workload `nodeSelector: {kubernetes.io/os: linux}`. To keep all such pods away, `kubectl taint
    nodes NODE os=windows:NoSchedule`; but from then on every Windows workload needs a toleration for that taint.
    Confused with: a Windows image of the wrong build, for which the runtime uses the same words.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/.
    """
    for node, refused in refusals(nodes, pods, events):
        pod = refused.pod
        if any(o.kind == "DaemonSet" for o in pod.metadata.owner_references):
            continue
        if _looks_like_linux(refused):
            yield Problem(
                f"{refused.image} has nothing for Windows node {node.name}, where it landed because the pod asks for "
                "no operating system: it looks like a Linux image.",
                pod_object(pod),
                proof={Events: refused.words, Pods: f"nodeSelector: {pod.spec.node_selector or 'none'}"},
                node=node.name,
            )


_BASES = ("windows", "windows/servercore", "windows/nanoserver", "windows/server")


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
            "an image above a base image, without a tag",
            FLANNEL_2022,
            (new_pod("iis", image="mcr.microsoft.com/windows/servercore/iis"),),
            finds="shop/iis",
            severity=WARN,
        ),
        Case(
            "a framework tag of an old release",
            FLANNEL_2022,
            (new_pod("web", image="mcr.microsoft.com/dotnet/framework/aspnet:4.8-windowsservercore-1709"),),
            quiet=True,
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

    Rule: a base image (mcr.microsoft.com/windows, windows/servercore, windows/nanoserver, windows/server) with the tag
    latest or none is an error: latest has not been published since April 2019. Another image below windows/ with
    latest or none, or one below dotnet/framework/ without a Windows version in its tag, is a warning.
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
            none = image.tag in ("", "latest")
            if image.path in _BASES and none:
                yield Problem(
                    f"{container.image} names no build; Microsoft publishes no such tag since April 2019.",
                    pod_object(pod),
                    severity=ERROR,
                    proof=proof,
                )
            elif (image.path.startswith("windows/") and none) or (
                image.path.startswith("dotnet/framework/") and build_of_tag(image.tag) is None
            ):
                yield Problem(
                    f"{container.image} moves to another Windows build when Microsoft moves the tag.",
                    pod_object(pod),
                    proof=proof,
                )
