"""Which pause image a node really uses."""

from __future__ import annotations

from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd, Cri, Docker


def _configured(config: dict[str, object]) -> str:
    """The sandbox image of a parsed config.toml: containerd 1.x and 2.x keep it in different tables."""
    plugins = config.get("plugins")
    if not isinstance(plugins, dict):
        return ""
    one = plugins.get("io.containerd.grpc.v1.cri")
    if isinstance(one, dict) and isinstance(one.get("sandbox_image"), str):
        return str(one["sandbox_image"])
    two = plugins.get("io.containerd.cri.v1.images")
    pinned = two.get("pinned_images") if isinstance(two, dict) else None
    return str(pinned.get("sandbox", "")) if isinstance(pinned, dict) else ""


@derived
class PauseImage(Fact, frozen=True):
    """The reference in force, where it comes from, and what else names one."""

    reference: str
    origin: str  # "crictl info", "config.toml", "kubelet flag", "containerd default"
    kubelet_flag: str = ""
    configured: str = ""
    runtime: str = "containerd"  # or docker

    @classmethod
    def derive(
        cls,
        kubelet: Kubelet | Failed,
        containerd: Containerd | Failed | NotApplicable,
        cri: Cri | Failed | NotApplicable,
        docker: Docker | Failed | NotApplicable,
    ) -> PauseImage | Failed | NotApplicable:
        flag = kubelet.flags.get("pod-infra-container-image", "") if isinstance(kubelet, Kubelet) else ""
        if isinstance(containerd, Containerd):
            configured = _configured(containerd.config)
            told = cri.sandbox_image if isinstance(cri, Cri) else ""
            reference = told or configured
            origin = "crictl info" if told else "config.toml"
            return cls(reference, origin if reference else "unknown", flag, configured)
        if isinstance(docker, Docker):
            return cls(flag, "kubelet flag" if flag else "unknown", flag, "", "docker")
        if isinstance(containerd, Failed):
            return containerd
        return NotApplicable("The node has neither containerd nor Docker.")
