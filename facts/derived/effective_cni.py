"""Where the runtime of a node looks for CNI, and the configuration that it therefore loads."""

from __future__ import annotations

from typing import Any

import msgspec

from facts.derived.stack import Stack
from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.cni import CniConf, CniFiles, CniProgram
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd, Cri

_TABLES = (
    ("io.containerd.grpc.v1.cri", "cni"),
    ("io.containerd.cri.v1.runtime", "cni"),
    ("cri", "cni"),  # version 1 of the file
)
_DEFAULTS = {
    "containerd": (r"C:\Program Files\containerd\cni\conf", r"C:\Program Files\containerd\cni\bin"),
    "docker": (r"C:\etc\cni\net.d", r"C:\opt\cni\bin"),
}


def folder(path: str) -> str:
    """One spelling of a Windows folder: backslashes, drive C: where none is given, lower case, no end
    mark."""
    text = path.strip().strip('"').replace("/", "\\").rstrip("\\").lower()
    return "c:" + text if text.startswith("\\") and not text.startswith("\\\\") else text


class CniPolicy(msgspec.Struct, frozen=True):
    """One HNS policy of a CNI configuration. `nested`: written with `Settings`, as HNS v2 wants it."""

    type: str
    values: dict[str, Any] = {}
    nested: bool = False

    def addresses(self) -> tuple[str, ...]:
        """The exceptions of an OutBoundNAT policy, in either schema."""
        for key, value in self.values.items():
            if key.lower() in ("exceptions", "exceptionlist") and isinstance(value, list):
                return tuple(str(v) for v in value)
        return ()


def _policy(item: Any) -> CniPolicy | None:
    value = item.get("Value", item.get("value")) if isinstance(item, dict) else None
    if not isinstance(value, dict):
        return None
    kind = str(value.get("Type", value.get("type", "")))
    settings = value.get("Settings", value.get("settings"))
    if isinstance(settings, dict):
        return CniPolicy(kind, settings, nested=True)
    return CniPolicy(kind, {k: v for k, v in value.items() if k.lower() != "type"})


@derived
class EffectiveCni(Fact, frozen=True):
    """The directories in force with their origin, and the first configuration file in them.

    `conf` is None where the directory holds none; `elsewhere` are the files in other directories, which the
    runtime never reads. Source of the choice: the runtime's own word, its configuration, the kubelet's flags
    (dockershim).
    """

    conf_dir: str
    conf_origin: str
    bin_dirs: tuple[str, ...]
    bin_origin: str
    conf: CniConf | None = None
    elsewhere: tuple[CniConf, ...] = ()
    programs: tuple[CniProgram, ...] = ()

    @property
    def path(self) -> str:
        """Full path of the configuration in force."""
        return f"{self.conf.directory}\\{self.conf.name}" if self.conf else ""

    @property
    def attaching(self) -> dict[str, Any]:
        """The plug-in that talks to HNS: flannel's delegate, which is win-bridge where it names none; else the
        plug-in itself. Source: flannel-io/cni-plugin, flannel_windows.go."""
        if self.conf is None:
            return {}
        if self.conf.plugin.get("type") == "flannel" and not self.conf.delegate.get("type"):
            return {**self.conf.delegate, "type": "win-bridge"}
        return self.conf.delegate if self.conf.delegate.get("type") else self.conf.plugin

    @property
    def kind(self) -> str:
        """win-overlay, sdnoverlay, win-bridge, …"""
        return str(self.attaching.get("type", ""))

    @property
    def plugins(self) -> tuple[str, ...]:
        """Every program that one ADD starts: the plug-in, its delegate, its address manager."""
        if self.conf is None:
            return ()
        first = str(self.conf.plugin.get("type", ""))
        ipam = self.attaching.get("ipam") or self.conf.plugin.get("ipam") or {}
        manager = str(ipam.get("type", "")) if isinstance(ipam, dict) else ""
        if first == "flannel":
            manager = manager or "host-local"
        return tuple(dict.fromkeys(name for name in (first, self.kind, manager) if name))

    @property
    def policies(self) -> tuple[CniPolicy, ...]:
        for key in ("AdditionalArgs", "additionalArgs", "Policies", "policies"):
            listed = self.attaching.get(key)
            if isinstance(listed, list):
                return tuple(p for p in map(_policy, listed) if p is not None)
        return ()

    def policies_of(self, *kinds: str) -> tuple[CniPolicy, ...]:
        wanted = {k.lower() for k in kinds}
        return tuple(p for p in self.policies if p.type.lower() in wanted)

    def program(self, name: str) -> CniProgram | None:
        """`name`.exe in a directory in force."""
        places = {folder(d) for d in self.bin_dirs}
        return next(
            (
                p
                for p in self.programs
                if p.name.lower() == f"{name}.exe".lower() and folder(p.directory) in places
            ),
            None,
        )

    @classmethod
    def derive(
        cls,
        stack: Stack,
        files: CniFiles,
        cri: Cri | Failed | NotApplicable,
        containerd: Containerd | Failed | NotApplicable,
        kubelet: Kubelet | Failed,
    ) -> EffectiveCni | NotApplicable:
        if stack.runtime not in _DEFAULTS:
            return NotApplicable(
                f"Where the runtime {stack.runtime or '(unknown)'} looks for CNI is not known."
            )
        conf_dir, conf_origin, bin_dirs, bin_origin = _directories(stack.runtime, cri, containerd, kubelet)
        known = sorted(files.confs, key=lambda c: c.name)
        inside = [c for c in known if folder(c.directory) == folder(conf_dir)]
        usable = [c for c in inside if c.name.lower().endswith((".conf", ".conflist", ".json"))]
        elsewhere = tuple(c for c in known if c not in inside)
        return cls(
            conf_dir,
            conf_origin,
            bin_dirs,
            bin_origin,
            usable[0] if usable else None,
            elsewhere,
            files.programs,
        )


def _directories(
    runtime: str,
    cri: Cri | Failed | NotApplicable,
    containerd: Containerd | Failed | NotApplicable,
    kubelet: Kubelet | Failed,
) -> tuple[str, str, tuple[str, ...], str]:
    """(conf_dir, origin, bin_dirs, origin) in force."""
    conf_dir, bin_dir = _DEFAULTS[runtime]
    conf_origin = bin_origin = f"the default of {runtime}"
    bin_dirs: tuple[str, ...] = (bin_dir,)
    if runtime == "docker":
        flags = kubelet.flags if isinstance(kubelet, Kubelet) else {}
        if flags.get("cni-conf-dir"):
            conf_dir, conf_origin = flags["cni-conf-dir"], "the kubelet's --cni-conf-dir"
        if flags.get("cni-bin-dir"):
            bin_dirs, bin_origin = (flags["cni-bin-dir"],), "the kubelet's --cni-bin-dir"
        return conf_dir, conf_origin, bin_dirs, bin_origin
    section = _cni_section(containerd.config) if isinstance(containerd, Containerd) else {}
    if isinstance(section.get("conf_dir"), str):
        conf_dir, conf_origin = section["conf_dir"], "config.toml"
    if isinstance(section.get("bin_dir"), str):
        bin_dirs, bin_origin = (section["bin_dir"],), "config.toml"
    elif isinstance(section.get("bin_dirs"), list):
        bin_dirs, bin_origin = tuple(str(d) for d in section["bin_dirs"]), "config.toml"
    if isinstance(cri, Cri) and cri.cni_conf_dir:
        conf_dir, conf_origin = cri.cni_conf_dir, "crictl info"
    if isinstance(cri, Cri) and cri.cni_bin_dirs:
        bin_dirs, bin_origin = cri.cni_bin_dirs, "crictl info"
    return conf_dir, conf_origin, bin_dirs, bin_origin


def _cni_section(config: dict[str, Any]) -> dict[str, Any]:
    plugins = config.get("plugins")
    for table, key in _TABLES:
        found = plugins.get(table) if isinstance(plugins, dict) else None
        section = found.get(key) if isinstance(found, dict) else None
        if isinstance(section, dict):
            return section
    return {}
