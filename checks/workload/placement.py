"""Does a Windows workload say that it is one?"""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case
from checks.check import check
from checks.finding import ERROR, INFO, WARN, Problem, Said
from checks.image.compatibility import version_of
from checks.image.workload_fit import names_windows
from checks.workload.configured import has_started, pod_object, selects, workload_of
from checks.workload.edits import new_pod, pod_event
from facts.cluster.control_plane import ApiServer
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.workloads import Events, Pods

_IMAGE = "mcr.microsoft.com/windows/servercore:ltsc2022"
OS_FIELD_SINCE = 25


def _runtime_class(pod: PodObject) -> bool:
    """A RuntimeClass may bring its own nodeSelector, which the pod's spec then shows; if not, it is not ours to
    judge."""
    return bool(pod.spec.runtime_class_name)


def _kept_off_linux(pod: PodObject, nodes: Nodes) -> bool:
    """Its nodeSelector (a node pool, a Windows build) fits no Linux node."""
    wanted = pod.spec.node_selector.items()
    return bool(wanted) and not any(wanted <= n.metadata.labels.items() for n in nodes.linux)


@check(
    "workload.no-nodeselector",
    title="Windows workloads ask for Windows nodes",
    severity=ERROR,
    cases=[
        Case(
            "it landed on Linux",
            FLANNEL_2022,
            (new_pod("iis", image=_IMAGE, selector={}, where="linux", waiting="ImagePullBackOff"),),
            finds="shop/iis",
            severity=ERROR,
        ),
        Case(
            "it is on Windows by luck",
            CLASSIC_2019,
            (new_pod("iis", image=_IMAGE, selector={}),),
            finds="shop/iis",
            severity=WARN,
        ),
        Case(
            "it asks for a Windows build, which no Linux node has",
            FLANNEL_2022,
            (new_pod("iis", image=_IMAGE, selector={"node.kubernetes.io/windows-build": "10.0.20348"}),),
            quiet=True,
        ),
        Case(
            "an image for both systems, which runs on Linux",
            FLANNEL_2022,
            (new_pod("agent", image="hub.corp.example/agent:7-windows-1809", selector={}, where="linux"),),
            quiet=True,
        ),
        Case(
            "a Linux image with the date of its making",
            FLANNEL_2022,
            (
                new_pod(
                    "hook",
                    image="gcr.io/k8s-prow/hook:v20180917-3f1a2b4",
                    selector={},
                    os_name="",
                    where="linux",
                    waiting="ErrImagePull",
                ),
            ),
            quiet=True,
        ),
        Case("it asks for Windows", FLANNEL_2022, (new_pod("iis", image=_IMAGE),), quiet=True),
        Case(
            "a Linux image without a selector",
            FLANNEL_2022,
            (new_pod("redis", image="docker.io/library/redis:7.2", selector={}, where="linux", os_name=""),),
            quiet=True,
        ),
    ],
)
def no_node_selector(pods: Pods, nodes: Nodes) -> Iterator[Said]:
    """The scheduler does not look at images: a Windows image without a selector may be sent to a Linux node.
    spec.os does not schedule.

    Rule: an image names Windows (mcr.microsoft.com/windows, dotnet/framework, windowsservercore, nanoserver, an
    ltsc tag), and neither nodeSelector nor required node affinity nor a RuntimeClass asks for
    kubernetes.io/os=windows, nor for a label that no Linux node has: error on a Linux node or without one, warn where
    the pod happens to be on Windows. What has started on Linux is no Windows image.
    Remedy: add `nodeSelector: {kubernetes.io/os: windows}` to the workload's template.
    Confused with: taints: they keep pods away and do not draw the right ones.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/.
    """
    windows = {n.name for n in nodes.windows}
    if not windows or not nodes.linux:
        return
    seen: set[tuple[str, bool]] = set()
    for pod in pods.items:
        image = next((c.image for c in pod.spec.containers if names_windows(c.image)), "")
        if not image or selects(pod, "windows") or _runtime_class(pod) or _kept_off_linux(pod, nodes):
            continue
        if pod.spec.node_name and pod.spec.node_name not in windows and has_started(pod):
            continue
        if any(o.kind == "DaemonSet" for o in pod.metadata.owner_references):
            # The DaemonSet controller pins each of its pods to a node by affinity; its template is what counts.
            continue
        lucky = pod.spec.node_name in windows
        if (workload_of(pod), lucky) in seen:
            continue
        seen.add((workload_of(pod), lucky))
        where = f"is on {pod.spec.node_name}" if pod.spec.node_name else "has no node yet"
        yield Problem(
            f"{workload_of(pod)} runs {image} and asks for no Windows node; {pod.metadata.name} {where}.",
            pod_object(pod),
            severity=WARN if lucky else ERROR,
            proof={Pods: f"image: {image}; nodeSelector: {pod.spec.node_selector or 'none'}"},
        )


_TOO_LATE = (
    "not supported by windows",
    "is not supported on Windows",
    "not supported for Windows containers",
)


@check(
    "workload.os-field",
    title="Windows pods say spec.os, so that the API server can check them",
    severity=INFO,
    cases=[
        Case(
            "a Linux-only field came to light on the node",
            FLANNEL_2022,
            (
                new_pod("app", os_name="", waiting="CreateContainerError"),
                pod_event(
                    "app",
                    "Failed",
                    "Error: failed to create container: chown C:/data: not supported by windows",
                ),
            ),
            finds="shop/app",
        ),
        Case(
            "a Linux workload that strayed here",
            FLANNEL_2022,
            (
                new_pod("db", image="postgres:16", selector={}, os_name="", waiting="CreateContainerError"),
                pod_event(
                    "db", "Failed", "Error: failed to create container: chown /d: not supported by windows"
                ),
            ),
            quiet=True,
        ),
        Case("absent, and all is well", FLANNEL_2022, (new_pod("app", os_name=""),), quiet=True),
    ],
)
def os_field(pods: Pods, events: Events, server: ApiServer, nodes: Nodes) -> Iterator[Said]:
    """With `spec.os.name: windows` the API server refuses fields that only Linux knows; without it they fail on the
    node, late.

    Rule: a pod that selects Windows, or runs a Windows image on a Windows node, has no spec.os, does not start, and
    the runtime says that something is not supported on Windows (Kubernetes 1.25 or newer).
    Remedy: set `os: {name: windows}` in the pod template next to the nodeSelector, and take out the field that the
    API server then names.
    Confused with: the nodeSelector: spec.os does not schedule.
    Source: https://kubernetes.io/docs/concepts/windows/user-guide/.
    """
    version = version_of(server.version)
    if version is None or version[1] < OS_FIELD_SINCE:
        return
    windows = {n.name for n in nodes.windows}
    for pod in pods.items:
        here = pod.spec.node_name in windows and any(names_windows(c.image) for c in pod.spec.containers)
        if pod.spec.os is not None or has_started(pod) or not (selects(pod, "windows") or here):
            continue
        told = next(
            (
                e.message
                for e in events.about("Pod", pod.metadata.name, pod.metadata.namespace)
                if any(word in e.message for word in _TOO_LATE)
            ),
            "",
        )
        if told:
            yield Problem(
                f"Pod {pod.metadata.namespace}/{pod.metadata.name} fails on the node for a field that the API "
                "server would have refused with spec.os.name: windows.",
                pod_object(pod),
                proof={Events: told, Pods: "spec.os: absent"},
                node=pod.spec.node_name,
            )
