"""What kind of installation a node is part of: the runtime, the installer's habits, the CNI."""

from __future__ import annotations

from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig
from facts.cluster.workloads import DaemonSets
from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.cni import CniFiles, FlannelFiles
from facts.node.windows import Services


@derived
class Stack(Fact, frozen=True):
    """runtime: containerd, docker or "". cni: flannel, calico or "" (unknown). mode: overlay, l2bridge or "".

    `classic` is the book chapter's way: Docker, C:\\k, flanneld as a service. Each field has its origin.
    """

    runtime: str
    runtime_origin: str
    cni: str
    cni_origin: str
    mode: str
    mode_origin: str
    classic: bool = False

    @property
    def flannel_overlay(self) -> bool:
        return self.cni == "flannel" and self.mode == "overlay"

    @classmethod
    def derive(
        cls,
        node: ThisNode,
        services: Services | Failed,
        flannel: FlannelConfig | Failed | NotApplicable,
        daemonsets: DaemonSets | Failed,
        cni: CniFiles | Failed,
        files: FlannelFiles | Failed,
    ) -> Stack:
        reported = node.object.status.node_info.container_runtime_version
        runtime, _, _ = reported.partition("://")
        runtime_origin = f"nodeInfo.containerRuntimeVersion {reported}" if runtime else ""
        if not runtime and isinstance(services, Services):
            runtime = next((r for r in ("containerd", "docker") if services.named(r)), "")
            runtime_origin = f"service {runtime}" if runtime else ""
        classic = isinstance(services, Services) and services.named("flanneld") is not None
        calico = "" if classic else _calico_alone(daemonsets)
        kind, kind_origin = ("calico", calico) if calico else _cni(flannel, daemonsets, cni, files)
        mode, mode_origin = "", ""
        if kind == "calico":
            return cls(runtime, runtime_origin, kind, kind_origin, mode, mode_origin, classic)
        if isinstance(flannel, FlannelConfig) and flannel.conf.backend:
            backend = flannel.conf.backend.lower()
            mode = {"vxlan": "overlay", "host-gw": "l2bridge"}.get(backend, "")
            mode_origin = f"Backend.Type {backend} in ConfigMap {flannel.namespace}/kube-flannel-cfg"
        elif isinstance(files, FlannelFiles) and files.net_confs:
            backend = files.net_confs[0].conf.backend.lower()
            mode = {"vxlan": "overlay", "host-gw": "l2bridge"}.get(backend, "")
            mode_origin = f"Backend.Type {backend} in {files.net_confs[0].path}"
        return cls(runtime, runtime_origin, kind, kind_origin, mode, mode_origin, classic)


def _calico_alone(daemonsets: DaemonSets | Failed) -> str:
    """Calico's DaemonSet, where none runs flannel: what flannel has left behind says nothing then.

    Canal, and Calico for policies beside flannel, have a DaemonSet in which flannel runs.
    """
    names = [d.metadata for d in (daemonsets.items if isinstance(daemonsets, DaemonSets) else ())]
    if any("flannel" in m.name or "canal" in m.name for m in names):
        return ""
    found = next((m for m in names if m.name.startswith("calico-node")), None)
    return f"DaemonSet {found.namespace}/{found.name}" if found else ""


def _cni(
    flannel: FlannelConfig | Failed | NotApplicable,
    daemonsets: DaemonSets | Failed,
    cni: CniFiles | Failed,
    files: FlannelFiles | Failed,
) -> tuple[str, str]:
    if isinstance(flannel, FlannelConfig):
        return "flannel", f"ConfigMap {flannel.namespace}/kube-flannel-cfg"
    for item in daemonsets.items if isinstance(daemonsets, DaemonSets) else ():
        if item.metadata.name.startswith("calico-node"):
            return "calico", f"DaemonSet {item.metadata.namespace}/{item.metadata.name}"
    if isinstance(files, FlannelFiles) and (files.net_confs or files.arguments):
        return "flannel", "flannel's files on the node"
    for conf in cni.confs if isinstance(cni, CniFiles) else ():
        kind = str(conf.plugin.get("type", ""))
        if kind in ("flannel", "calico"):
            return kind, f"{conf.directory}\\{conf.name}"
    return "", ""
