"""Does the pause image have an entry for the node's build?"""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, fails, fields
from checks.causes import cause_of
from checks.check import check
from checks.edits import extra_service
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from checks.image.compatibility import Fit, fit, named, selects_older_entries
from checks.image.effects import NO_SANDBOX
from checks.image.pause_table import CLASSIC_PATH, LOCAL_PATH, MICROSOFT, entries, official
from checks.image.reference import parse
from checks.image.runtime_silent import NOBODY_SAYS
from checks.relations import serious
from checks.workload.edits import only_pods
from facts.access import ThisNode
from facts.cluster.workloads import Pods
from facts.derived.pause_image import PauseImage
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd, Sandboxes
from facts.node.windows import Os, Service


def uses(reference: str) -> Change:
    """For cases: the node uses this pause image."""
    return fields(PauseImage, reference=reference)


# Since 1.24 the kubelet cannot drive Docker itself.
_CRI_DOCKERD = (fields(Kubelet, version="v1.31.4"),)


def _with(arguments: str) -> Service:
    return Service("cri-dockerd", "Running", "Auto", rf"C:\cri-dockerd\cri-dockerd.exe {arguments}")


def _builds(builds: tuple[int, ...]) -> str:
    return ", ".join(named(b) for b in builds) or "no Windows at all"


@check(
    "image.pause.os-match",
    title="The pause image has an entry for the node's Windows build",
    severity=ERROR,
    explains=[cause_of("image.pause.pulled"), *NO_SANDBOX],
    cases=[
        Case("3.5 on Server 2022", FLANNEL_2022, (uses("registry.k8s.io/pause:3.5"),), finds="node"),
        Case(
            "a mirror of a tag without 2022",
            FLANNEL_2022,
            (uses("hub.corp.example/pause:3.4.1"), fields(Sandboxes, sandboxes=())),
            finds="node",
        ),
        Case(
            "Server 2025 takes the 2022 entry from containerd 1.7.6 on",
            FLANNEL_2022,
            (fields(Os, build=26100), fields(Containerd, version="1.7.22")),
            quiet=True,
        ),
        Case(
            "containerd 1.7.1 on Server 2025 does not",
            FLANNEL_2022,
            (fields(Os, build=26100), fields(Containerd, version="1.7.1")),
            finds="node",
        ),
        Case(
            "an image of one's own on a node without sandboxes",
            FLANNEL_2022,
            (uses("hub.corp.example/own:7"), fields(Sandboxes, sandboxes=())),
            unknown=True,
        ),
        Case(
            "a copy of one's own under a published tag, with ready pods, and no crictl to ask",
            FLANNEL_2022,
            (uses("hub.corp.example/pause:3.5"), fails(Sandboxes)),
            quiet=True,
        ),
        Case(
            "the same where no pod runs yet",
            FLANNEL_2022,
            (uses("hub.corp.example/pause:3.5"), fails(Sandboxes), only_pods("nothing")),
            unknown=True,
        ),
        Case(
            "the flag of cri-dockerd, not the kubelet's",
            CLASSIC_2019,
            (*_CRI_DOCKERD, extra_service(_with("--pod-infra-container-image=registry.k8s.io/pause:3.1"))),
            finds="node",
        ),
        Case(
            "what cri-dockerd takes by itself",
            CLASSIC_2019,
            (*_CRI_DOCKERD, extra_service(_with("--network-plugin=cni"))),
            unknown=True,
        ),
        Case("the build cannot be read", FLANNEL_2022, (fails(Os),), unknown=True),
    ],
)
def os_match(
    node: ThisNode,
    pause: PauseImage,
    os: Os,
    containerd: Containerd | Failed | NotApplicable,
    sandboxes: Sandboxes | Failed | NotApplicable,
    pods: Pods | Failed,
) -> Iterator[Said]:
    """A pod starts with a sandbox made of the pause image. Without an entry for the node's build every pod stays
    ContainerCreating.

    Rule: the published entries of the image's name and tag are compared with the build. Before Server 2022 a build
    must be equal. From 2022 on an older entry down to 20348 will do for process isolation, if containerd is 1.7.6
    or newer; for Hyper-V isolation the build must still be equal. An image that is not in the table is judged by
    whether the node has a working sandbox, and so is a mirror whose tag has no such entry where it was published.
    Remedy: set the sandbox image to registry.k8s.io/pause:3.10.2 in containerd's config.toml (with Docker: the
    kubelet's --pod-infra-container-image), then `Restart-Service containerd -Force` (or kubelet).
    Confused with: a workload image of the wrong build: then only its own pods fail, after their sandbox was made.
    Source: build/pause/CHANGELOG.md of kubernetes/kubernetes;
    https://github.com/kubernetes-sigs/sig-windows-tools/issues/205; containerd platforms/defaults_windows.go.
    """
    if not pause.reference:
        yield NOBODY_SAYS
        return
    image = parse(pause.reference)
    if image.path == CLASSIC_PATH or image.path.endswith(LOCAL_PATH):
        yield Skip(f"{pause.reference} has a check of its own.")
        return
    known = entries(pause.reference)
    works = _works(node.name, sandboxes, pods)
    if known is None:
        if not works:
            yield CannotTell(
                f"{pause.reference} is no published pause image, and no sandbox runs on the node that would "
                "show that it fits.",
                hint=f"Look at its platforms: `docker manifest inspect {pause.reference}` must list {named(os.build)}.",
            )
        return
    how = fit(os.build, known)
    proof: dict[type[Fact], str] = {PauseImage: f"{pause.reference} ({pause.origin})", Os: os.version}
    guess = not official(pause.reference)
    if how is Fit.NONE and guess and not works and isinstance(sandboxes, Failed | NotApplicable):
        yield CannotTell(
            f"The published image of that tag has nothing for {named(os.build)}; what {pause.reference} holds, and "
            f"whether a sandbox runs on the node, is not known: {sandboxes.why}",
            hint=f"Look at its platforms: `docker manifest inspect {pause.reference}`.",
        )
    elif how is Fit.NONE and not (guess and works):
        yield Problem(
            f"The pause image {pause.reference} has entries for {_builds(known)}, and none for this node's "
            f"{named(os.build)}.",
            proof=proof,
        )
    elif how is Fit.STABLE:
        yield from _older_entry(node, pause, os, known, containerd, pods)


def _works(node: str, sandboxes: Sandboxes | Failed | NotApplicable, pods: Pods | Failed) -> bool:
    """A sandbox runs on the node: the runtime says so, or else a ready pod, which has one."""
    if isinstance(sandboxes, Sandboxes):
        return any(s.ready for s in sandboxes.sandboxes)
    return isinstance(pods, Pods) and any(p.ready for p in pods.on(node))


def _older_entry(
    node: ThisNode,
    pause: PauseImage,
    os: Os,
    known: tuple[int, ...],
    containerd: Containerd | Failed | NotApplicable,
    pods: Pods | Failed,
) -> Iterator[Said]:
    if isinstance(containerd, Failed):
        yield CannotTell(
            f"containerd's version decides whether {named(os.build)} may take an older entry: {containerd.why}"
        )
    elif isinstance(containerd, Containerd):
        able = selects_older_entries(containerd.version)
        if able is None:
            yield CannotTell(
                f"containerd's version {containerd.version!r} cannot be read; from 1.7.6 on an older entry will do."
            )
        elif not able:
            yield Problem(
                f"{pause.reference} has entries for {_builds(known)}; containerd {containerd.version} on "
                f"{named(os.build)} "
                "takes only an equal build, older ones from 1.7.6 on.",
                proof={
                    PauseImage: pause.reference,
                    Os: os.version,
                    Containerd: f"version: {containerd.version}",
                },
                remedy="Update containerd to 1.7.6 or newer, or use registry.k8s.io/pause:3.10.2, which has "
                "a Server 2025 entry.",
            )
    for pod in pods.on(node.name) if isinstance(pods, Pods) else ():
        if "hyperv" in pod.spec.runtime_class_name.lower():
            yield Problem(
                f"Pod {pod.metadata.namespace}/{pod.metadata.name} asks for Hyper-V isolation, and "
                f"{pause.reference} has no "
                f"entry of exactly {named(os.build)}.",
                proof={
                    PauseImage: pause.reference,
                    Os: os.version,
                    Pods: f"runtimeClassName: {pod.spec.runtime_class_name}",
                },
            )


def _classic(reference: str, build: int) -> tuple[Change, ...]:
    return (uses(reference), fields(Os, build=build))


@check(
    "image.pause.classic-1.2.0-on-new-os",
    title="The first Microsoft pause images are used only where they fit",
    severity=ERROR,
    explains=[cause_of("image.pause.pulled", when=serious), *NO_SANDBOX],
    cases=[
        Case(
            "a tag that nobody knows",
            CLASSIC_2019,
            _classic("mcr.microsoft.com/k8s/core/pause:1.1.0", 17763),
            unknown=True,
        ),
        Case("1.2.0 on Server 2022", CLASSIC_2019, (fields(Os, build=20348),), finds="node"),
        Case(
            "1.0.0 on 1903",
            CLASSIC_2019,
            _classic("mcr.microsoft.com/k8s/core/pause:1.0.0", 18362),
            finds="node",
        ),
        Case(
            "1.2.0 on 1903",
            CLASSIC_2019,
            _classic("mcr.microsoft.com/k8s/core/pause:1.2.0", 18362),
            quiet=True,
        ),
        Case(
            "the frozen repository with containerd",
            FLANNEL_2022,
            _classic("mcr.microsoft.com/k8s/core/pause:1.2.0", 17763),
            finds="node",
            severity=WARN,
        ),
    ],
)
def classic_on_new_os(pause: PauseImage, os: Os) -> Iterator[Said]:
    """mcr.microsoft.com/k8s/core/pause is the image of the first guides: its newest Windows entry is older than 1909.

    Rule: 1.2.0 fits the builds 17134, 17763 and 18362, 1.0.0 only 17763; any other build is an error. A containerd
    node that uses either is warned, because the repository gets no new images.
    Remedy: with Docker give the kubelet `--pod-infra-container-image=mcr.microsoft.com/oss/kubernetes/pause:3.6`
    and restart it; with containerd set sandbox_image to registry.k8s.io/pause:3.10.2 and `Restart-Service containerd
    -Force`.
    Confused with: a workload image of the wrong build.
    Source: https://github.com/kubernetes/kubernetes/issues/80032;
    https://github.com/kubernetes/kubernetes/issues/87339; https://github.com/containerd/cri/pull/1532.
    """
    image = parse(pause.reference)
    if image.path != CLASSIC_PATH:
        return
    known = MICROSOFT.get(image.tag)
    proof: dict[type[Fact], str] = {PauseImage: f"{pause.reference} ({pause.origin})", Os: os.version}
    if known is None:
        yield CannotTell(
            f"Which builds {pause.reference} has entries for is not known.",
            hint=f"Look at its platforms: `docker manifest inspect {pause.reference}` must list {named(os.build)}.",
        )
    elif os.build not in known:
        yield Problem(
            f"{pause.reference} has Windows entries for {_builds(known)} only, and this node is {named(os.build)}.",
            proof=proof,
        )
    elif pause.runtime == "containerd":
        yield Problem(
            f"{pause.reference} fits {named(os.build)}, but its repository is frozen; it moved to "
            "mcr.microsoft.com/oss/kubernetes/pause.",
            severity=WARN,
            proof=proof,
        )
