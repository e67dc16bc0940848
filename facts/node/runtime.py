"""The container runtime: containerd or Docker, its images and sandboxes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from facts.fact import Fact, Failed, NotApplicable, asked_of_node
from facts.node.parsing import json_document, listing, mapping, size_of, text, texts, toml_document

NO_CONTAINERD = NotApplicable("The node has no containerd: neither the service nor the program is there.")


class RawContainerd(msgspec.Struct, frozen=True):
    """The answer of containerd.ps1: what the program printed and its configuration's text."""

    present: bool
    program: str = ""
    version: str = ""
    config_path: str = ""
    config_exists: bool = False
    config: str = ""
    pipes: tuple[str, ...] = ()
    panic_log: str = ""


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

    @classmethod
    def read(cls, answer: RawContainerd) -> Containerd | NotApplicable:
        if not answer.present:
            return NO_CONTAINERD
        version = re.search(r"\bv?(\d+\.\d+\.\d+\S*)", answer.version)
        config, error = toml_document(answer.config) if answer.config_exists else ({}, "")
        return cls(
            answer.program,
            version.group(1) if version else "",
            answer.config_path,
            answer.config_exists,
            config,
            error,
            answer.pipes,
            answer.panic_log,
        )

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


class RawCri(msgspec.Struct, frozen=True):
    """The answer of cri.ps1: what `crictl info` printed."""

    present: bool
    code: int = 0
    info: str = ""
    error: str = ""


@asked_of_node("cri.ps1", seconds=15)
class Cri(Fact, frozen=True):
    """What the runtime says of itself (`crictl info`). NotApplicable without crictl or containerd."""

    conditions: tuple[CriCondition, ...] = ()
    sandbox_image: str = ""
    cni_bin_dirs: tuple[str, ...] = ()
    cni_conf_dir: str = ""
    last_cni_load: str = ""
    error: str = ""  # crictl could not reach the runtime: what it printed

    @classmethod
    def read(cls, answer: RawCri) -> Cri | Failed | NotApplicable:
        if not answer.present:
            return NotApplicable("The node has no crictl.")
        if answer.code:
            return cls(
                error=(answer.error or answer.info).strip() or f"crictl ended with code {answer.code}."
            )
        info, why = json_document(answer.info)
        if why:
            return Failed("malformed", f"`crictl info` did not print JSON: {why}.", "", "garbled", "answer")
        config = mapping(info.get("config"))
        cni = mapping(config.get("cni"))
        pinned = mapping(config.get("pinnedImages"))
        return cls(
            tuple(
                CriCondition(
                    text(c.get("type")),
                    c.get("status") is True,
                    text(c.get("reason")),
                    text(c.get("message")),
                )
                for c in map(mapping, listing(mapping(info.get("status")).get("conditions")))
            ),
            text(config.get("sandboxImage")) or text(pinned.get("sandbox")) or text(info.get("sandboxImage")),
            texts(cni.get("binDirs")) or texts(cni.get("binDir")),
            text(cni.get("confDir")),
            text(info.get("lastCNILoadStatus.default")) or text(info.get("lastCNILoadStatus")),
        )

    def condition(self, kind: str) -> CriCondition | None:
        return next((c for c in self.conditions if c.type == kind), None)


class Sandbox(msgspec.Struct, frozen=True):
    id: str
    name: str
    namespace: str
    ready: bool


class RawTool(msgspec.Struct, frozen=True):
    """What a runtime's own tool printed; `tool` is crictl, docker, or "" where neither is there."""

    tool: str
    text: str = ""
    versions: dict[str, str] = {}  # image reference → Windows version

    def rows(self, key: str) -> list[dict[str, Any]] | Failed | NotApplicable:
        """crictl prints one object with a list `key`; docker one object a line."""
        if not self.tool:
            return NotApplicable("The node has neither crictl nor docker.")
        if self.tool == "crictl":
            document, why = json_document(self.text)
            found = [(mapping(item), "") for item in listing(document.get(key))]
        else:
            why = ""
            found = [json_document(line) for line in self.text.splitlines() if line.strip()]
        why = why or next((w for _, w in found if w), "")
        if why:
            return Failed(
                "malformed", f"What {self.tool} printed is not JSON: {why}.", "", "garbled", "answer"
            )
        return [row for row, _ in found]


@asked_of_node("sandboxes.ps1", seconds=15)
class Sandboxes(Fact, frozen=True):
    """Pod sandboxes that the runtime knows (`crictl pods`, or Docker's containers of pause)."""

    sandboxes: tuple[Sandbox, ...]

    @classmethod
    def read(cls, answer: RawTool) -> Sandboxes | Failed | NotApplicable:
        rows = answer.rows("items")
        if not isinstance(rows, list):
            return rows
        made = map(_crictl_sandbox if answer.tool == "crictl" else _docker_sandbox, rows)
        return cls(tuple(s for s in made if s is not None))


def _crictl_sandbox(row: dict[str, Any]) -> Sandbox | None:
    named = mapping(row.get("metadata"))
    ready = row.get("state") == "SANDBOX_READY"
    return Sandbox(text(row.get("id")), text(named.get("name")), text(named.get("namespace")), ready)


def _docker_sandbox(row: dict[str, Any]) -> Sandbox | None:
    """dockershim calls a sandbox k8s_POD_NAME_NAMESPACE_UID_ATTEMPT."""
    parts = text(row.get("Names")).split("_")
    if len(parts) < 4 or parts[:2] != ["k8s", "POD"]:
        return None
    up = text(row.get("State")) == "running" or text(row.get("Status")).startswith("Up")
    return Sandbox(text(row.get("ID")), parts[2], parts[3], up)


class Image(msgspec.Struct, frozen=True):
    references: tuple[str, ...]  # tags and digests
    size: int = 0
    pinned: bool | None = None
    os_version: str = ""  # 10.0.17763.… where the runtime tells (docker image inspect)


@asked_of_node("images.ps1", seconds=15)
class Images(Fact, frozen=True):
    """Images on disk (`crictl images`, or `docker images`)."""

    images: tuple[Image, ...]

    @classmethod
    def read(cls, answer: RawTool) -> Images | Failed | NotApplicable:
        rows = answer.rows("images")
        if not isinstance(rows, list):
            return rows
        if answer.tool == "crictl":
            return cls(tuple(_crictl_image(row) for row in rows))
        return cls(tuple(_docker_image(row, answer.versions) for row in rows))

    def find(self, reference: str) -> Image | None:
        return next((i for i in self.images if reference in i.references), None)


def _crictl_image(row: dict[str, Any]) -> Image:
    pinned = row.get("pinned")
    size = text(row.get("size"))
    return Image(
        texts(row.get("repoTags")) + texts(row.get("repoDigests")),
        int(size) if size.isdigit() else 0,
        pinned if isinstance(pinned, bool) else None,
    )


def _docker_image(row: dict[str, Any], versions: dict[str, str]) -> Image:
    repository, tag, digest = (text(row.get(key)) for key in ("Repository", "Tag", "Digest"))
    named = (f"{repository}:{tag}", tag), (f"{repository}@{digest}", digest)
    references = tuple(reference for reference, part in named if part and part != "<none>")
    version = next((versions[r] for r in references if r in versions), "")
    return Image(references, size_of(text(row.get("Size"))), None, version)


class RawDocker(msgspec.Struct, frozen=True):
    """The answer of docker.ps1: what `docker version` printed."""

    present: bool
    text: str = ""
    error: str = ""
    code: int = 0
    pipe: bool = False


@asked_of_node("docker.ps1", seconds=15)
class Docker(Fact, frozen=True):
    """Docker Engine. NotApplicable where there is no docker service."""

    version: str = ""  # server version, 19.03.14
    error: str = ""  # the engine could not be reached: what the client printed
    pipe: bool = False

    @classmethod
    def read(cls, answer: RawDocker) -> Docker | NotApplicable:
        if not answer.present:
            return NotApplicable("The node has no service docker.")
        document, why = json_document(answer.text) if answer.text.strip() else ({}, "")
        version = text(mapping(document.get("Server")).get("Version"))
        error = "" if version else answer.error.strip() or why or "The client named no server version."
        return cls(version, error, answer.pipe)
