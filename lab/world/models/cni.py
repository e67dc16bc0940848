"""The runtime's CNI layer and the plug-ins on a Windows node: is there a network, and what does an ADD give?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.world.machine import File, Machine
from lab.world.models.settings import (
    SUBNET_ENV,
    CniConf,
    cni_conf,
    containerd,
    file,
    files_in,
    kubelet,
    running,
)
from lab.world.net import endpoint, host, inside, mac_for, network_named, subnet_of
from lab.world.state import Object, World
from lab.world.text import sentence, stable_hex, stable_uid, win32

OVERLAY_SINCE = 379  # UBR of KB4489899 on build 17763: overlay networking on Server 2019
IPAM_FOLDER = r"C:\var\lib\cni\networks"
_TYPES = {"sdnoverlay": ("overlay",), "win-overlay": ("overlay",), "win-bridge": ("l2bridge", "l2tunnel")}


class CniError(Exception):
    """What the plug-in chain reports for an ADD, as it stands after `failed (add): `."""


@dataclass(frozen=True)
class Folders:
    binaries: str
    configuration: str


def folders(world: World, machine: Machine) -> Folders:
    """Where the runtime (dockershim: the kubelet) looks for CNI."""
    if world.plan.classic:
        flags = kubelet(machine, world.plan).flags
        return Folders(
            flags.get("--cni-bin-dir", r"c:\opt\cni\bin"), flags.get("--cni-conf-dir", r"c:\etc\cni\net.d")
        )
    settings = containerd(machine)
    return Folders(settings.bin_dir, settings.conf_dir)


def not_ready(world: World, machine: Machine) -> str:
    """Empty if the runtime has loaded a CNI configuration, else why not, in its own words."""
    where = folders(world, machine)
    conf = cni_conf(machine, where.configuration)
    if world.plan.classic:
        return (
            "" if conf and not conf.error else "docker: network plugin is not ready: cni config uninitialized"
        )
    return "" if conf and not conf.error else "Network plugin returns error: cni plugin not initialized"


def load_status(world: World, machine: Machine) -> str:
    """containerd's lastCNILoadStatus."""
    where = folders(world, machine)
    conf = cni_conf(machine, where.configuration)
    if conf is None:
        return (
            f"cni config load failed: no network config found in {where.configuration}: "
            "cni plugin not initialized: failed to load cni config"
        )
    if conf.error:
        return (
            f"cni config load failed: failed to load CNI config file {conf.file}: {conf.error}: "
            "invalid cni config: failed to load cni config"
        )
    return "OK"


def subnet_env(machine: Machine) -> dict[str, str] | None:
    found = file(machine, SUBNET_ENV)
    if found is None:
        return None
    return dict(line.split("=", 1) for line in found.text.splitlines() if "=" in line)


def _need(machine: Machine, where: Folders, plugin: str) -> None:
    if plugin and f"{plugin}.exe" not in {n.lower() for n in files_in(machine, where.binaries)}:
        raise CniError(f'failed to find plugin "{plugin}" in path [{where.binaries}]')


def allocate(machine: Machine, network: str, cidr: str, owner: str) -> str:
    """host-local: the next free address of `cidr`, written down as a lease file with CRLF."""
    folder = rf"{IPAM_FOLDER}\{network}"
    taken = set(files_in(machine, folder))
    for place in range(2, 255):
        address = host(cidr, place)
        if address not in taken:
            machine.files[rf"{folder}\{address}"] = File(f"{owner}\r\neth0", modified=-82_000.0)
            machine.files[rf"{folder}\last_reserved_ip.0"] = File(address)
            machine.files.setdefault(rf"{folder}\lock", File(""))
            return address
    first, last = host(cidr, 1), host(cidr, 254)
    raise CniError(f"failed to allocate for range 0: no IP addresses available in range set: {first}-{last}")


def add(world: World, machine: Machine, pod: Object, sandbox: str) -> tuple[str, str]:
    """Attach a pod: (address, id of the HNS endpoint). Raises CniError."""
    where = folders(world, machine)
    conf = cni_conf(machine, where.configuration)
    if conf is None or conf.error:
        raise CniError("cni plugin not initialized")
    culture = machine.os.ui_culture
    _need(machine, where, conf.type)
    lease = subnet_env(machine)
    if conf.type == "flannel" and lease is None:
        raise CniError(f"loadFlannelSubnetEnv failed: open /run/flannel/subnet.env: {sentence(0x3, culture)}")
    _need(machine, where, conf.delegate)
    _need(machine, where, "host-local")
    network = network_named(machine, conf.name)
    if network is None:
        missing = (
            f"network {conf.name} not found"
            if "win-" in conf.delegate
            else f'Network name "{conf.name}" not found'
        )
        raise CniError(missing)
    if network["Type"].lower() not in _TYPES.get(conf.delegate, (network["Type"].lower(),)):
        raise CniError(f"network {conf.name} is of an unexpected type: {network['Type']}")
    if not world.plan.classic and "win-" in conf.delegate and not _second(conf):
        # In the first schema the plug-in attaches the endpoint to a compute system, which containerd's pod has not yet.
        why = f"{sentence(0xC037010E, culture)} (0xc037010e)"
        raise CniError(
            f"error while adding HNS endpoint: container {sandbox} encountered an error during hcsshim::OpenContainer: "
            f"failure in a Windows system call: {why}"
        )
    prefix = network["Subnets"][0]["AddressPrefix"]
    cidr = (lease or {}).get("FLANNEL_SUBNET", prefix)
    address = allocate(machine, conf.name, cidr, sandbox)
    if machine.os.build == 17763 and machine.os.ubr < OVERLAY_SINCE:
        raise CniError(_endpoint_failure(0x803B0008, culture))
    if machine.drivers.get("vfpext") != "Running":
        raise CniError(_endpoint_failure(0x803B0009, culture))
    if not inside(address, prefix):
        raise CniError(_endpoint_failure(0x803B0005, culture))
    servers, suffix = dns_for(world, machine, conf, pod)
    identity = stable_uid("endpoint", machine.name, sandbox).upper()
    policies: list[dict[str, Any]] = [
        {"Type": "OutBoundNAT", "ExceptionList": [world.plan.service_cidr, world.plan.pod_cidr]},
        {"Type": "ROUTE", "DestinationPrefix": world.plan.service_cidr, "NeedEncap": True},
        {"Type": "PA", "PA": network["ManagementIP"]},
    ]
    machine.hns.endpoints.append(
        endpoint(
            network,
            identity,
            address,
            name=f"{sandbox}_{conf.name}",
            dns_servers=servers,
            dns_suffix=suffix,
            containers=[sandbox],
            policies=policies,
            namespace=stable_uid("namespace", sandbox).upper(),
            mac=mac_for(address),
        )
    )
    return address, identity


def _second(conf: CniConf) -> bool:
    """Whether the delegate is told to use the second schema of HNS."""
    return str(conf.document.get("delegate", {}).get("apiVersion", "")) == "2"


def _endpoint_failure(code: int, culture: str) -> str:
    document = f'{{"Success":false,"Error":"{sentence(code, culture)} ","ErrorCode":{code}}}'
    return f"failed to create the new HostComputeEndpoint: {win32('hcnCreateEndpoint', code, culture)} {document}"


def dns_for(world: World, machine: Machine, conf: CniConf, pod: Object) -> tuple[str, str]:
    """(servers, suffixes) of the endpoint: the runtime's, if the configuration asks for them, else the file's own."""
    settings = kubelet(machine, world.plan)
    static = conf.document.get("delegate", {}).get("dns") or conf.document.get("dns") or {}
    if conf.document.get("capabilities", {}).get("dns"):
        servers = settings.config.get("clusterDNS") or settings.flags.get("--cluster-dns", "").split(",")
        domain = settings.value("--cluster-domain", "clusterDomain", world.plan.domain)
        namespace = pod["metadata"]["namespace"]
        searches = [f"{namespace}.svc.{domain}", f"svc.{domain}", str(domain)]
        searches += pod["spec"].get("dnsConfig", {}).get("searches", [])
        return ",".join(servers), ",".join(searches)
    names = static.get("Nameservers", static.get("nameservers", []))
    return ",".join(names), ",".join(static.get("Search", static.get("search", [])))


def remove(machine: Machine, sandbox: str, endpoint_id: str) -> None:
    """Detach: the endpoint and the lease go."""
    machine.hns.endpoints = [e for e in machine.hns.endpoints if e["ID"] != endpoint_id]
    for path in [
        p for p, f in machine.files.items() if p.startswith(IPAM_FOLDER) and f.text.startswith(sandbox)
    ]:
        del machine.files[path]


def namespace_failure(machine: Machine) -> str:
    """Empty if HNS can make a network namespace, else the runtime's error."""
    if machine.hns.hangs:
        return "context deadline exceeded"
    if not running(machine, "hns") and machine.services["hns"].start_mode == "Disabled":
        return win32("hcnCreateNamespace", 0x6BA, machine.os.ui_culture)
    return ""


def sandbox_id(machine: Machine, uid: str, attempt: int) -> str:
    return stable_hex(64, "sandbox", machine.name, uid, str(attempt))


def within(inner: str, outer: str) -> bool:
    return subnet_of(inner, outer)
