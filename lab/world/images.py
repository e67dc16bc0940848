"""What the registries hold: for each reference the platforms of its manifest list.

The Windows entries of the pause images follow build/pause/CHANGELOG.md of kubernetes/kubernetes and the manifest
shown in https://github.com/kubernetes/kubernetes/issues/87339.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.world.text import stable_hex

_K8S_PAUSE: dict[str, tuple[int, ...]] = {
    "3.4.1": (17763, 18362, 18363, 19041),
    "3.5": (17763, 18362, 18363, 19041, 19042),
    "3.6": (17763, 18362, 18363, 19041, 19042, 20348),
    "3.7": (17763, 19042, 20348),
    "3.8": (17763, 20348),
    "3.9": (17763, 20348),
    "3.10": (17763, 20348),
    "3.10.1": (17763, 20348),
    "3.10.2": (17763, 20348, 26100),
}
_MICROSOFT_PAUSE: dict[str, tuple[int, ...]] = {
    "mcr.microsoft.com/k8s/core/pause:1.0.0": (17763,),
    "mcr.microsoft.com/k8s/core/pause:1.2.0": (17134, 17763, 18362),
    "mcr.microsoft.com/oss/kubernetes/pause:1.3.0": (17763, 18362, 18363),
    "mcr.microsoft.com/oss/kubernetes/pause:1.4.1": (17763, 18362, 18363, 19041),
    "mcr.microsoft.com/oss/kubernetes/pause:3.9": (17763, 20348),
    "mcr.microsoft.com/oss/kubernetes/pause:3.10": (17763, 20348),
}


@dataclass(frozen=True)
class Image:
    """One reference in a registry. `windows` are host builds with an entry; HostProcess images fit every build."""

    linux: bool = True
    windows: tuple[int, ...] = ()
    any_windows: bool = False
    size: int = 300_000
    listens: tuple[int, ...] = field(default=())
    wincat: bool = True  # a pause image with the program that the kubelet forwards ports by (dockershim)

    def fits(self, build: int) -> bool:
        """Whether a process-isolated container of this image runs on the host `build` (containerd ≥1.7.6's rule)."""
        if self.any_windows or build in self.windows:
            return True
        return build > 20348 and any(20348 <= entry <= build for entry in self.windows)


def digest(reference: str) -> str:
    return "sha256:" + stable_hex(64, "image", reference)


def registries() -> dict[str, Image]:
    """Every reference that a pull finds, before faults."""
    known: dict[str, Image] = {}
    for host in ("registry.k8s.io", "k8s.gcr.io"):
        for tag, builds in _K8S_PAUSE.items():
            known[f"{host}/pause:{tag}"] = Image(windows=builds, size=320_000)
    for reference, builds in _MICROSOFT_PAUSE.items():
        # https://github.com/kubernetes/website/pull/15345: port-forward needs 1.2.0 or newer
        with_wincat = not reference.endswith("k8s/core/pause:1.0.0")
        known[reference] = Image(windows=builds, size=260_000_000, wincat=with_wincat)
    hosted = Image(linux=False, any_windows=True, size=95_000_000)
    for reference in (
        "sigwindowstools/kube-proxy:v1.31.4-flannel-hostprocess",
        "sigwindowstools/flannel:v0.24.2-hostprocess",
        "registry.example.com/tools/node-agent:2.3.0",
    ):
        known[reference] = hosted
    for tag, builds in (("1809-amd64", (17763,)), ("ltsc2019", (17763,)), ("ltsc2022", (20348,))):
        known[f"mcr.microsoft.com/windows/servercore:{tag}"] = Image(False, builds, size=2_300_000_000)
    for tag, builds in (("ltsc2019", (17763,)), ("ltsc2022", (20348,))):
        known[f"mcr.microsoft.com/windows/servercore/iis:windowsservercore-{tag}"] = Image(
            False, builds, size=2_600_000_000
        )
    for reference in (
        "registry.k8s.io/coredns/coredns:v1.11.3",
        "registry.k8s.io/etcd:3.5.15-0",
        "k8s.gcr.io/coredns:1.6.7",
        "k8s.gcr.io/etcd:3.4.3-0",
        "docker.io/flannel/flannel:v0.26.2",
        "quay.io/coreos/flannel:v0.12.0-amd64",
        "docker.io/library/nginx:1.27",
    ):
        known[reference] = Image(size=60_000_000)
    for version in ("v1.31.4", "v1.18.20"):
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
            known[f"registry.k8s.io/{name}:{version}"] = Image(size=90_000_000)
            known[f"k8s.gcr.io/{name}:{version}"] = Image(size=90_000_000)
    return known
