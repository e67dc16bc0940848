"""Which pause image a node really uses."""

from __future__ import annotations

import re

from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.kubernetes import Kubelet
from facts.node.parsing import flags_of
from facts.node.runtime import Containerd, Cri, Docker
from facts.node.windows import Processes, Services

# What containerd takes where its configuration names no sandbox image (internal/cri/config at its tags),
# newest first. Below 1.6.28 the registry depends on the patch release.
_CONTAINERD_DEFAULTS = (
    ((2, 2, 0), "registry.k8s.io/pause:3.10.1"),
    ((2, 0, 0), "registry.k8s.io/pause:3.10"),
    ((1, 7, 0), "registry.k8s.io/pause:3.8"),
    ((1, 6, 28), "registry.k8s.io/pause:3.6"),
)

# What the kubelet takes with Docker where no flag names one (pkg/kubelet/config), by first minor version.
_DOCKERSHIM_DEFAULTS = ((23, "3.6"), (22, "3.5"), (21, "3.4.1"), (18, "3.2"), (9, "3.1"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _containerd_default(version: str) -> str:
    have = _numbers(version)
    return next((image for since, image in _CONTAINERD_DEFAULTS if have >= since), "")


_FLAG = "pod-infra-container-image"
_DOCKERSHIM_ENDS = 24  # the kubelet drives Docker itself before this minor version


def _minor(kubelet: Kubelet | Failed) -> int:
    have = _numbers(kubelet.version) if isinstance(kubelet, Kubelet) else ()
    return have[1] if len(have) > 1 else 0


def _dockershim_default(minor: int) -> str:
    return next((f"k8s.gcr.io/pause:{tag}" for since, tag in _DOCKERSHIM_DEFAULTS if minor >= since), "")


def _configured(config: dict[str, object]) -> str:
    """The sandbox image of a parsed config.toml: containerd 1.x and 2.x keep it in different tables."""
    plugins = config.get("plugins")
    if not isinstance(plugins, dict):
        return ""
    for name in ("io.containerd.grpc.v1.cri", "cri"):  # the short name is that of version 1 of the file
        one = plugins.get(name)
        if isinstance(one, dict) and isinstance(one.get("sandbox_image"), str):
            return str(one["sandbox_image"])
    two = plugins.get("io.containerd.cri.v1.images")
    pinned = two.get("pinned_images") if isinstance(two, dict) else None
    return str(pinned.get("sandbox", "")) if isinstance(pinned, dict) else ""


def _cri_dockerd(services: Services | Failed, processes: Processes | Failed) -> tuple[str, ...]:
    """Command lines of cri-dockerd, its process's first; one that is not shown is empty. None where it is not seen."""
    found = (
        [p.command_line for p in processes.named("cri-dockerd")] if isinstance(processes, Processes) else []
    )
    service = services.named("cri-dockerd", "cri-docker") if isinstance(services, Services) else None
    # Of a process the arguments are certain; without it those of the service will be.
    if service is not None and not any(found):
        found += [service.nssm.parameters if service.nssm else service.path]
    return tuple(found)


def _asks_cri_dockerd(kubelet: Kubelet | Failed, docker_alone: bool, seen: tuple[str, ...]) -> bool:
    """Whether the kubelet reaches Docker by way of cri-dockerd: by its endpoint, else because no other way is left."""
    told = ""
    if isinstance(kubelet, Kubelet):
        told = str(kubelet.setting("container-runtime-endpoint", "containerRuntimeEndpoint") or "").lower()
    if "cri-dockerd" in told or "containerd" in told:
        return "cri-dockerd" in told
    minor = _minor(kubelet)
    return docker_alone and (minor >= _DOCKERSHIM_ENDS or (minor == 0 and bool(seen)))


@derived
class PauseImage(Fact, frozen=True):
    """The reference in force, where it comes from, and what else names one."""

    reference: str
    origin: str  # crictl info, config.toml, kubelet flag, cri-dockerd flag, containerd or kubelet default, unknown
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
        services: Services | Failed,
        processes: Processes | Failed,
    ) -> PauseImage | Failed | NotApplicable:
        flag = kubelet.flags.get(_FLAG, "") if isinstance(kubelet, Kubelet) else ""
        lines = _cri_dockerd(services, processes)
        alone = isinstance(docker, Docker) and not isinstance(containerd, Containerd)
        if _asks_cri_dockerd(kubelet, alone, lines):
            own = next((v for line in lines if (v := flags_of(line).get(_FLAG))), "")
            if own:
                return cls(own, "cri-dockerd flag", flag, "", "docker")
            why = "cri-dockerd, not the kubelet, chooses the pause image here, and which one it takes is not known."
            hint = f"On the node `cri-dockerd.exe --help` names the default of --{_FLAG}."
            return Failed("derived", why, hint)
        if isinstance(containerd, Containerd):
            configured = _configured(containerd.config)
            told = cri.sandbox_image if isinstance(cri, Cri) else ""
            if containerd.config_error and not told:
                why = f"{containerd.config_path}, which may name the pause image, cannot be read: "
                hint = "Mend config.toml first: see runtime.containerd.stopped."
                return Failed("derived", why + containerd.config_error, hint)
            reference = told or configured
            origin = "crictl info" if told else "config.toml"
            if not reference:
                reference, origin = _containerd_default(containerd.version), "containerd default"
            return cls(reference, origin if reference else "unknown", flag, configured)
        if isinstance(docker, Docker):
            default = _dockershim_default(_minor(kubelet))
            origin = "kubelet flag" if flag else "kubelet default" if default else "unknown"
            return cls(flag or default, origin, flag, "", "docker")
        if isinstance(containerd, Failed):
            return containerd
        return NotApplicable("The node has neither containerd nor Docker.")
