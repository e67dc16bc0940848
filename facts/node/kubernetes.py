"""Kubernetes' own programs on the node: kubelet, kube-proxy, kubeconfigs, certificates, logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from facts.fact import Fact, asked_of_node
from facts.node.parsing import (
    container_log,
    environment_argument,
    environment_lines,
    flags_of,
    json_document,
    listing,
    mapping,
    merged,
    script_arguments,
    subject_values,
    text,
    yaml_document,
)
from facts.node.windows import Nssm


class RawConfigFile(msgspec.Struct, frozen=True):
    path: str
    text: str


class RawKubelet(msgspec.Struct, frozen=True):
    """The answer of kubelet.ps1: every place where arguments may stand, and the configuration's text."""

    program: str = ""
    version: str = ""
    process: str = ""
    service: str = ""
    nssm: Nssm | None = None
    script: str = ""
    script_text: str = ""
    flags_env: str = ""
    config_path: str = ""
    config_exists: bool = False
    config: str = ""
    config_dir: str = ""
    config_more: tuple[RawConfigFile, ...] = ()
    resolv_files: dict[str, bool] = {}

    def arguments(self) -> tuple[str, str]:
        """The command line in force and where it stands; the most certain place first."""
        joined = environment_argument(self.flags_env, "KUBELET_KUBEADM_ARGS")
        if self.process:
            return self.process, "process"
        # A kubelet that is a service itself does not know kubeadm-flags.env: start scripts read that.
        if "kubelet" in self.service.lower() and "--" in self.service:
            return self.service, "service"
        if self.nssm is not None and "--" in self.nssm.parameters:
            program = f'"{self.nssm.application}"' if " " in self.nssm.application else self.nssm.application
            return f"{program} {self.nssm.parameters}", "nssm"
        if self.script_text:
            return f"{self.program or 'kubelet.exe'} {joined} {script_arguments(self.script_text)}", "script"
        return "", ""


@asked_of_node("kubelet.ps1")
class Kubelet(Fact, frozen=True):
    """How the kubelet is started and configured. `flags` wins over `config`."""

    program: str = ""
    version: str = ""  # v1.31.2
    arguments: str = ""  # the effective command line, wherever it was found
    found_in: str = ""  # process, service, nssm, script: where `arguments` comes from
    flags: dict[str, str] = {}  # without leading dashes; a bare flag is "true"
    config_path: str = ""
    config_exists: bool = False
    config: dict[str, Any] = {}  # parsed KubeletConfiguration, with what the files of --config-dir add to it
    config_error: str = ""
    flags_env: str = ""  # content of kubeadm-flags.env
    config_files: tuple[str, ...] = ()  # files of --config-dir that are in `config`, in their order
    resolv_files: dict[
        str, bool
    ] = {}  # resolvConf, as it is written wherever one is → whether that file exists

    @classmethod
    def read(cls, answer: RawKubelet) -> Kubelet:
        arguments, found_in = answer.arguments()
        config, error = yaml_document(answer.config) if answer.config_exists else ({}, "")
        # Lexical order, the last one wins: pkg/kubelet/config, --config-dir.
        added = sorted(answer.config_more, key=lambda f: f.path.split("\\"))
        for file in added:
            more, why = yaml_document(file.text)
            config, error = merged(config, more), error or (f"{file.path}: {why}" if why else "")
        return cls(
            answer.program,
            answer.version.rpartition(" ")[2].strip(),
            arguments,
            found_in,
            flags_of(arguments),
            answer.config_path,
            answer.config_exists,
            config,
            error,
            answer.flags_env,
            tuple(file.path for file in added),
            answer.resolv_files,
        )

    def setting(self, flag: str, key: str) -> Any:
        """The value in force: the flag if given, else the key of the configuration file, else None."""
        return self.flags[flag] if flag in self.flags else self.config.get(key)


class RawKubeProxy(msgspec.Struct, frozen=True):
    """The answer of kube_proxy.ps1. `running`: the process is there, even where its command line is not shown."""

    process: str = ""
    running: bool = False
    service: str = ""
    nssm: Nssm | None = None
    kube_network: str = ""
    source_vip_path: str = ""
    source_vip: str = ""


@asked_of_node("kube_proxy.ps1")
class KubeProxy(Fact, frozen=True):
    """How kube-proxy is started, as a service, an nssm service or a HostProcess container."""

    arguments: str = ""
    found_in: str = ""  # process, service, nssm; empty: no kube-proxy on the host
    flags: dict[str, str] = {}
    kube_network: str = ""  # machine or nssm environment KUBE_NETWORK
    source_vip_path: str = ""
    source_vip: str = ""  # address in sourceVip.json

    @classmethod
    def read(cls, answer: RawKubeProxy) -> KubeProxy:
        arguments, found_in = answer.process, "process" if answer.running or answer.process else ""
        own = environment_lines("\n".join(answer.nssm.environment if answer.nssm else ()))
        if not arguments and answer.nssm is not None:
            arguments = f"{answer.nssm.application} {answer.nssm.parameters}"
            found_in = found_in or "nssm"
        if not arguments and answer.service:
            arguments, found_in = answer.service, found_in or "service"
        network = own.get("KUBE_NETWORK", "") or answer.kube_network
        address = _source_vip(answer.source_vip)
        return cls(arguments, found_in, flags_of(arguments), network, answer.source_vip_path, address)


def _source_vip(said: str) -> str:
    """The address in sourceVip.json: the CNI result that host-local printed, in its old or new shape."""
    document, _ = json_document(said)
    found = [text(mapping(document.get("ip4")).get("ip"))]
    found += [text(mapping(i).get("address")) for i in listing(document.get("ips"))]
    return next((address.partition("/")[0] for address in found if address), "")


class ClientCertificate(msgspec.Struct, frozen=True):
    subject: str = ""
    common_name: str = ""
    organizations: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None


class Kubeconfig(msgspec.Struct, frozen=True):
    """A kubeconfig on the node. No key and no token leaves the node."""

    path: str
    server: str = ""
    context: str = ""
    ca_sha256: str = ""
    ca_path: str = ""
    user: str = ""
    certificate: ClientCertificate | None = None
    certificate_path: str = ""
    has_token: bool = False
    error: str = ""
    bom: str = ""  # "", "utf-8", "utf-16"
    json: bool = False  # the kubelet reads it, but the node takes no JSON apart: nothing else is known


class CertificateFile(msgspec.Struct, frozen=True):
    path: str
    subject: str = ""
    common_name: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    sha256: str = ""


class RawCertificate(msgspec.Struct, frozen=True):
    subject: str
    not_before: datetime
    not_after: datetime
    sha256: str

    @property
    def common_name(self) -> str:
        return next(iter(subject_values(self.subject, "CN")), "")


class RawKubeconfig(msgspec.Struct, frozen=True):
    """A kubeconfig as it leaves the node: known keys only, `kw-certificate-N` for the N-th certificate in it."""

    path: str
    bom: str = ""
    json: bool = False
    text: str = ""
    inline: tuple[RawCertificate | None, ...] = ()
    files: dict[str, RawCertificate | None] = {}

    def certificate(self, data: str, path: str) -> RawCertificate | None:
        place = data.removeprefix("kw-certificate-")
        if data != place and place.isdigit() and int(place) < len(self.inline):
            return self.inline[int(place)]
        return self.files.get(path)


class RawCertificateFile(msgspec.Struct, frozen=True):
    path: str
    certificate: RawCertificate


class RawKubeconfigs(msgspec.Struct, frozen=True):
    """The answer of kubeconfigs.ps1."""

    kubeconfigs: tuple[RawKubeconfig, ...]
    certificates: tuple[RawCertificateFile, ...] = ()
    told: str = ""


def _entry(document: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The entry called `name` of clusters, contexts or users, without its name."""
    for item in listing(document.get(f"{kind}s")):
        if text(mapping(item).get("name")) == name:
            return mapping(item.get(kind))
    return {}


def read_kubeconfig(raw: RawKubeconfig) -> Kubeconfig:
    """What a kubeconfig says by its current context; `error` where it cannot be followed."""
    if raw.json:
        return Kubeconfig(raw.path, bom=raw.bom, json=True)
    document, error = yaml_document(raw.text)
    if error:
        return Kubeconfig(raw.path, error=error)
    current = text(document.get("current-context"))
    context = _entry(document, "context", current)
    cluster = _entry(document, "cluster", text(context.get("cluster")))
    user_name = text(context.get("user"))
    user = _entry(document, "user", user_name)
    authority = text(cluster.get("certificate-authority"))
    ca = raw.certificate(text(cluster.get("certificate-authority-data")), authority)
    path = text(user.get("client-certificate"))
    own = raw.certificate(text(user.get("client-certificate-data")), path)
    if not current or not context:
        error = "It has no current context." if not current else f"It has no context {current}."
    elif not cluster:
        error = f"The context {current} names a cluster that is not in it."
    return Kubeconfig(
        raw.path,
        text(cluster.get("server")),
        current,
        ca.sha256 if ca else "",
        authority,
        user_name,
        _client_certificate(own) if own else None,
        path,
        "token" in user or "tokenFile" in user,
        error,
        raw.bom,
    )


def _client_certificate(raw: RawCertificate) -> ClientCertificate:
    organizations = subject_values(raw.subject, "O")
    return ClientCertificate(raw.subject, raw.common_name, organizations, raw.not_before, raw.not_after)


@asked_of_node("kubeconfigs.ps1")
class Kubeconfigs(Fact, frozen=True):
    """The kubeconfigs in the usual places and where the kubelet is told, and the certificates that it uses."""

    kubeconfigs: tuple[Kubeconfig, ...]
    certificates: tuple[CertificateFile, ...] = ()
    told: str = ""  # the path that --kubeconfig names: in the process, the service, nssm or the start script

    @classmethod
    def read(cls, answer: RawKubeconfigs) -> Kubeconfigs:
        files = tuple(
            CertificateFile(f.path, c.subject, c.common_name, c.not_before, c.not_after, c.sha256)
            for f in answer.certificates
            for c in (f.certificate,)
        )
        return cls(tuple(read_kubeconfig(k) for k in answer.kubeconfigs), files, answer.told)

    @property
    def kubelet(self) -> Kubeconfig | None:
        """The one the kubelet uses: that it is told, else kubeadm's, else the classic one, else RKE2's.

        Where that which it is told does not exist there is none: what lies in another's place is not used.
        """
        if self.told:
            return next((k for k in self.kubeconfigs if k.path.lower() == self.told.lower()), None)
        for tail in (r"\kubelet.conf", r"\k\config", r"\kubelet.kubeconfig"):
            found = next(
                (k for k in self.kubeconfigs if k.path.lower().endswith(tail) and "bootstrap" not in k.path),
                None,
            )
            if found:
                return found
        return None

    @property
    def bootstrap(self) -> Kubeconfig | None:
        """The one that a kubelet begins with, which has none of its own yet."""
        return next((k for k in self.kubeconfigs if "bootstrap" in k.path.lower()), None)


class LogTail(msgspec.Struct, frozen=True):
    """The end of one log file: the last 256 KiB at most."""

    component: str  # kubelet, kube-proxy, flanneld, containerd
    path: str
    modified: datetime | None = None
    text: str = ""


class RawNodeLogs(msgspec.Struct, frozen=True):
    """The answer of node_logs.ps1."""

    logs: tuple[LogTail, ...]


@asked_of_node("node_logs.ps1", seconds=15)
class NodeLogs(Fact, frozen=True):
    """The ends of the logs of kubelet, kube-proxy and flanneld that lie on the node."""

    logs: tuple[LogTail, ...]

    @classmethod
    def read(cls, answer: RawNodeLogs) -> NodeLogs:
        """Containers' logs lose the runtime's prefix."""
        pods = "\\var\\log\\pods\\"
        return cls(
            tuple(
                msgspec.structs.replace(log, text=container_log(log.text))
                if pods in log.path.lower()
                else log
                for log in answer.logs
            )
        )

    def lines(self, component: str) -> list[str]:
        return [line for log in self.logs if log.component == component for line in log.text.splitlines()]
