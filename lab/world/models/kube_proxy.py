"""kube-proxy (winkernel): source VIP, remote endpoints and load-balancer policies in HNS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.world.machine import File, Machine
from lab.world.models import cni
from lab.world.models.controllers import is_ready, target_port
from lab.world.models.reach import dial, kubelet_api_error
from lab.world.models.settings import CLASSIC_KUBECONFIG, container_env, parse_flags, running, windows_path
from lab.world.net import HnsObject, endpoint, network_named
from lab.world.state import Daemon, Object, World
from lab.world.text import stable_uid, win32

Log = list[str]
_NO_NETWORK = '"Unable to find HNS Network specified, please check network name and CNI deployment" '
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


@dataclass(frozen=True)
class ProxySettings:
    """Effective settings: the network's name, the node's name, and where the source VIP is written down."""

    network: str
    node: str
    vip_file: str
    command: str
    direct_server_return: bool


def settings(world: World, machine: Machine) -> ProxySettings:
    if world.plan.classic:
        service = machine.services["kube-proxy"]
        command = str(service.nssm.get("AppParameters", ""))
        env = dict(line.split("=", 1) for line in service.nssm.get("AppEnvironmentExtra", []) if "=" in line)
        flags = parse_flags(command)
        name = flags.get("--network-name") or env.get("KUBE_NETWORK", "")
        line = rf"C:\k\kube-proxy.exe {command}"
        dsr = flags.get("--enable-dsr") == "true"
        return ProxySettings(name, flags.get("--hostname-override", ""), r"C:\k\sourceVip.json", line, dsr)
    item = world.find("apps/v1", "DaemonSet", "kube-proxy-windows", "kube-system")
    env = container_env(item["spec"]["template"]["spec"]["containers"][0]) if item else {}
    node = machine.name if env.get("NODE_NAME") == "<spec.nodeName>" else env.get("NODE_NAME", "")
    vip = (machine.files.get(r"C:\sourcevip\sourceVip.json") or File("{}")).text
    address = json.loads(vip).get("ip4", {}).get("ip", "").split("/")[0]
    line = (
        r"C:\hpc\kube-proxy\kube-proxy.exe --v=4 --config=C:\hpc\mounts\var\lib\kube-proxy\config.conf "
        f"--proxy-mode=kernelspace --hostname-override={node} --source-vip={address} --feature-gates=WinOverlay=true"
    )
    return ProxySettings(env.get("KUBE_NETWORK", ""), node, r"C:\sourcevip\sourceVip.json", line, False)


NODE_BACKENDS_SINCE = 18  # https://github.com/kubernetes/kubernetes/pull/87792
PROGRAM = r"C:\k\kube-proxy.exe"


def version(world: World, machine: Machine) -> str:
    """v1.18.20: the cluster's, unless an executable of another release lies in C:\\k (classic)."""
    program = machine.files.get(PROGRAM)
    return f"v{program.version}" if program is not None and program.version else world.plan.version


def reaches_nodes(world: World, machine: Machine) -> bool:
    """Whether pods of an overlay get answers from Services whose backends are node addresses.

    Older releases gave such load balancers the source VIP, an address that a node outside of the overlay cannot
    answer, where the node's own is needed.
    """
    minor = int(version(world, machine).split(".")[1])
    network = network_named(machine, settings(world, machine).network)
    return minor >= NODE_BACKENDS_SINCE or network is None or network["Type"] != "Overlay"


def run(world: World, machine: Machine, daemon: Daemon, incarnation: str, *, only_start: bool = False) -> Log:
    """Start if this incarnation is new, then sync (unless `only_start`). Without a network kube-proxy ends."""
    start = daemon.incarnation != incarnation or bool(daemon.exit)  # what has exited is started again
    if start:
        daemon.incarnation, daemon.data, daemon.exit = incarnation, {"applied": {}}, ""
    chosen = settings(world, machine)
    log: Log = daemon.data.setdefault("log", [])
    if start:
        log += ['"Version info" version="' + version(world, machine) + '"', '"Using Kernelspace Proxier."']
        failure = _start(world, machine, daemon, chosen)
        if failure:
            daemon.exit = failure
            return [*log, failure]
    if only_start:
        return list(log)
    fresh = sync(world, machine, daemon, chosen)
    return [*log, *fresh]


def _start(world: World, machine: Machine, daemon: Daemon, chosen: ProxySettings) -> str:
    if machine.hns.hangs or (
        not running(machine, "hns") and machine.services["hns"].start_mode == "Disabled"
    ):
        return (
            '"Unable to find HNS Network specified, please check network name and CNI deployment" hnsNetworkName="'
            + chosen.network
            + '"'
        )
    if not chosen.network:
        return "environment variable KUBE_NETWORK and network-flag not initialized"
    network = network_named(machine, chosen.network)
    if network is None:
        return _NO_NETWORK + f'hnsNetworkName="{chosen.network}"'
    failure = api_failure(world, machine)
    if failure:
        return f'"Error running ProxyServer" err="{failure}"'
    if world.find("v1", "Node", chosen.node) is None:
        kept: Log = daemon.data["log"]
        kept.append(f'"Failed to retrieve node info" err="nodes \\"{chosen.node}\\" not found"')
        kept.append('"Invalid nodeIP, initializing kube-proxy with 127.0.0.1 as nodeIP" nodeIP="<nil>"')
    machine.hns.policy_lists = []
    machine.hns.endpoints = [e for e in machine.hns.endpoints if not e.get("IsRemoteEndpoint")]
    _reserve_source_vip(machine, chosen, network, daemon)
    return ""


def api_failure(world: World, machine: Machine) -> str:
    if world.plan.classic:
        return kubelet_api_error(world, machine, CLASSIC_KUBECONFIG)
    return dial(machine, world.plan.api_host, world.plan.api_port)


def _reserve_source_vip(machine: Machine, chosen: ProxySettings, network: HnsObject, daemon: Daemon) -> None:
    """One address of the pod network for traffic that the host sends into the overlay."""
    path = windows_path(chosen.vip_file)
    if path in machine.files:
        document = json.loads(machine.files[path].text)
        daemon.data["vip"] = document["ip4"]["ip"].split("/")[0]
    else:
        prefix = network["Subnets"][0]["AddressPrefix"]
        daemon.data["vip"] = cni.allocate(machine, network["Name"], prefix, "source-vip")
        length = prefix.split("/")[1]
        gateway = network["Subnets"][0]["GatewayAddress"]
        document = {
            "cniVersion": "0.2.0",
            "ip4": {"ip": f"{daemon.data['vip']}/{length}", "gateway": gateway},
            "dns": {},
        }
        machine.files[path] = File(json.dumps(document, indent=4) + "\n", encoding="utf-16")
    identity = stable_uid("source-vip", machine.name).upper()
    if not any(e["ID"] == identity for e in machine.hns.endpoints):
        machine.hns.endpoints.append(
            endpoint(network, identity, daemon.data["vip"], name="sourceVipEndpoint")
        )


def _ready_endpoints(world: World, service: Object) -> list[tuple[str, str]]:
    """(address, node) of the Service's ready endpoints."""
    found: list[tuple[str, str]] = []
    for item in world.each("discovery.k8s.io/v1", "EndpointSlice", service["metadata"]["namespace"]):
        if item["metadata"]["labels"].get("kubernetes.io/service-name") == service["metadata"]["name"]:
            found += [
                (e["addresses"][0], e.get("nodeName", ""))
                for e in item["endpoints"]
                if e["conditions"]["ready"]
            ]
    return found


def sync(world: World, machine: Machine, daemon: Daemon, chosen: ProxySettings) -> Log:
    """Bring HNS in line with the Services. What was applied once is not looked at again until it changes."""
    log: Log = []
    if machine.hns.hangs or (
        not running(machine, "hns") and machine.services["hns"].start_mode == "Disabled"
    ):
        return [
            '"Querying HNS for endpoints failed" err="'
            + win32("hcnEnumerateEndpoints", 0x6BA, machine.os.ui_culture)
            + '"'
        ]
    network = network_named(machine, chosen.network)
    if network is None:
        return [
            '"The HNS network is not present or has changed since the last sync, please check the CNI deployment" '
            'hnsNetworkName="' + chosen.network + '"'
        ]
    if api_failure(world, machine):
        return log
    applied: dict[str, dict[str, Any]] = daemon.data["applied"]
    wanted: dict[str, dict[str, Any]] = {}
    for service in world.each("v1", "Service"):
        if service["spec"].get("clusterIP") not in ("", "None", None):
            wanted |= _wanted(world, machine, chosen, service, log)
    for key in [k for k in applied if k not in wanted or applied[k]["shape"] != wanted[k]]:
        gone = applied.pop(key)
        machine.hns.policy_lists = [p for p in machine.hns.policy_lists if p["ID"] != gone["id"]]
    for key, shape in wanted.items():
        if key in applied:
            continue
        port = shape["external"]
        if shape["node_port"] and any(p == port for _, p, _ in machine.listening):
            code = 0x803B0013
            error = win32("hcnCreateLoadBalancer", code, machine.os.ui_culture)
            log.append(f'"Nodeport policy creation failed" err="{error}" serviceInfo="{key}"')
            continue
        identity = stable_uid("lb", machine.name, key, json.dumps(shape)).upper()
        references = [f"/endpoints/{_endpoint_for(machine, network, a)}" for a in shape["addresses"]]
        machine.hns.policy_lists.append(_policy_list(identity, shape, references, daemon.data["vip"]))
        applied[key] = {"id": identity, "shape": shape}
        what = "nodePort" if shape["node_port"] else "cluster ip"
        kept: Log = daemon.data["log"]
        kept.append(f'"Hns LoadBalancer resource created for {what} resources" hnsID="{identity}"')
        kept.append(f'"Policy successfully applied for service" serviceInfo="{key}"')
    _drop_unused(machine)
    return log


def _wanted(
    world: World, machine: Machine, chosen: ProxySettings, service: Object, log: Log
) -> dict[str, dict[str, Any]]:
    meta, spec = service["metadata"], service["spec"]
    endpoints = _ready_endpoints(world, service)
    local_name = chosen.node
    found: dict[str, dict[str, Any]] = {}
    for port in spec.get("ports", []):
        suffix = f":{port['name']}" if port.get("name") else ""
        key = f"{meta['namespace']}/{meta['name']}{suffix}"
        if not endpoints:
            log.append(
                f'"Endpoint information not available for service, not applying any policy" serviceInfo="{key}"'
            )
            continue
        shape = {
            "vips": [spec["clusterIP"]],
            "external": port["port"],
            "internal": target_port(world, service, port),
            "protocol": _PROTOCOLS[port["protocol"]],
            "addresses": [a for a, _ in endpoints],
            "node_port": False,
            "dsr": chosen.direct_server_return,
        }
        found[key] = shape
        if port.get("nodePort"):
            local_only = spec.get("externalTrafficPolicy") == "Local"
            addresses = [a for a, n in endpoints if not local_only or n == local_name]
            if addresses:
                found[key + " nodePort"] = shape | {
                    "vips": [],
                    "external": port["nodePort"],
                    "node_port": True,
                    "addresses": addresses,
                }
    return found


def _endpoint_for(machine: Machine, network: HnsObject, address: str) -> str:
    for item in machine.hns.endpoints:
        if item["IPAddress"] == address and item["VirtualNetwork"] == network["ID"]:
            return str(item["ID"])
    identity = stable_uid("remote", machine.name, address).upper()
    machine.hns.endpoints.append(endpoint(network, identity, address, name="Ethernet", remote=True))
    return identity


def _policy_list(identity: str, shape: dict[str, Any], references: list[str], vip: str) -> HnsObject:
    """A load balancer as Get-HnsPolicyList shows it (shape: https://github.com/microsoft/SDN/issues/238)."""
    policy: dict[str, Any] = {
        "DSR": shape["dsr"],
        "ExternalPort": shape["external"],
        "InternalPort": shape["internal"],
        "LocalRoutedVip": shape["node_port"],
        "Protocol": shape["protocol"],
        "SourceVIP": vip,
        "Type": "ELB",
    }
    if shape["vips"]:
        policy["VIPs"] = shape["vips"]
    return {
        "ActivityId": stable_uid("activity", identity).upper(),
        "ID": identity,
        "Policies": [policy],
        "References": references,
        "State": 2,
        "Version": 38654705666,
    }


def _drop_unused(machine: Machine) -> None:
    used = {r.rsplit("/", 1)[1] for p in machine.hns.policy_lists for r in p["References"]}
    machine.hns.endpoints = [
        e for e in machine.hns.endpoints if not e.get("IsRemoteEndpoint") or e["ID"] in used
    ]


def healthy_backends(world: World, namespace: str, name: str) -> int:
    """How many pods behind a Service are ready (for workload log lines)."""
    service = world.get("v1", "Service", name, namespace)
    selector = service["spec"].get("selector", {})
    return sum(
        is_ready(p)
        for p in world.each("v1", "Pod", namespace)
        if all(p["metadata"].get("labels", {}).get(k) == v for k, v in selector.items())
    )
