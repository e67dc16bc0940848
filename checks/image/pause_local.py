"""The pause image that older C:\\k scripts build on the node itself."""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import CLASSIC_2019, Case, Change, change, fails
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, WARN, Problem, Said
from checks.image.compatibility import named, runs
from checks.image.effects import NO_SANDBOX
from checks.image.pause_fit import uses
from checks.image.pause_table import LOCAL_PATH
from checks.image.reference import parse
from checks.image.runtime_silent import images_unknown
from checks.image.sandbox_events import platform_refused, sandbox_failures
from checks.workload.edits import new_pod, pod_event
from facts.access import ThisNode
from facts.cluster.workloads import Events, Pods
from facts.derived.pause_image import PauseImage
from facts.fact import Fact, Failed
from facts.node.runtime import Image, Images
from facts.node.windows import Os, Services


def _built(version: str) -> Change:
    image = Image(("kubeletwin/pause:latest",), os_version=version)
    return change(Images, lambda i: Images((*i.images, image)))


@check(
    "image.pause.kubeletwin",
    title="No locally built kubeletwin/pause is in use",
    severity=WARN,
    explains=[cause_of("image.pause.pulled"), cause_of("image.pause.registry"), *NO_SANDBOX],
    cases=[
        Case(
            "named, and not on disk", CLASSIC_2019, (uses("kubeletwin/pause"),), finds="node", severity=ERROR
        ),
        Case(
            "built before the node was upgraded",
            CLASSIC_2019,
            (uses("kubeletwin/pause"), _built("10.0.16299.1087")),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "built on this Windows",
            CLASSIC_2019,
            (uses("kubeletwin/pause"), _built("10.0.17763.1")),
            finds="node",
            severity=WARN,
        ),
        Case(
            "its build is not told, and sandboxes are refused",
            CLASSIC_2019,
            (
                uses("kubeletwin/pause"),
                _built(""),
                new_pod("legacy-1", waiting="ContainerCreating"),
                pod_event("legacy-1", "FailedCreatePodSandBox", "CreateComputeSystem 3f: (0xc0370101)"),
            ),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "the list of images cannot be read",
            CLASSIC_2019,
            (uses("kubeletwin/pause"), fails(Images)),
            unknown=True,
        ),
        Case("not in use, and the images are not known", CLASSIC_2019, (fails(Images),), quiet=True),
    ],
)
def kubeletwin(
    node: ThisNode,
    pause: PauseImage,
    os: Os,
    images: Images | Failed,
    pods: Pods | Failed,
    events: Events | Failed,
    services: Services | Failed,
) -> Iterator[Said]:
    """Older C:\\k scripts build kubeletwin/pause on the node from microsoft/nanoserver:latest. No registry has it, and
    it breaks when the node's build changes.

    Rule: the node uses it, and it is not on disk, or was built for another build, or sandboxes end with 0xc0370101:
    error. Used and fitting: warn.
    Remedy: give the kubelet a published image,
    `--pod-infra-container-image=mcr.microsoft.com/oss/kubernetes/pause:3.6`,
    and restart it.
    Confused with: a published pause image that is missing.
    Source: microsoft/SDN Kubernetes/windows/helper.psm1.
    """
    if not parse(pause.reference).path.endswith(LOCAL_PATH):
        return
    if isinstance(images, Failed):
        yield images_unknown(node, pause, images, services)
        return
    found = next(
        (i for i in images.images if any(parse(r).path.endswith(LOCAL_PATH) for r in i.references)), None
    )
    if found is None:
        yield Problem(
            f"The kubelet uses {pause.reference}, which no registry has and which is not on this node's disk.",
            severity=ERROR,
            proof={
                PauseImage: f"{pause.reference} ({pause.origin})",
                Images: f"{len(images.images)} images, none of that name",
            },
        )
        return
    parts = found.os_version.split(".")
    built = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else 0
    told = f"{found.references[0]}: {found.os_version or 'build not told'}"
    proof: dict[type[Fact], str] = {PauseImage: pause.reference, Images: told, Os: os.version}
    refused = ""
    if isinstance(pods, Pods) and isinstance(events, Events):
        failures = sandbox_failures(node.name, pods, events)
        refused = next((f.message for f in failures if platform_refused(f.message)), "")
    if (built and not runs(os.build, built)) or refused:
        what = named(built) if built else "another build"
        yield Problem(
            f"{pause.reference} was built on {what} and does not run on this node, which is {named(os.build)}.",
            severity=ERROR,
            proof={**proof, Events: refused} if refused else proof,
        )
    else:
        yield Problem(
            f"The kubelet uses {pause.reference}, an image built on this node that nobody publishes or updates.",
            proof=proof,
        )
