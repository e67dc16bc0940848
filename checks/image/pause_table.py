"""Which Windows builds each published pause image has an entry for.

Sources: build/pause/CHANGELOG.md of kubernetes/kubernetes; the manifest shown in
https://github.com/kubernetes/kubernetes/issues/87339; https://github.com/k0sproject/k0s/pull/642;
https://github.com/containerd/cri/pull/1532; https://github.com/kubernetes/kubernetes/pull/136960.
"""

from __future__ import annotations

from checks.image.reference import parse

OFFICIAL_HOSTS = frozenset({"registry.k8s.io", "k8s.gcr.io", "mcr.microsoft.com"})
FROZEN_HOST = "k8s.gcr.io"  # gets no new images since April 2023
RECOMMENDED = "registry.k8s.io/pause:3.10.2"

_S2019, _V1903, _V1909, _V2004, _V20H2, _S2022, _S2025 = 17763, 18362, 18363, 19041, 19042, 20348, 26100

# Kubernetes' own image, and the copies that Microsoft publishes under the same tags.
KUBERNETES: dict[str, tuple[int, ...]] = {
    "3.1": (),
    "3.2": (),
    "3.4.1": (_S2019, _V1903, _V1909, _V2004),
    "3.5": (_S2019, _V1903, _V1909, _V2004, _V20H2),
    "3.6": (_S2019, _V1903, _V1909, _V2004, _V20H2, _S2022),
    "3.7": (_S2019, _V20H2, _S2022),
    "3.8": (_S2019, _S2022),
    "3.9": (_S2019, _S2022),
    "3.10": (_S2019, _S2022),
    "3.10.1": (_S2019, _S2022),
    "3.10.2": (_S2019, _S2022, _S2025),
}
# Microsoft's earlier images, by tag.
MICROSOFT: dict[str, tuple[int, ...]] = {
    "1.0.0": (_S2019,),
    "1.2.0": (17134, _S2019, _V1903),
    "1.3.0": (_S2019, _V1903, _V1909),
    "1.4.0": (_S2019, _V1903, _V1909, _V2004),
    "1.4.1": (_S2019, _V1903, _V1909, _V2004),
    "3.10.1-3": (_S2019, _S2022, _S2025),
}
CLASSIC_PATH = "k8s/core/pause"
LOCAL_PATH = "kubeletwin/pause"

# The tag that kubeadm of a minor version names (cmd/kubeadm/app/constants).
KUBEADM: dict[int, str] = {
    **dict.fromkeys((18, 19, 20), "3.2"),
    21: "3.4.1",
    22: "3.5",
    23: "3.6",
    24: "3.7",
    25: "3.8",
    **dict.fromkeys((26, 27, 28, 29, 30), "3.9"),
    **dict.fromkeys((31, 32, 33), "3.10"),
    **dict.fromkeys((34, 35), "3.10.1"),
}


def entries(reference: str) -> tuple[int, ...] | None:
    """Windows builds in the published image of this name and tag; None if it is no image that we know.

    For a mirror this is what a complete copy would have.
    """
    image = parse(reference)
    if image.path.rsplit("/", 1)[-1] != "pause" or not image.tag:
        return None
    if image.path.endswith(LOCAL_PATH):
        return None
    if image.tag in MICROSOFT:
        return MICROSOFT[image.tag]
    return KUBERNETES.get(image.tag)


def official(reference: str) -> bool:
    """Whether the reference points at a registry where the table can be trusted, and not at a mirror."""
    return parse(reference).host in OFFICIAL_HOSTS
