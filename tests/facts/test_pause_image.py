"""Whose word on the pause image counts: the runtime's, the kubelet's, or that of cri-dockerd between them."""

from __future__ import annotations

import pytest

from facts.derived.pause_image import PauseImage
from facts.fact import Failed, NotApplicable
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd, Docker
from facts.node.windows import Nssm, Process, Processes, Service, Services

NONE = NotApplicable("")
FLAG = "--pod-infra-container-image="
KUBELET = {"pod-infra-container-image": "kubelets/pause:3.1"}
PIPE = {"container-runtime-endpoint": "npipe:////./pipe/cri-dockerd"}
OLD, NEW = Kubelet(version="v1.23.17", flags=KUBELET), Kubelet(version="v1.31.4", flags=KUBELET)
PROCESS = Process("cri-dockerd.exe", 7, command_line=rf"C:\k\cri-dockerd.exe {FLAG}its/pause:9")
HIDDEN = Process("cri-dockerd.exe", 7)
SERVICE = Service(
    "cri-dockerd", "Running", path=rf'"C:\Program Files\cri-dockerd.exe" {FLAG}services/pause:9'
)
BY_NSSM = Service("cri-dockerd", "Running", path="nssm.exe", nssm=Nssm(parameters=f"{FLAG}nssms/pause:9"))
BARE = Service("cri-dockerd", "Running", path=r"C:\k\cri-dockerd.exe --network-plugin=cni")


def of(
    kubelet: Kubelet | Failed,
    *found: Service | Process,
    containerd: Containerd | NotApplicable = NONE,
    docker: Docker | NotApplicable = Docker("24.0.7"),  # noqa: B008
) -> tuple[str, str]:
    services = Services(tuple(s for s in found if isinstance(s, Service)))
    processes = Processes(tuple(p for p in found if isinstance(p, Process)))
    made = PauseImage.derive(kubelet, containerd, NONE, docker, services, processes)
    if isinstance(made, Failed):
        assert made.why and made.hint
        return "", "unknown"
    assert isinstance(made, PauseImage)
    return made.reference, made.origin


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((SERVICE, PROCESS), ("its/pause:9", "cri-dockerd flag")),
        ((SERVICE, HIDDEN), ("services/pause:9", "cri-dockerd flag")),
        ((SERVICE,), ("services/pause:9", "cri-dockerd flag")),
        ((BY_NSSM,), ("nssms/pause:9", "cri-dockerd flag")),
        ((BARE,), ("", "unknown")),
        ((HIDDEN,), ("", "unknown")),
        ((), ("", "unknown")),
    ],
)
def test_since_1_24_the_kubelets_flag_says_nothing_of_docker(
    found: tuple[Service | Process, ...], expected: tuple[str, str]
) -> None:
    assert of(NEW, *found) == expected


def test_before_1_24_the_kubelet_drives_docker_unless_it_is_told_otherwise() -> None:
    assert of(OLD, SERVICE) == ("kubelets/pause:3.1", "kubelet flag")
    assert of(Kubelet(version="v1.18.20")) == ("k8s.gcr.io/pause:3.2", "kubelet default")
    told = Kubelet(version="v1.23.17", flags={**KUBELET, **PIPE})
    assert of(told, PROCESS) == ("its/pause:9", "cri-dockerd flag")


def test_a_kubelet_that_cannot_be_asked_and_a_cri_dockerd_that_runs() -> None:
    assert of(Failed("timeout", "No answer."), PROCESS) == ("its/pause:9", "cri-dockerd flag")


def test_containerd_that_lies_beside_docker_is_not_asked_for_another_pipe() -> None:
    containerd = Containerd(version="1.7.22")
    assert of(Kubelet(flags=PIPE), PROCESS, containerd=containerd) == ("its/pause:9", "cri-dockerd flag")
    pipe = {"container-runtime-endpoint": "npipe:////./pipe/containerd-containerd"}
    with_both = of(Kubelet(version="v1.31.4", flags=pipe), PROCESS, containerd=containerd)
    assert with_both == ("registry.k8s.io/pause:3.8", "containerd default")
    assert of(NEW, PROCESS, containerd=containerd) == ("registry.k8s.io/pause:3.8", "containerd default")
