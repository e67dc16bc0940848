"""The container runtime: containerd or Docker, its images and sandboxes."""

from __future__ import annotations

from typing import Any

import msgspec

from facts.fact import Fact, asked_of_node


@asked_of_node("containerd.ps1", seconds=15)
class Containerd(Fact, frozen=True):
    """containerd as installed: its program, version, configuration and pipe. NotApplicable where there is none."""

    program: str = ""
    version: str = ""  # 1.7.22
    config_path: str = ""
    config_exists: bool = False
    config: dict[str, Any] = {}  # parsed config.toml
    config_error: str = ""
    pipes: tuple[str, ...] = ()  # names of named pipes of containerd, docker, csi-proxy
    panic_log: str = ""  # last lines

    @property
    def config_version(self) -> int:
        value = self.config.get("version", 1)
        return value if isinstance(value, int) else 1

    @property
    def pipe(self) -> bool:
        return any(p.lower() == "containerd-containerd" for p in self.pipes)


class CriCondition(msgspec.Struct, frozen=True):
    type: str  # RuntimeReady, NetworkReady
    status: bool
    reason: str = ""
    message: str = ""


@asked_of_node("cri.ps1", seconds=15)
class Cri(Fact, frozen=True):
    """What the runtime says of itself (`crictl info`). NotApplicable without crictl or containerd."""

    conditions: tuple[CriCondition, ...] = ()
    sandbox_image: str = ""
    cni_bin_dirs: tuple[str, ...] = ()
    cni_conf_dir: str = ""
    last_cni_load: str = ""
    error: str = ""  # crictl could not reach the runtime: what it printed

    def condition(self, kind: str) -> CriCondition | None:
        return next((c for c in self.conditions if c.type == kind), None)


class Sandbox(msgspec.Struct, frozen=True):
    id: str
    name: str
    namespace: str
    ready: bool


@asked_of_node("sandboxes.ps1", seconds=15)
class Sandboxes(Fact, frozen=True):
    """Pod sandboxes that the runtime knows (`crictl pods`, or Docker's containers of pause)."""

    sandboxes: tuple[Sandbox, ...]


class Image(msgspec.Struct, frozen=True):
    references: tuple[str, ...]  # tags and digests
    size: int = 0
    pinned: bool | None = None
    os_version: str = ""  # 10.0.17763.… where the runtime tells (docker image inspect)


@asked_of_node("images.ps1", seconds=15)
class Images(Fact, frozen=True):
    """Images on disk (`crictl images`, or `docker images`)."""

    images: tuple[Image, ...]

    def find(self, reference: str) -> Image | None:
        return next((i for i in self.images if reference in i.references), None)


@asked_of_node("docker.ps1", seconds=15)
class Docker(Fact, frozen=True):
    """Docker Engine. NotApplicable where there is no docker service."""

    version: str = ""  # server version, 19.03.14
    error: str = ""  # the engine could not be reached: what the client printed
    pipe: bool = False
