"""Is the pause image on the node's disk, and if not, why does a pull not bring it?"""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails
from checks.causes import cause_of
from checks.check import check
from checks.edits import service
from checks.finding import ERROR, WARN, CannotTell, Problem, Said
from checks.image.compatibility import named, runs
from checks.image.effects import NO_SANDBOX
from checks.image.pause_fit import uses
from checks.image.pause_table import LOCAL_PATH, entries, official
from checks.image.reference import parse, same
from checks.image.runtime_silent import NOBODY_SAYS, images_unknown
from checks.image.sandbox_events import image_failures, names, platform_refused
from checks.workload.edits import new_pod, node_event, pod_event
from facts.access import ThisNode
from facts.cluster.objects import EventObject
from facts.cluster.workloads import Events, Pods
from facts.derived.pause_image import PauseImage
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import NodeLogs
from facts.node.runtime import Image, Images
from facts.node.windows import Os, Services

MIRROR = "hub.corp.example/k8s/pause:3.9"
_REFUSED = (
    'Failed to create pod sandbox: rpc error: code = NotFound desc = failed to get sandbox image "{0}": failed to pull '
    'image "{0}": failed to pull and unpack image "{0}": no match for platform in manifest sha256:ab12: not found'
)
_UNREACHABLE = (
    'Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = failed to get sandbox image "{0}": failed '
    'to pull image "{0}": failed to do request: Head "https://registry": dial tcp 10.9.9.9:443: connectex: (10060)'
)


def on_disk(images: Images, reference: str) -> Image | None:
    """The image of that reference, short and long forms of Docker Hub taken as one."""
    return next((i for i in images.images if any(same(r, reference) for r in i.references)), None)


def gone(draft: Draft) -> None:
    reference = draft.get(PauseImage).reference
    images = draft.get(Images)
    draft.put(
        Images, Images(tuple(i for i in images.images if not any(same(r, reference) for r in i.references)))
    )


def _on_disk(reference: str) -> Change:
    return change(Images, lambda i: Images((*i.images, Image((reference,)))))


def _no_crictl(draft: Draft) -> None:
    draft.put(Images, NotApplicable("The node has neither crictl nor docker."))


def _pending(text: str) -> Change:
    def apply(draft: Draft) -> None:
        new_pod("legacy-1", waiting="ContainerCreating")(draft)
        message = text.format(draft.get(PauseImage).reference)
        pod_event("legacy-1", "FailedCreatePodSandBox", message)(draft)

    return apply


@check(
    "image.pause.pulled",
    title="The pause image is on the node's disk",
    severity=WARN,
    explains=[*NO_SANDBOX],
    cases=[
        Case("nobody says which one", FLANNEL_2022, (uses(""),), unknown=True),
        Case("absent, nothing waits for it", FLANNEL_2022, (gone,), finds="node", severity=WARN),
        Case(
            "absent, and pods wait",
            FLANNEL_2022,
            (gone, _pending(_UNREACHABLE)),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "containerd lists it by its digest alone",
            FLANNEL_2022,
            (uses("gke.gcr.io/pause:3.9@sha256:ab"), _on_disk("gke.gcr.io/pause@sha256:ab")),
            quiet=True,
        ),
        Case("the list of images cannot be read", FLANNEL_2022, (fails(Images),), unknown=True),
        Case("there is no crictl to list them", FLANNEL_2022, (_no_crictl,), unknown=True),
        Case(
            "Docker stands still",
            CLASSIC_2019,
            (fails(Images), service("docker", state="Stopped")),
            unknown=True,
        ),
    ],
)
def pulled(
    node: ThisNode,
    pause: PauseImage,
    images: Images | Failed | NotApplicable,
    pods: Pods | Failed,
    events: Events | Failed,
    services: Services | Failed,
) -> Iterator[Said]:
    """No sandbox, and so no pod, can start on the node until the pause image is there.

    Rule: the reference that the runtime uses is in no image's tags or digests. Pods that wait for it
    (FailedCreatePodSandBox with "failed to get sandbox image") make it an error.
    Remedy: on the node `crictl pull REFERENCE` (or `ctr -n k8s.io images pull REFERENCE`; with Docker `docker pull
    REFERENCE`); if that fails, its last words are the reason. Without a way to a registry: `ctr -n k8s.io images
    import pause.tar`.
    Confused with: an image whose index has nothing for this build ("no match for platform in manifest").
    Source: containerd internal/cri/server/podsandbox/sandbox_run.go.
    """
    if not pause.reference:
        yield NOBODY_SAYS
        return
    if parse(pause.reference).path.endswith(LOCAL_PATH):
        return
    if isinstance(images, NotApplicable):
        yield CannotTell(
            f"Whether {pause.reference} is on the node's disk is not known: {images.why}",
            hint="Put crictl.exe beside containerd.exe, or look with `ctr -n k8s.io images ls -q`.",
        )
        return
    if isinstance(images, Failed):
        yield images_unknown(node, pause, images, services)
        return
    if on_disk(images, pause.reference):
        return
    waiting: list[str] = []
    words = ""
    if isinstance(pods, Pods) and isinstance(events, Events):
        failures = image_failures(node.name, pods, events, pause.reference)
        waiting = [f.pod.metadata.name for f in failures]
        words = failures[0].message if failures else ""
    stuck = (
        f"; {len(waiting)} pods wait for it"
        if len(waiting) > 1
        else "; one pod waits for it"
        if waiting
        else ""
    )
    proof: dict[type[Fact], str] = {
        PauseImage: f"{pause.reference} ({pause.origin})",
        Images: f"{len(images.images)} images on disk, not this one",
    }
    yield Problem(
        f"The pause image {pause.reference} is not on the node{stuck}.",
        severity=ERROR if waiting else WARN,
        proof=proof | ({Events: words} if words else {}),
    )


@check(
    "image.pause.linux-only-mirror",
    title="A mirrored pause image kept its Windows entries",
    severity=ERROR,
    explains=[cause_of("image.pause.pulled"), *NO_SANDBOX],
    cases=[
        Case("nobody says which one", FLANNEL_2022, (uses(""),), unknown=True),
        Case(
            "copied with docker pull and push", FLANNEL_2022, (uses(MIRROR), _pending(_REFUSED)), finds="node"
        ),
        Case("the official image refused is another matter", FLANNEL_2022, (_pending(_REFUSED),), quiet=True),
    ],
)
def linux_only_mirror(
    node: ThisNode, pause: PauseImage, os: Os, pods: Pods, events: Events
) -> Iterator[Said]:
    """`docker pull` and `docker push` on Linux copy one platform of an image: the mirror's copy has no Windows in it.

    Rule: the reference is not on registry.k8s.io, k8s.gcr.io or mcr.microsoft.com, its pull ended with "no match
    for platform in manifest" (Docker: "no matching manifest for windows/amd64"), and a complete copy of that tag
    would fit this build, or nobody published such a tag.
    Remedy: copy the whole index, `crane copy registry.k8s.io/pause:3.10.2 MIRROR/pause:3.10.2` (or regctl image
    copy), then `crictl pull` it on the node.
    Confused with: image.pause.os-match, where even a complete copy has no entry for the build.
    Source: containerd core/images/image.go; inference from how docker push works.
    """
    if not pause.reference:
        yield NOBODY_SAYS
        return
    if official(pause.reference) or parse(pause.reference).path.endswith(LOCAL_PATH):
        return
    known = entries(pause.reference)
    if known is not None and not any(runs(os.build, b) for b in known):
        return
    refused = [
        f for f in image_failures(node.name, pods, events, pause.reference) if platform_refused(f.message)
    ]
    if refused:
        yield Problem(
            f"{pause.reference} has no entry for {named(os.build)}"
            + (
                ", though the published image has: the mirror holds only part of it."
                if known
                else ": its registry said so."
            ),
            proof={
                PauseImage: f"{pause.reference} ({pause.origin})",
                Events: refused[0].message,
                Os: os.version,
            },
        )


_COLLECTED = ("ImageGCFailed", "FreeDiskSpaceFailed", "EvictionThresholdMet", "NodeHasDiskPressure")
_GC_WORDS = (
    "Removing image to free bytes",
    "Image garbage collection failed",
    "attempting to reclaim ephemeral-storage",
)


def _of_memory(event: EventObject) -> bool:
    """Evictions have one reason for memory and disk."""
    return event.reason == "EvictionThresholdMet" and "ephemeral-storage" not in event.message


@check(
    "image.pause.gc",
    title="Image garbage collection leaves the pause image alone",
    severity=WARN,
    explains=[
        cause_of("image.pause.pulled"),
        cause_of("image.pause.registry"),  # a registry out of reach hurts only because the image went
        *NO_SANDBOX,
    ],
    cases=[
        Case("nobody says which one", FLANNEL_2022, (uses(""),), unknown=True),
        Case(
            "collected on a full disk",
            FLANNEL_2022,
            (
                gone,
                node_event("FreeDiskSpaceFailed", "Failed to garbage collect required amount of images."),
                _pending(_UNREACHABLE),
            ),
            finds="node",
            severity=ERROR,
        ),
        Case("missing without pressure is image.pause.pulled", FLANNEL_2022, (gone,), quiet=True),
        Case(
            "short of memory, not of disk",
            FLANNEL_2022,
            (gone, node_event("EvictionThresholdMet", "Attempting to reclaim memory")),
            quiet=True,
        ),
        Case("the list of images cannot be read", FLANNEL_2022, (fails(Images),), unknown=True),
        Case(
            "Docker, pressure, image still there",
            CLASSIC_2019,
            (node_event("ImageGCFailed", "no space"),),
            quiet=True,
        ),
    ],
)
def garbage_collected(
    node: ThisNode,
    pause: PauseImage,
    images: Images | Failed,
    pods: Pods,
    events: Events,
    logs: NodeLogs | Failed,
    services: Services | Failed,
) -> Iterator[Said]:
    """On a nearly full disk the kubelet deletes images that no container uses. An unpinned pause image is one of them.

    Rule: the pause image is missing, and this node had ImageGCFailed, FreeDiskSpaceFailed, an eviction for disk or disk
    pressure, or its kubelet log shows images being removed.
    Remedy: free disk space, `crictl pull REFERENCE`, and pin it: containerd 1.7 pins its sandbox image by itself;
    before, `ctr -n k8s.io images label REFERENCE io.cri-containerd.pinned=pinned`.
    Confused with: a registry outage: that alone does not take an image off the disk.
    Source: containerd internal/cri/config (pinned images); kubelet image_gc_manager.go.
    """
    if not pause.reference:
        yield NOBODY_SAYS
        return
    if isinstance(images, Failed):
        yield images_unknown(node, pause, images, services)
        return
    if on_disk(images, pause.reference):
        return
    proof: dict[type[Fact], str] = {}
    told = [e for e in events.about("Node", node.name) if e.reason in _COLLECTED and not _of_memory(e)]
    if told:
        proof[Events] = f"{told[-1].reason}: {told[-1].message}"
    pressure = node.object.condition("DiskPressure")
    if pressure is not None and pressure.status == "True":
        proof[ThisNode] = f"DiskPressure: {pressure.message}"
    lines = logs.lines("kubelet") if isinstance(logs, NodeLogs) else []
    line = next((text for text in reversed(lines) if any(w in text for w in _GC_WORDS)), "")
    if line:
        proof[NodeLogs] = line
    if not proof:
        return
    failures = image_failures(node.name, pods, events, pause.reference)
    stuck = f"; {names(failures)} cannot start" if failures else ""
    yield Problem(
        f"The pause image {pause.reference} is gone from a node that ran short of disk space{stuck}.",
        severity=ERROR if failures else WARN,
        proof={**proof, Images: f"{pause.reference} is not among {len(images.images)} images"},
    )
