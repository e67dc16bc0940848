"""flanneld as all nodes have it: its configuration, the lease it writes, and the daemon on a Linux node."""

from __future__ import annotations

import json
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

from lab.world.net import subnet_of
from lab.world.state import LinuxNode, Object, World

PREFIX = "flannel.alpha.coreos.com/"
Log = list[str]


def config_map_conf(world: World) -> dict[str, Any] | None:
    """net-conf.json of the ConfigMap; None if it is missing or flanneld cannot read it."""
    item = world.config_map(world.plan.flannel_namespace, "kube-flannel-cfg")
    return readable((item or {}).get("data", {}).get("net-conf.json", ""))


def readable(text: str) -> dict[str, Any] | None:
    """The document as flanneld reads it; None where it is no JSON, or a field is of another type."""
    try:
        document = json.loads(text)
        ip_network(document.get("Network", "0.0.0.0/0"), strict=False)
        backend = document.get("Backend", {})
        numbers = [backend.get(name, 0) for name in ("VNI", "Port")]
    except (ValueError, AttributeError):
        return None
    found: dict[str, Any] | None = document if all(isinstance(n, int) for n in numbers) else None
    return found


def vxlan_config_line(backend: dict[str, Any], *, windows: bool) -> str:
    """The line that flanneld prints for what it understood (Windows: with its own defaults filled in)."""
    vni, port = backend.get("VNI", 0), backend.get("Port", 0)
    gbp, direct = str(backend.get("GBP", False)).lower(), str(backend.get("DirectRouting", False)).lower()
    if windows:
        vni, port = vni or 4096, port or 4789
        name = backend.get("Name") or f"flannel.{vni}"
        mac = backend.get("MacPrefix", "0E-2A")
        return f"VXLAN config: Name={name} MacPrefix={mac} VNI={vni} Port={port} GBP={gbp} DirectRouting={direct}"
    return f"VXLAN config: VNI={vni or 1} Port={port} GBP={gbp} Learning=false DirectRouting={direct}"


def annotate(node: Object, vni: int, mac: str, address: str, backend: str = "vxlan") -> None:
    """The lease, as annotations of the Node."""
    data = json.dumps({"VNI": vni, "VtepMAC": mac}, separators=(",", ":")) if backend == "vxlan" else "null"
    node["metadata"].setdefault("annotations", {}).update(
        {
            PREFIX + "backend-data": data,
            PREFIX + "backend-type": backend,
            PREFIX + "kube-subnet-manager": "true",
            PREFIX + "public-ip": address,
        }
    )


def run_linux(world: World, linux: LinuxNode) -> Log:
    """flanneld on a Linux node. A configuration that it has started with stays in use until a restart."""
    node = world.get("v1", "Node", linux.name)
    if not linux.flannel_conf:
        linux.flannel_conf = config_map_conf(world) or {}
    conf = linux.flannel_conf
    if not conf:
        return ["Failed to create SubnetManager: error parsing subnet config"]
    public, device = linux.flannel_address or linux.address, linux.device
    if linux.address in _interfaces(world):
        public, device = linux.address, linux.device if public == linux.address else "enp0s8"
    backend = conf.get("Backend", {})
    kind = str(backend.get("Type", "vxlan")).lower()
    lines = [
        f"Using interface with name {device} and address {public}",
        "Created subnet manager: Kubernetes Subnet Manager - " + linux.name,
        "Installing signal handlers",
        f"Found network config - Backend type: {kind}",
    ]
    pod_cidr = node["spec"].get("podCIDR", "")
    if not pod_cidr:
        return [
            *lines,
            f'Error registering network: failed to acquire lease: node "{linux.name}" pod cidr not assigned',
        ]
    if not subnet_of(pod_cidr, conf.get("Network", "0.0.0.0/0")):
        return [*lines, outside(conf["Network"], pod_cidr, linux.name)]
    if kind == "vxlan":
        lines.append(vxlan_config_line(backend, windows=False))
        annotate(node, int(backend.get("VNI", 0)) or 1, linux.vtep_mac, public)
    else:
        annotate(node, 0, "", public, kind)
    return [
        *lines,
        "Wrote subnet file to /run/flannel/subnet.env",
        "Running backend.",
        "Waiting for all goroutines to exit",
    ]


def _interfaces(world: World) -> list[str]:
    """What the Linux flanneld is told by --iface, which may be given several times."""
    name = "kube-flannel-ds-amd64" if world.plan.classic else "kube-flannel-ds"
    item = world.find("apps/v1", "DaemonSet", name, world.plan.flannel_namespace)
    words = item["spec"]["template"]["spec"]["containers"][0].get("args", []) if item else []
    joined = " ".join(words).replace("=", " ").split()
    return [value for flag, value in pairwise(joined) if flag.lstrip("-") == "iface"]


def outside(network: str, pod_cidr: str, node: str) -> str:
    return (
        f'Error registering network: failed to acquire lease: subnet "{network}" specified in the flannel net config '
        f'doesn\'t contain "{pod_cidr}" PodCIDR of the "{node}" node'
    )
