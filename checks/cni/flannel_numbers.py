"""flannel's numbers on Windows, and what each side makes of an absent one.

Source: flannel pkg/backend/vxlan/vxlan.go and vxlan_windows.go (defaults, and what Windows refuses).
"""

from __future__ import annotations

import re

import msgspec

from facts.cluster.objects import NodeObject
from facts.node.cni import NetConf
from targets.decoding import decoded

VNI = 4096
PORT = 4789
LINUX_VNI = 1
LINUX_PORT = 8472
LARGEST_VNI = 65535
ABSENT = "sets no"  # how the messages about an absent VNI or Port say so

ANNOTATION = "flannel.alpha.coreos.com/"


def is_vxlan(conf: NetConf) -> bool:
    """flannel compares the type without regard to case."""
    return conf.backend.lower() == "vxlan"


def linux_vni(conf: NetConf) -> int:
    """The VNI that a Linux flanneld takes from `conf`."""
    return LINUX_VNI if conf.vni is None else conf.vni


def windows_vni(conf: NetConf) -> int:
    return VNI if conf.vni is None else conf.vni


def pod_cidr(node: NodeObject) -> str:
    """The node's IPv4 podCIDR, the one that flannel on Windows works with; in a dual stack it may be the second."""
    return next((c for c in (node.spec.pod_cidr, *node.spec.pod_cidrs) if c and ":" not in c), "")


def linux_port(port: int | None) -> int:
    """The UDP port that Linux uses where flannel says `port` (0: the kernel's own)."""
    return port or LINUX_PORT


def ipv4_of(node: NodeObject) -> str:
    """The node's IPv4 InternalIP; in a dual stack it may be the second. Without one, what it has."""
    found = (a.address for a in node.status.addresses if a.type == "InternalIP" and ":" not in a.address)
    return next(found, node.address())


def backend_text(raw: str) -> str:
    """The Backend of net-conf.json as it stands there, on one line."""
    found = re.search(r'"Backend"\s*:\s*\{[^{}]*\}', raw)
    return re.sub(r"\s+", " ", found.group(0) if found else raw).strip()


class Lease(msgspec.Struct, frozen=True):
    """What a node announces to the others in its annotations. `vni` is None where backend-data has none."""

    backend: str = ""
    vni: int | None = None
    mac: str = ""
    public_ip: str = ""
    overwrite: str = ""
    data: str = ""

    @property
    def text(self) -> str:
        return f"backend-type={self.backend} backend-data={self.data} public-ip={self.public_ip}"


class _Data(msgspec.Struct, frozen=True):
    vni: int | None = msgspec.field(default=None, name="VNI")
    mac: str | None = msgspec.field(default=None, name="VtepMAC")


def lease(annotations: dict[str, str]) -> Lease | None:
    """The lease that a node's annotations hold; None if flannel never wrote one."""
    kind = annotations.get(ANNOTATION + "backend-type", "")
    if not kind:
        return None
    text = annotations.get(ANNOTATION + "backend-data", "")
    try:
        data = decoded(text, _Data)  # "null" is refused, and is the same as none
    except msgspec.DecodeError:
        data = _Data()
    return Lease(
        kind,
        data.vni,
        data.mac or "",
        annotations.get(ANNOTATION + "public-ip", ""),
        annotations.get(ANNOTATION + "public-ip-overwrite", ""),
        text,
    )


def same_mac(one: str, other: str) -> bool:
    return one.replace("-", ":").lower() == other.replace("-", ":").lower()
