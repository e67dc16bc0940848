"""flanneld on Windows: what it reads, what it refuses, the HNS network it makes, the peers it routes to."""

from __future__ import annotations

import json
from typing import Any

from lab.world.machine import Adapter, File, Machine
from lab.world.models import start_script
from lab.world.models.flannel_lease import PREFIX, Log, annotate, outside, readable, vxlan_config_line
from lab.world.models.reach import api_error, dial, kubelet_api_error
from lab.world.models.settings import (
    CLASSIC_KUBECONFIG,
    NET_CONF,
    SUBNET_ENV,
    Kubeconfig,
    container_env,
    file,
    parse_flags,
    windows_path,
)
from lab.world.net import (
    dr_mac,
    host,
    network_named,
    overlay_network,
    remote_routes,
    remote_subnet,
    subnet_of,
)
from lab.world.state import Daemon, Object, World
from lab.world.text import sentence

OLD_FLANNELD = "0.11.0"  # before 0.12 it could miss the moment at which HNS had the network's address
START_SCRIPT = (
    r"C:\k\start-flanneld.ps1"  # starts flanneld and waits for its network, as the classic scripts do
)
WAITING = "Waiting for the Network to be created"
ROUNDS = 60  # of the script's wait, one a second, that the end of a log shows


class Refused(Exception):
    """flanneld exits; the text is its last log line."""


class Hangs(Exception):
    """flanneld neither ends nor goes on: what it has logged is all that it will."""


def _environment(world: World, machine: Machine) -> dict[str, str]:
    """The environment of Windows flanneld: of the DaemonSet's container, or of the nssm service."""
    if world.plan.classic:
        extra = machine.services["flanneld"].nssm.get("AppEnvironmentExtra", [])
        return dict(line.split("=", 1) for line in extra if "=" in line)
    item = world.find("apps/v1", "DaemonSet", "kube-flannel-ds-windows-amd64", world.plan.flannel_namespace)
    return container_env(item["spec"]["template"]["spec"]["containers"][0]) if item else {}


def _identify(world: World, machine: Machine) -> str:
    """Which node flanneld runs on, and whether it gets through to the API server."""
    env, culture = _environment(world, machine), machine.os.ui_culture
    if world.plan.classic:
        name = env.get("NODE_NAME", "")
        if not name:
            raise Refused(
                "Failed to create SubnetManager: env variables POD_NAME and POD_NAMESPACE must be set"
            )
        failure = kubelet_api_error(world, machine, CLASSIC_KUBECONFIG)
        if failure:
            raise Refused(f"Failed to create SubnetManager: fail to create kubernetes config: {failure}")
        if world.find("v1", "Node", name) is None:
            raise Refused(
                f'Failed to create SubnetManager: failed to get node "{name}": nodes "{name}" not found'
            )
        return name
    if "POD_NAME" not in env or "POD_NAMESPACE" not in env:
        raise Refused("Failed to create SubnetManager: env variables POD_NAME and POD_NAMESPACE must be set")
    target, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    what = f"error retrieving pod spec for '{world.plan.flannel_namespace}/kube-flannel'"
    request = f"Failed to create SubnetManager: {what}: "
    if (
        not target
    ):  # the kubelet injects the ClusterIP, which a Windows host reaches only once kube-proxy works
        target, port = host(world.plan.service_cidr, 1), "443"
        why = f"dial tcp {target}:{port}: connectex: {sentence(10060, culture)}"
        raise Refused(f'{request}Get "https://{target}:{port}/api/v1/namespaces/kube-flannel/pods": {why}')
    if not target.replace(".", "").isdigit():
        raise Refused(f'{request}Get "https://{target}:{port}/api": dial tcp: lookup {target}: no such host')
    failure = dial(machine, target, int(port)) or api_error(
        world,
        machine,
        Kubeconfig(f"https://{target}:{port}", world.pki.ca),
        machine.name,
        "/api/v1/namespaces/kube-flannel/pods",
    )
    if failure:
        raise Refused(request + failure)
    return machine.name


def _net_conf(world: World, machine: Machine, start: bool) -> dict[str, Any]:
    """The node's own net-conf.json. The HostProcess pod copies it from the ConfigMap when it starts."""
    if start and not world.plan.classic:
        item = world.config_map(world.plan.flannel_namespace, "kube-flannel-cfg")
        if item:
            machine.files[NET_CONF] = File(item.get("data", {}).get("net-conf.json", ""))
    found = file(machine, NET_CONF)
    if found is None:
        why = sentence(0x2, machine.os.ui_culture)
        raise Refused(
            f"Failed to create SubnetManager: failed to read net conf: open /etc/kube-flannel/net-conf.json: {why}"
        )
    document = readable(found.text) if found.encoding == "utf-8" else None
    if document is None:
        raise Refused("Failed to create SubnetManager: error parsing subnet config: invalid character")
    return document


def _refuse(backend: dict[str, Any]) -> None:
    """What the Windows back end does not accept (flannel pkg/backend/vxlan/vxlan_windows.go)."""
    kind = str(backend.get("Type", "")).lower()
    start = "Error registering network: invalid VXLAN backend config. "
    if kind not in ("vxlan", "host-gw"):
        raise Refused(f"Error fetching backend: unknown backend type: {kind}")
    vni, port, mac = backend.get("VNI", 0), backend.get("Port", 0), str(backend.get("MacPrefix", "0E-2A"))
    if vni and vni < 4096:
        raise Refused(f"{start}VNI [{vni}] must be greater than or equal to 4096 on Windows")
    if port and port != 4789:
        raise Refused(
            f"{start}Port [{port}] is not supported on Windows. Omit the setting to default to port 4789"
        )
    if backend.get("DirectRouting"):
        raise Refused(f"{start}DirectRouting is not supported on Windows")
    if backend.get("GBP"):
        raise Refused(f"{start}GBP is not supported on Windows")
    if len(mac) != 5 or mac[2] != "-":
        raise Refused(f"{start}MacPrefix [{mac}] is invalid, prefix must be of the format xx-xx e.g. 0E-2A")


def _write_cni_conf(world: World, machine: Machine) -> None:
    """The HostProcess pod installs plug-ins and writes 10-flannel.conf from its ConfigMap."""
    item = world.config_map("kube-flannel", "kube-flannel-windows-cfg")
    if item is None:
        return
    env = _environment(world, machine)
    folder = windows_path(env.get("CNI_CONFIG_PATH", r"C:\etc\cni\net.d"))
    machine.files[rf"{folder}\10-flannel.conf"] = File(
        item.get("data", {}).get("cni-conf-containerd.json", "")
    )
    binaries = windows_path(env.get("CNI_BIN_PATH", r"C:\opt\cni\bin"))
    for name, size in (
        ("flannel", 2_400_000),
        ("host-local", 4_100_000),
        ("sdnoverlay", 7_900_000),
        ("sdnbridge", 7_900_000),
    ):
        machine.files[rf"{binaries}\{name}.exe"] = File(size=size)


def external_adapter(machine: Machine) -> Adapter | None:
    """The card that carries the default route: itself, or the virtual one above it."""
    defaults = [r for r in machine.routes if r.prefix == "0.0.0.0/0"]
    index = min(defaults, key=lambda r: r.metric).index if defaults else 0
    return next((a for a in machine.adapters if a.index == index and a.status == "Up"), None)


def make_switch(machine: Machine, card: Adapter) -> None:
    """Making an HNS network moves the card's address and routes to `vEthernet (<card>)`."""
    if card.name.startswith("vEthernet"):
        return
    virtual = Adapter(
        f"vEthernet ({card.name})",
        "Hyper-V Virtual Ethernet Adapter",
        card.index + 8,
        card.mac,
        virtual=True,
        addresses=card.addresses,
        prefix_origin=card.prefix_origin,
        dns=card.dns,
        category=card.category,
    )
    for route in machine.routes:
        if route.index == card.index:
            route.index = virtual.index
    card.addresses, card.dns = [], []
    machine.adapters.append(virtual)


def unmake_switch(machine: Machine) -> None:
    """Undo `make_switch`: what is there when the last HNS network has gone."""
    for virtual in [a for a in machine.adapters if a.name.startswith("vEthernet (")]:
        card = next((a for a in machine.adapters if f"vEthernet ({a.name})" == virtual.name), None)
        if card is not None:
            card.addresses, card.dns = virtual.addresses, virtual.dns
            for route in machine.routes:
                if route.index == virtual.index:
                    route.index = card.index
        machine.adapters.remove(virtual)


def run_windows(world: World, machine: Machine, daemon: Daemon, incarnation: str) -> Log:
    """flanneld on a Windows node: the whole start if this incarnation is new, else the state that it keeps."""
    start = daemon.incarnation != incarnation or bool(daemon.exit)  # what has exited is started again
    if start:
        daemon.incarnation, daemon.data, daemon.exit = incarnation, {}, ""
    if not start:
        return list(daemon.data["log"])
    log: Log = []
    daemon.data["log"] = log
    try:
        if not world.plan.classic:
            _write_cni_conf(world, machine)
        waiting = start_script.waits(world, machine)
        if waiting:
            log += waiting
            daemon.data["unstarted"] = True
            return list(log)
        name = _identify(world, machine)
        log.append("Created subnet manager: Kubernetes Subnet Manager - " + name)
        _start(world, machine, world.get("v1", "Node", name), log, daemon)
    except Refused as refusal:
        daemon.exit = str(refusal)
        log_with = [*log, daemon.exit]
        return log_with
    except Hangs:
        if world.plan.classic and _by_script(machine):
            log += [WAITING] * ROUNDS
    return list(log)


def _start(world: World, machine: Machine, node: Object, log: Log, daemon: Daemon) -> None:
    conf = _net_conf(world, machine, start=True)
    backend = conf.get("Backend", {})
    card, public = _interface(world, machine)
    log += ["Installing signal handlers", f"Found network config - Backend type: {backend.get('Type', '')}"]
    log.append(f"Using interface with name {card.name} and address {public}")
    _refuse(backend)
    pod_cidr = node["spec"].get("podCIDR", "")
    if not pod_cidr:
        name = node["metadata"]["name"]
        raise Refused(
            f'Error registering network: failed to acquire lease: node "{name}" pod cidr not assigned'
        )
    if not subnet_of(pod_cidr, conf.get("Network", "0.0.0.0/0")):
        raise Refused(outside(conf["Network"], pod_cidr, node["metadata"]["name"]))
    log.append(vxlan_config_line(backend, windows=True))
    vni = int(backend.get("VNI", 0)) or 4096
    name = str(backend.get("Name") or f"flannel.{vni}")
    program = machine.files.get(r"C:\k\flanneld.exe")
    racing = world.plan.classic and program is not None and program.version == OLD_FLANNELD
    _network(machine, name, pod_cidr, vni, card, log, racing=racing)
    annotate(node, vni, dr_mac(machine).lower(), public)
    masked = conf.get("Network", world.plan.pod_cidr)
    machine.files[SUBNET_ENV] = File(
        f"FLANNEL_NETWORK={masked}\nFLANNEL_SUBNET={host(pod_cidr, 1)}/{pod_cidr.split('/')[1]}\n"
        f"FLANNEL_MTU={card.mtu - 50}\nFLANNEL_IPMASQ=true\n"
    )
    daemon.data["network"], daemon.data["vni"] = name, vni
    log += [
        "Wrote subnet file to /run/flannel/subnet.env",
        "Running backend.",
        "Watching for new subnet leases",
    ]


def _interface(world: World, machine: Machine) -> tuple[Adapter, str]:
    """The card that flanneld binds to and its address: by --iface, else by the default route."""
    flags = parse_flags(_arguments(world, machine))
    wanted = flags.get("--iface", flags.get("-iface", ""))
    if not wanted:
        card = external_adapter(machine)
        if card is None:
            why = "failed to get default interface: Unable to find default route"
            raise Refused(f"Failed to find any valid interface to use: {why}")
    else:
        physical = {f"vEthernet ({a.name})" for a in machine.adapters}
        names = [
            a
            for a in machine.adapters
            if wanted in (a.name, *(address for address, _ in a.addresses))
            or (a.name in physical and a.name == f"vEthernet ({wanted})")
        ]
        if not names:
            why = f"Could not find valid interface matching {wanted}: error looking up interface {wanted}"
            raise Refused(f"Failed to find any valid interface to use: {why}")
        card = names[-1]
    return card, card.addresses[0][0] if card.addresses else machine.address


def _by_script(machine: Machine) -> bool:
    return START_SCRIPT in str(machine.services["flanneld"].nssm.get("AppParameters", ""))


def _arguments(world: World, machine: Machine) -> str:
    if world.plan.classic:
        given = str(machine.services["flanneld"].nssm.get("AppParameters", ""))
        if not _by_script(machine):
            return given
        address = given.rpartition("-ManagementIP ")[2]
        return f"--kubeconfig-file={CLASSIC_KUBECONFIG} --iface={address} --ip-masq=1 --kube-subnet-mgr=1"
    item = world.find("apps/v1", "DaemonSet", "kube-flannel-ds-windows-amd64", world.plan.flannel_namespace)
    container = item["spec"]["template"]["spec"]["containers"][0] if item else {}
    return " ".join(f'"{word}"' if " " in word else word for word in container.get("args", []))


def command(world: World, machine: Machine) -> str:
    """The command line of the process flanneld.exe."""
    program = r"C:\k\flanneld.exe" if world.plan.classic else r"C:\hpc\flannel\flanneld.exe --kube-subnet-mgr"
    return f"{program} {_arguments(world, machine)}" if world.plan.classic else program


def _network(
    machine: Machine, name: str, pod_cidr: str, vni: int, card: Adapter, log: Log, *, racing: bool = False
) -> None:
    existing = network_named(machine, name)
    same = (
        existing is not None
        and existing["Type"] == "Overlay"
        and existing["Subnets"][0]["AddressPrefix"] == pod_cidr
        and existing["Subnets"][0]["Policies"][0].get("VSID") == vni
        and existing["ManagementIP"]
    )
    if existing is not None and same:
        log.append(f"Found existing HostComputeNetwork {name}")
        return
    if existing is not None:
        machine.hns.networks.remove(existing)
        machine.hns.endpoints = [e for e in machine.hns.endpoints if e["VirtualNetwork"] != existing["ID"]]
        log.append(f"Deleted stale HostComputeNetwork {name}")
    log.append(f"Attempting to create HostComputeNetwork {name}")
    if racing:
        raise Hangs
    management = card.addresses[0][0] if card.addresses else ""
    physical = card.name.removeprefix("vEthernet (").removesuffix(")")
    machine.hns.networks.append(overlay_network(machine, name, pod_cidr, vni, physical, management))
    if not management:
        raise Refused(
            f"Error registering network: timeout, failed to get management IP from HostComputeNetwork {name}"
        )
    make_switch(machine, card)
    log.append(f"Created HostComputeNetwork {name}")


def sync_peers(world: World, machine: Machine, daemon: Daemon) -> Log:
    """A running Windows flanneld handles each lease once: a RemoteSubnetRoute policy for every vxlan peer."""
    log: Log = []
    if daemon.exit or "network" not in daemon.data:
        return log
    seen: dict[str, str] = daemon.data.setdefault("leases", {})
    for node in world.each("v1", "Node"):
        name, notes = node["metadata"]["name"], node["metadata"].get("annotations", {})
        kind, prefix = notes.get(PREFIX + "backend-type"), node["spec"].get("podCIDR", "")
        if name == machine.name or not kind or not prefix:
            continue
        data = json.loads(notes[PREFIX + "backend-data"]) or {}
        if kind != "vxlan":
            log.append(f"ignoring non-vxlan subnet({prefix}): type={kind}")
            continue
        if int(data.get("VNI", 0)) < 4096:
            log.append(
                f"VNI is {data.get('VNI', 0)} but it is required to be greater than or equal to 4096 on Windows."
            )
            continue
        lease = json.dumps([prefix, data, notes[PREFIX + "public-ip"]])
        if seen.get(name) == lease:
            continue
        network = network_named(machine, daemon.data["network"])
        if network is None:
            lost = daemon.data["network"]
            log.append(f'Unable to find network {lost}, error: Network name "{lost}" not found')
            continue
        seen[name] = lease
        routes = remote_routes(network)
        if prefix in routes:
            network["Policies"].remove(routes[prefix])
        if data.get("VtepMAC"):
            network["Policies"].append(
                remote_subnet(prefix, int(data["VNI"]), notes[PREFIX + "public-ip"], str(data["VtepMAC"]))
            )
    return log
