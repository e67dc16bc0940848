"""Kubernetes' own programs on the node: kubelet, kube-proxy, kubeconfigs, certificates, logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from facts.fact import Fact, asked_of_node


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
    config: dict[str, Any] = {}  # parsed KubeletConfiguration
    config_error: str = ""
    flags_env: str = ""  # content of kubeadm-flags.env

    def setting(self, flag: str, key: str) -> Any:
        """The value in force: the flag if given, else the key of the configuration file, else None."""
        return self.flags[flag] if flag in self.flags else self.config.get(key)


@asked_of_node("kube_proxy.ps1")
class KubeProxy(Fact, frozen=True):
    """How kube-proxy is started, as a service, an nssm service or a HostProcess container."""

    arguments: str = ""
    found_in: str = ""  # process, service, nssm; empty: no kube-proxy on the host
    flags: dict[str, str] = {}
    kube_network: str = ""  # machine or nssm environment KUBE_NETWORK
    source_vip_path: str = ""
    source_vip: str = ""  # address in sourceVip.json


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


class CertificateFile(msgspec.Struct, frozen=True):
    path: str
    subject: str = ""
    common_name: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    sha256: str = ""


@asked_of_node("kubeconfigs.ps1")
class Kubeconfigs(Fact, frozen=True):
    """The kubeconfigs in the usual places, and the certificates that kubelet uses."""

    kubeconfigs: tuple[Kubeconfig, ...]
    certificates: tuple[CertificateFile, ...] = ()

    @property
    def kubelet(self) -> Kubeconfig | None:
        """The one the kubelet uses: kubeadm's, else the classic one, else RKE2's."""
        for tail in (r"\kubelet.conf", r"\k\config", r"\kubelet.kubeconfig"):
            found = next(
                (k for k in self.kubeconfigs if k.path.lower().endswith(tail) and "bootstrap" not in k.path),
                None,
            )
            if found:
                return found
        return None


class LogTail(msgspec.Struct, frozen=True):
    """The end of one log file: the last 256 KiB at most."""

    component: str  # kubelet, kube-proxy, flanneld, containerd
    path: str
    modified: datetime | None = None
    text: str = ""


@asked_of_node("node_logs.ps1", seconds=15)
class NodeLogs(Fact, frozen=True):
    """The ends of the logs of kubelet, kube-proxy and flanneld that lie on the node."""

    logs: tuple[LogTail, ...]

    def lines(self, component: str) -> list[str]:
        return [line for log in self.logs if log.component == component for line in log.text.splitlines()]
