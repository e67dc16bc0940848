"""flannel as the cluster sees it: the ConfigMap, the leases that nodes announce, and the daemons' own words."""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar

import msgspec

from facts.cluster.control_plane import config_map
from facts.cluster.objects import ConfigMapObject, PodObject
from facts.cluster.reading import read_each
from facts.fact import Fact, NotApplicable, asked_of_cluster
from facts.netconf import NetConf as NetConf
from facts.netconf import net_conf as net_conf
from targets.errors import CredentialsExpired, NotFound, PermissionDenied, TargetError
from targets.target import ClusterTarget

PLACES = (("kube-flannel", "kube-flannel-cfg"), ("kube-system", "kube-flannel-cfg"))


@asked_of_cluster
class FlannelConfig(Fact, frozen=True):
    """The ConfigMap kube-flannel-cfg. NotApplicable where the cluster has none: no flannel, or an unknown one."""

    SOURCE: ClassVar[str] = "kubectl -n kube-flannel get configmap kube-flannel-cfg -o yaml"

    namespace: str
    conf: NetConf
    raw: str
    changed: datetime | None = None  # latest managedFields time: when somebody last wrote it

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> FlannelConfig | NotApplicable:
        denied: PermissionDenied | None = None
        for namespace, name in PLACES:
            try:
                found = config_map(cluster, namespace, name)
            except NotFound:
                continue
            except PermissionDenied as error:
                denied = denied or error
                continue
            return cls(
                namespace,
                net_conf(found.data.get("net-conf.json", "")),
                found.data.get("net-conf.json", ""),
                _changed(found),
            )
        if denied:
            raise denied
        return NotApplicable(
            "The cluster has no ConfigMap kube-flannel-cfg: flannel is not installed, or not by its own manifest."
        )


def _changed(found: ConfigMapObject) -> datetime | None:
    times = [m.time for m in found.metadata.managed_fields if m.time is not None]
    return max(times) if times else found.metadata.creation_timestamp


class DaemonConfig(msgspec.Struct, frozen=True):
    """What one flannel daemon said when it started, and how it ended."""

    pod: str
    namespace: str
    node: str
    vni: int | None = None
    port: int | None = None
    line: str = ""  # the line that says so
    errors: tuple[str, ...] = ()  # its E… and F… lines, at most 20
    tail: str = ""
    error: str = ""  # why its log could not be read: the kubelet of its node hands it out
    hint: str = ""
    ready: bool = False  # by the pod's status


# Older ones on Windows say `VXLAN config: {Name:flannel.4096 … VNI:4096 Port:4789 …}`.
_CONFIG = re.compile(r"VXLAN config: .*?\bVNI[=:](\d+) Port[=:](\d+)")
_MOST = 262_144  # bytes of a log that one request takes
_LAST = 400  # lines of its end, where that is not the whole


def _both_ends(cluster: ClusterTarget, path: str, asked: dict[str, str]) -> str:
    """A log from its beginning, where flanneld says what it was told, and of a long one the end, where it says why it
    ended. What lies between is left out."""
    head = cluster.text(path, params={**asked, "limitBytes": str(_MOST)})
    if len(head.encode()) < _MOST - 4:  # a cut within a character costs up to four
        return head
    first = head.splitlines()[:-1]  # the last one is cut
    last = cluster.text(
        path, params={**asked, "tailLines": str(_LAST), "limitBytes": str(_MOST)}
    ).splitlines()
    both = next((i for i in range(len(first)) if first[i:] == last[: len(first) - i]), len(first))
    return "\n".join([*first[:both], *last]) + "\n"


def _silent(pod: PodObject, error: TargetError) -> DaemonConfig:
    """A pod whose log cannot be read: why, and what its status says."""
    where = pod.metadata
    return DaemonConfig(
        where.name, where.namespace, pod.spec.node_name, error=error.what, hint=error.hint, ready=pod.ready
    )


@asked_of_cluster
class FlannelDaemons(Fact, frozen=True):
    """The flannel pods' own words: `VXLAN config: … VNI=… Port=…` and their errors (pod logs through the API).

    Of a log above 256 KiB the beginning and the last 400 lines are read. A log that cannot be read leaves the others
    their say; it fails as a whole where none can be read.
    """

    SOURCE: ClassVar[str] = "kubectl -n kube-flannel logs -l app=flannel --tail=-1 --prefix"

    daemons: tuple[DaemonConfig, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> FlannelDaemons | NotApplicable:
        pods: list[PodObject] = []
        for namespace in ("kube-flannel", "kube-system"):
            listed = cluster.list(f"/api/v1/namespaces/{namespace}/pods", PodObject)
            # Not what installs it, such as RKE2's helm-install-rke2-flannel.
            pods += [
                p
                for p in listed
                if "flannel" in p.metadata.name and any("flannel" in c.name for c in p.spec.containers)
            ]
        if not pods:
            return NotApplicable("No flannel pods run in kube-flannel or kube-system.")
        told = read_each(pods, lambda pod: cls._daemon(cluster, pod))
        failures = [t for t in told if isinstance(t, TargetError)]
        expired = next((f for f in failures if isinstance(f, CredentialsExpired)), None)
        if expired is not None or len(failures) == len(pods):
            raise expired or failures[0]
        return cls(
            tuple(_silent(p, t) if isinstance(t, TargetError) else t for p, t in zip(pods, told, strict=True))
        )

    @staticmethod
    def _daemon(cluster: ClusterTarget, pod: PodObject) -> DaemonConfig:
        container = next((c.name for c in pod.spec.containers if "flannel" in c.name), "")
        path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}/log"
        text = ""
        state = next((s.state for s in pod.status.container_statuses if s.name == container), None)
        previous = (
            state is not None
            and state.running is None
            and any(s.restart_count for s in pod.status.container_statuses)
        )
        for ask_previous in ("true", "false") if previous else ("false",):
            try:
                text += _both_ends(cluster, path, {"container": container, "previous": ask_previous})
            except NotFound:
                continue
        found = list(_CONFIG.finditer(text))
        last = found[-1] if found else None
        lines = [
            line
            for line in text.splitlines()
            if re.match(r"[EF]\d{4} ", line) or line.startswith(("error", "ERROR"))
        ]
        return DaemonConfig(
            pod.metadata.name,
            pod.metadata.namespace,
            pod.spec.node_name,
            int(last.group(1)) if last else None,
            int(last.group(2)) if last else None,
            next((line for line in reversed(text.splitlines()) if _CONFIG.search(line)), ""),
            tuple(lines[-20:]),
            "\n".join(text.splitlines()[-40:]),
            ready=pod.ready,
        )

    def on(self, node: str) -> DaemonConfig | None:
        return next((d for d in self.daemons if d.node == node), None)
