"""CNI and flannel on the node: files, not promises."""

from __future__ import annotations

from typing import Any

import msgspec

from facts.fact import Fact, asked_of_node
from facts.netconf import NetConf as NetConf
from facts.netconf import net_conf
from facts.node.parsing import environment_lines, json_document


class CniConf(msgspec.Struct, frozen=True):
    """One configuration file. `parsed` is empty where `error` says why."""

    directory: str
    name: str
    bom: str = ""  # "", "utf-8", "utf-16"
    parsed: dict[str, Any] = {}
    error: str = ""

    @property
    def network(self) -> str:
        value = self.parsed.get("name", "")
        return value if isinstance(value, str) else ""

    @property
    def plugin(self) -> dict[str, Any]:
        """The plug-in that is started first: of a list its first, else the file itself."""
        plugins = self.parsed.get("plugins")
        if isinstance(plugins, list) and plugins and isinstance(plugins[0], dict):
            return plugins[0]
        return self.parsed

    @property
    def delegate(self) -> dict[str, Any]:
        value = self.plugin.get("delegate", {})
        return value if isinstance(value, dict) else {}


class CniProgram(msgspec.Struct, frozen=True):
    directory: str
    name: str  # flannel.exe
    size: int = 0
    version: str = ""
    blocked: bool = False  # has a Zone.Identifier stream


class RawCniConf(msgspec.Struct, frozen=True):
    """A configuration file as the node sends it: its text."""

    directory: str
    name: str
    bom: str = ""
    text: str = ""


class RawCniFiles(msgspec.Struct, frozen=True):
    """The answer of cni_files.ps1."""

    confs: tuple[RawCniConf, ...]
    programs: tuple[CniProgram, ...]
    directories: tuple[str, ...] = ()


@asked_of_node("cni_files.ps1")
class CniFiles(Fact, frozen=True):
    """CNI configuration files and programs in the directories that installers use and that the runtime names."""

    confs: tuple[CniConf, ...]
    programs: tuple[CniProgram, ...]
    directories: tuple[str, ...] = ()  # those looked at that exist

    @classmethod
    def read(cls, answer: RawCniFiles) -> CniFiles:
        confs = tuple(CniConf(c.directory, c.name, c.bom, *json_document(c.text)) for c in answer.confs)
        return cls(confs, answer.programs, answer.directories)


class NetConfFile(msgspec.Struct, frozen=True):
    path: str
    conf: NetConf


class RawNetConf(msgspec.Struct, frozen=True):
    path: str
    text: str
    bom: str = ""


class RawFlannelFiles(msgspec.Struct, frozen=True):
    """The answer of flannel_files.ps1. `environment` is nssm's, `node_name` the machine's."""

    net_confs: tuple[RawNetConf, ...] = ()
    subnet_env_path: str = ""
    subnet_env: str = ""
    arguments: str = ""
    environment: tuple[str, ...] = ()
    node_name: str = ""
    has_pod_name: bool | None = None


@asked_of_node("flannel_files.ps1")
class FlannelFiles(Fact, frozen=True):
    """What flanneld reads and writes on the node: net-conf.json and subnet.env."""

    net_confs: tuple[NetConfFile, ...] = ()
    subnet_env_path: str = ""  # empty: there is none
    subnet_env: dict[str, str] = {}  # FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ
    arguments: str = ""  # flanneld's command line (process or nssm)
    node_name: str = ""  # NODE_NAME as flanneld gets it
    has_pod_name: bool | None = None  # POD_NAME is set, where that can be seen

    @classmethod
    def read(cls, answer: RawFlannelFiles) -> FlannelFiles:
        own = environment_lines("\n".join(answer.environment)).get("NODE_NAME", "")
        return cls(
            tuple(NetConfFile(c.path, net_conf(c.text, c.bom)) for c in answer.net_confs),
            answer.subnet_env_path,
            environment_lines(answer.subnet_env),
            answer.arguments,
            own or answer.node_name,
            answer.has_pod_name,
        )


@asked_of_node("ipam.ps1")
class Ipam(Fact, frozen=True):
    """host-local's leases: network name → reserved addresses (files in C:\\\\var\\\\lib\\\\cni\\\\networks)."""

    leases: dict[str, tuple[str, ...]]
