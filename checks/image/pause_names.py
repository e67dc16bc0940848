"""Which pause image is meant: what the runtime, the kubelet and kubeadm name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fields
from checks.check import check
from checks.finding import ERROR, INFO, WARN, Problem, Said, Skip
from checks.image.compatibility import Fit, fit, version_of
from checks.image.pause_table import KUBEADM, entries
from checks.image.reference import parse, same
from checks.image.runtime_silent import NOBODY_SAYS
from facts.cluster.control_plane import KubeadmConfig
from facts.derived.pause_image import PauseImage
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import Kubelet, LogTail, NodeLogs
from facts.node.runtime import Images
from facts.node.windows import Os


def _unpinned(draft: Draft) -> None:
    draft.put(Images, Images(tuple(replace(i, pinned=False) for i in draft.get(Images).images)))


@check(
    "image.pause.ref",
    title="Runtime and kubelet name the same pause image",
    severity=INFO,
    cases=[
        Case(
            "the kubelet's flag says something else, and nothing keeps the image",
            FLANNEL_2022,
            (fields(PauseImage, kubelet_flag="registry.k8s.io/pause:3.5"), _unpinned),
            finds="node",
            severity=WARN,
        ),
        Case(
            "kubeadm's flag beside containerd's default, which is pinned: as most clusters are",
            FLANNEL_2022,
            (fields(PauseImage, kubelet_flag="registry.k8s.io/pause:3.9"),),
            finds="node",
            severity=INFO,
        ),
        Case(
            "nobody says", FLANNEL_2022, (fields(PauseImage, reference="", origin="unknown"),), unknown=True
        ),
        Case("with Docker the flag is the truth", CLASSIC_2019, (), quiet=True),
    ],
)
def reference_in_force(
    pause: PauseImage, kubelet: Kubelet | Failed, images: Images | Failed | NotApplicable
) -> Iterator[Said]:
    """Which pause image a node really uses is the input of every other check of the pause image.

    Rule: with containerd the truth is what `crictl info` says, else config.toml, else the default of that version.
    A kubelet flag that names another image never chooses the sandbox image, it only kept that image from garbage
    collection, and from Kubernetes 1.35 on the flag is gone: warn, because the image in use is not kept; info where
    containerd has pinned it.
    Remedy: change sandbox_image (containerd 2: pinned_images.sandbox) in config.toml and `Restart-Service
    containerd -Force`; take `--pod-infra-container-image` out of the kubelet's flags.
    Confused with: the tag that kubeadm prints, or the kubelet's flag.
    Source: containerd internal/cri/config; https://github.com/kubernetes/kubernetes/pull/133779.
    """
    if not pause.reference:
        yield NOBODY_SAYS
    elif (
        pause.runtime == "containerd" and pause.kubelet_flag and not same(pause.kubelet_flag, pause.reference)
    ):
        proof: dict[type[Fact], str] = {
            PauseImage: f"{pause.reference} ({pause.origin})",
            Kubelet: f"--pod-infra-container-image={pause.kubelet_flag}",
        }
        known = images.images if isinstance(images, Images) else ()
        kept = any(i.pinned for i in known if any(same(r, pause.reference) for r in i.references))
        yield Problem(
            f"containerd uses {pause.reference}; the kubelet's flag names {pause.kubelet_flag} and has no say in it.",
            severity=INFO if kept else WARN,
            proof=proof,
        )


_PREFLIGHT = re.compile(r'detected that the sandbox image "(?P<used>[^"]*)"')
_RECOMMENDED = re.compile(
    r'It is recommended (?:that using|to use) "(?P<wanted>[^"]+)" as the CRI sandbox image'
)


@check(
    "image.pause.kubeadm-mismatch",
    title="kubeadm and the runtime name the same pause tag",
    severity=INFO,
    cases=[
        Case(
            "kubeadm 1.31 means 3.10",
            FLANNEL_2022,
            (fields(PauseImage, reference="registry.k8s.io/pause:3.9"),),
            finds="node",
        ),
        Case(
            "kubeadm's own words in a log, about a tag that does not fit",
            FLANNEL_2022,
            (
                change(
                    NodeLogs,
                    lambda n: NodeLogs(
                        (
                            *n.logs,
                            LogTail(
                                "kubelet",
                                r"C:\\k\\join.log",
                                text="W0102 checks.go:846] detected that the sandbox image "
                                '"registry.k8s.io/pause:3.5" of the '
                                "container runtime is inconsistent with that used by kubeadm.It is recommended to use "
                                '"registry.k8s.io/pause:3.10" as the CRI sandbox image.',
                            ),
                        )
                    ),
                ),
            ),
            finds="node",
            severity=ERROR,
        ),
        Case("Docker takes the kubelet's flag", CLASSIC_2019, (), quiet=True),
    ],
)
def kubeadm_mismatch(
    pause: PauseImage, kubeadm: KubeadmConfig | NotApplicable, os: Os, logs: NodeLogs | Failed
) -> Iterator[Said]:
    """kubeadm warns at join when the runtime's pause tag is not its own. Only the runtime's tag is used, and the
    join goes on.

    Rule: kubeadm's warning stands in a log on the node, or the runtime's tag differs from the tag of the cluster's
    kubeadm version: info. Error only if the tag that the warning names first has nothing for this build.
    Remedy: give sandbox_image kubeadm's tag, if that tag covers the node's build; otherwise leave it.
    Confused with: a failed join.
    Source: kubeadm cmd/kubeadm/app/preflight/checks.go and app/constants.
    """
    if pause.runtime != "containerd":
        yield Skip("With Docker a flag of the kubelet, or of cri-dockerd, chooses the pause image.")
        return
    for line in logs.lines("kubelet") if isinstance(logs, NodeLogs) else []:
        used, wanted = _PREFLIGHT.search(line), _RECOMMENDED.search(line)
        if used is None:
            continue
        first = used["used"]
        known = entries(first) if first else None
        unfit = known is not None and fit(os.build, known) is Fit.NONE
        recommended = f", kubeadm recommends {wanted['wanted']}" if wanted else ""
        found = (
            f"found the pause image {first} in the runtime"
            if first
            else "could not read the runtime's pause image"
        )
        yield Problem(
            f"kubeadm {found}{recommended}.",
            severity=ERROR if unfit else INFO,
            proof={NodeLogs: line},
        )
        return
    version = version_of(kubeadm.version) if isinstance(kubeadm, KubeadmConfig) else None
    tag = KUBEADM.get(version[1], "") if version else ""
    used_tag = parse(pause.reference).tag if pause.reference else ""
    if tag and used_tag and used_tag != tag and isinstance(kubeadm, KubeadmConfig):
        yield Problem(
            f"kubeadm {kubeadm.version} means pause:{tag}, the runtime uses pause:{used_tag}; only the "
            "runtime's counts.",
            proof={
                KubeadmConfig: f"kubernetesVersion: {kubeadm.version}",
                PauseImage: f"{pause.reference} ({pause.origin})",
            },
        )


_NO_WINCAT = re.compile(
    r"wincat not found|error forwarding port \d+ to pod .*Error executing in Docker Container: 126\b"
)


def _kubelet_says(line: str) -> Change:
    tail = LogTail(
        "kubelet", r"C:\k\kubelet.log", text=f"E0102 08:41:56.115337    3500 httpstream.go:251] {line}"
    )
    return change(NodeLogs, lambda n: NodeLogs((*n.logs, tail)))


@check(
    "image.pause.wincat",
    title="The pause image can forward ports",
    severity=WARN,
    cases=[
        Case(
            "no wincat in it",
            CLASSIC_2019,
            (_kubelet_says("unable to do port forwarding: wincat not found"),),
            finds="node",
        ),
        Case(
            "Docker could not start it in the pause container",
            CLASSIC_2019,
            (
                _kubelet_says(
                    "error forwarding port 80 to pod 0c1d, uid : Error executing in Docker Container: 126"
                ),
            ),
            finds="node",
        ),
        Case(
            "nothing listens on that port in the pod",
            CLASSIC_2019,
            (
                _kubelet_says(
                    "error forwarding port 81 to pod 0c1d, uid : Error executing in Docker Container: 1"
                ),
            ),
            quiet=True,
        ),
        Case("containerd forwards by itself", FLANNEL_2022, (), quiet=True),
    ],
)
def wincat(pause: PauseImage, logs: NodeLogs) -> Iterator[Said]:
    """With Docker, `kubectl port-forward` runs wincat.exe, which is part of the newer pause images.

    Rule: on a node with Docker the kubelet's log says "wincat not found"; or that forwarding a port ended with 126,
    which is how Docker says that a container does not have the program.
    Remedy: use a newer pause image, `--pod-infra-container-image=mcr.microsoft.com/oss/kubernetes/pause:3.6`.
    Confused with: a blocked kubelet port 10250: then logs and exec fail as well.
    Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/;
    https://github.com/rancher/rancher/issues/32577.
    """
    if pause.runtime != "docker":
        yield Skip("containerd forwards ports without wincat.")
        return
    line = next((text for text in reversed(logs.lines("kubelet")) if _NO_WINCAT.search(text)), "")
    if line:
        yield Problem(
            f"kubectl port-forward fails on this node: {pause.reference or 'its pause image'} has no wincat.exe.",
            proof={NodeLogs: line, PauseImage: pause.reference},
        )
