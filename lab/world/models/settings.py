"""What the daemons read at start: files, service parameters and arguments of one Windows machine."""

from __future__ import annotations

import base64
import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from typing import Any

import yaml

from lab.world.machine import File, Machine
from lab.world.state import Plan, World

CONTAINERD_PROGRAM = r"C:\Program Files\containerd\containerd.exe"
CONTAINERD_CONFIG = r"C:\Program Files\containerd\config.toml"
KUBELET_CONFIG = r"C:\var\lib\kubelet\config.yaml"
KUBELET_FLAGS = r"C:\var\lib\kubelet\kubeadm-flags.env"
KUBELET_CERTIFICATE = r"C:\var\lib\kubelet\pki\kubelet-client-current.pem"
START_KUBELET = r"C:\k\StartKubelet.ps1"
SUBNET_ENV = r"C:\run\flannel\subnet.env"
NET_CONF = r"C:\etc\kube-flannel\net-conf.json"
KUBECONFIG = r"C:\etc\kubernetes\kubelet.conf"
BOOTSTRAP = r"C:\etc\kubernetes\bootstrap-kubelet.conf"
CLASSIC_KUBECONFIG = r"C:\k\config"
NPIPE = "npipe:////./pipe/containerd-containerd"
REMOVED_FLAGS = {  # flag → first minor version without it
    "--allow-privileged": 15,
    "--network-plugin": 24,
    "--cni-bin-dir": 24,
    "--cni-conf-dir": 24,
    "--image-pull-progress-deadline": 24,
    "--log-dir": 26,
    "--logtostderr": 26,
    "--log-file": 26,
    "--container-runtime": 27,
    "--pod-infra-container-image": 35,
}


def windows_path(path: str) -> str:
    """`C:/etc/cni/net.d` and `/etc/cni/net.d` as the machine's files are keyed."""
    path = path.replace("/", "\\")
    return "C:" + path if path.startswith("\\") and not path.startswith("\\\\") else path


def file(machine: Machine, path: str) -> File | None:
    wanted = windows_path(path).lower()
    return next((f for p, f in machine.files.items() if p.lower() == wanted), None)


def files_in(machine: Machine, folder: str) -> dict[str, File]:
    """Name → file, for the files directly in `folder`, in the order of their names."""
    start = windows_path(folder).rstrip("\\").lower() + "\\"
    found = {p[len(start) :]: f for p, f in machine.files.items() if p.lower().startswith(start)}
    return {name: found[name] for name in sorted(found) if "\\" not in name}


def running(machine: Machine, service: str) -> bool:
    return service in machine.services and machine.services[service].state == "Running"


@dataclass(frozen=True)
class Runtime:
    """containerd's effective configuration."""

    pause: str = ""
    bin_dir: str = r"C:\Program Files\containerd\cni\bin"
    conf_dir: str = r"C:\Program Files\containerd\cni\conf"
    address: str = r"\\.\pipe\containerd-containerd"
    error: str = ""


def containerd_version(machine: Machine) -> tuple[str, tuple[int, ...]]:
    """The version of containerd.exe, as text and as numbers."""
    program = file(machine, CONTAINERD_PROGRAM)
    text = program.version if program else ""
    return text, tuple(int(part) for part in text.split(".") if part.isdigit())


def containerd(machine: Machine) -> Runtime:
    text = file(machine, CONTAINERD_CONFIG)
    try:
        document = tomllib.loads(text.text) if text else {}
    except tomllib.TOMLDecodeError as error:
        return Runtime(error=str(error))
    newest = 2 if containerd_version(machine)[1] < (2,) else 3
    written = document.get("version", 1)
    if written > newest:
        why = f"expected containerd config version equal to or less than `{newest}`, got `{written}`"
        return Runtime(error=why)
    cri = document.get("plugins", {}).get("io.containerd.grpc.v1.cri", {})
    cni = cri.get("cni", {})
    default = Runtime()
    return Runtime(
        cri.get("sandbox_image", "registry.k8s.io/pause:3.8"),
        cni.get("bin_dir", default.bin_dir),
        cni.get("conf_dir", default.conf_dir),
        document.get("grpc", {}).get("address", default.address),
    )


@dataclass
class KubeletSettings:
    """The kubelet's command line and configuration, as far as the model knows them."""

    command: str = ""
    flags: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    config_missing: bool = False

    def value(self, flag: str, key: str = "", default: Any = None) -> Any:
        """A flag, which wins, or the key of the configuration file."""
        return self.flags.get(flag, self.config.get(key, default) if key else default)

    @property
    def node_name(self) -> str:
        return str(self.flags.get("--hostname-override", ""))

    @property
    def kubeconfig(self) -> str:
        return windows_path(self.flags.get("--kubeconfig", KUBECONFIG))

    @property
    def endpoint(self) -> str:
        return str(
            self.flags.get("--container-runtime-endpoint")
            or self.config.get("containerRuntimeEndpoint")
            or NPIPE
        )


def parse_flags(command: str) -> dict[str, str]:
    """`--a=1 --b "x y"` → {"--a": "1", "--b": "x y"}; a flag without a value is "true"."""
    try:
        words = shlex.split(command.replace("\\", "\\\\"))
    except ValueError:
        words = command.split()
    flags: dict[str, str] = {}
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word.partition("=")
        if not equals:
            following = words[place + 1] if place + 1 < len(words) else "--"
            value = "true" if following.startswith("--") else following
        flags[name] = value
    return flags


def kubelet(machine: Machine, plan: Plan) -> KubeletSettings:
    if plan.classic:
        command = (
            str(machine.services["kubelet"].nssm.get("AppParameters", ""))
            if "kubelet" in machine.services
            else ""
        )
        executable = r"C:\k\kubelet.exe"
        return KubeletSettings(f"{executable} {command}", parse_flags(command))
    script, env = file(machine, START_KUBELET), file(machine, KUBELET_FLAGS)
    own = re.search(r"\$own = '([^']*)'", script.text) if script else None
    joined = re.search(r'KUBELET_KUBEADM_ARGS="?([^"\n]*)"?', env.text) if env else None
    line = " ".join(part.group(1) for part in (joined, own) if part)
    settings = KubeletSettings(rf"C:\k\kubelet.exe {line}", parse_flags(line))
    config = file(machine, settings.flags.get("--config", KUBELET_CONFIG))
    settings.config_missing = config is None
    settings.config = (yaml.safe_load(config.text) or {}) if config else {}
    return settings


@dataclass(frozen=True)
class Kubeconfig:
    server: str = ""
    ca: str = ""
    certificate: str = ""
    certificate_path: str = ""
    error: str = ""


def kubeconfig(machine: Machine, path: str) -> Kubeconfig | None:
    """The kubeconfig at `path`; None if there is none."""
    found = file(machine, path)
    if found is None:
        return None
    if found.encoding != "utf-8":
        return Kubeconfig(error="yaml: control characters are not allowed")
    try:
        document = yaml.safe_load(found.text) or {}
        cluster = document["clusters"][0]["cluster"]
        user = document["users"][0]["user"] or {}
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        return Kubeconfig(error=str(error))
    ca = decoded(cluster.get("certificate-authority-data", ""))
    if "certificate-authority" in cluster:
        authority = file(machine, cluster["certificate-authority"])
        ca = authority.text if authority else ""
    certificate = decoded(user.get("client-certificate-data", ""))
    certificate_path = str(user.get("client-certificate", ""))
    if certificate_path:
        pem = file(machine, certificate_path)
        certificate = pem.text if pem else ""
    return Kubeconfig(str(cluster.get("server", "")), ca, certificate, certificate_path)


def decoded(text: str) -> str:
    return base64.b64decode(text).decode() if text else ""


@dataclass(frozen=True)
class CniConf:
    """The CNI configuration that the runtime loads: the first file by name."""

    name: str = ""
    type: str = ""
    delegate: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    error: str = ""


def cni_conf(machine: Machine, folder: str) -> CniConf | None:
    """The effective CNI configuration in `folder`; None if there is no file at all."""
    for name, found in files_in(machine, folder).items():
        if not name.endswith((".conf", ".conflist", ".json")):
            continue
        path = folder.rstrip("/\\") + "\\" + name
        if found.encoding != "utf-8":
            mark = "ï" if found.encoding == "utf-8-sig" else "ÿ"
            why = f"invalid character '{mark}' looking for beginning of value"
            return CniConf(file=path, error=f"error parsing configuration: {why}")
        try:
            document = json.loads(found.text)
        except ValueError:
            return CniConf(
                file=path, error="error parsing configuration: invalid character after object key:value pair"
            )
        first = document.get("plugins", [document])[0] if isinstance(document, dict) else {}
        delegate = first.get("delegate", {})
        return CniConf(
            str(document.get("name", "")),
            str(first.get("type", "")),
            str(delegate.get("type", "")),
            first,
            path,
        )
    return None


def daemon_set(world: World, namespace: str, name: str) -> dict[str, Any] | None:
    return world.find("apps/v1", "DaemonSet", name, namespace)


def container_env(container: dict[str, Any]) -> dict[str, str]:
    """Literal environment of a container; a fieldRef is kept as its path in angle brackets."""
    values: dict[str, str] = {}
    for item in container.get("env", []):
        reference = item.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        values[item["name"]] = f"<{reference}>" if reference else str(item.get("value", ""))
    return values
