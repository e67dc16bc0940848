"""What TCP connections from a Windows host to node ports, ClusterIPs and pods meet, from how things stand.

What should work and what cannot is the table of Kubernetes' and Microsoft's documents:
https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/ ,
https://learn.microsoft.com/virtualization/windowscontainers/kubernetes/common-problems (KB4571748: the host's own
node ports), https://github.com/flannel-io/flannel/pull/1096 (the host's route to its own pods).
"""

from __future__ import annotations

from lab.world.machine import Machine
from lab.world.models.controllers import is_ready, target_port
from lab.world.models.logs import overlay_works
from lab.world.models.pods import on_host_network
from lab.world.net import HnsObject, pod_network
from lab.world.state import Object, World

OPEN, REFUSED, TIMEOUT = "open", "refused", "timeout"
LOCAL_ROUTED_SINCE = (17763, 1432)  # KB4571748
LOOPBACK = "127.0.0.1"
TCP = 6


def from_hosts(world: World) -> None:
    """Bring every Windows machine's `flows` in line with how things stand."""
    for machine in world.windows.values():
        machine.flows = _from(world, machine)


def _from(world: World, machine: Machine) -> dict[str, str]:
    """By "host:port": what a connection from this host meets."""
    found: dict[str, str] = {}
    for pod in world.each("v1", "Pod"):
        address = pod["status"].get("podIP")
        if address and not on_host_network(pod):
            for port in sorted(_target_ports(world, pod)):
                found[f"{address}:{port}"] = _to_pod(machine, pod, port)
    for service in world.each("v1", "Service"):
        for port in service["spec"].get("ports", []):
            if port["protocol"] != "TCP":
                continue
            address = service["spec"].get("clusterIP")
            if address not in ("", "None", None):
                found[f"{address}:{port['port']}"] = _to_cluster_ip(world, machine, address, port["port"])
            if port.get("nodePort"):
                number = port["nodePort"]
                found[f"{LOOPBACK}:{number}"] = OPEN if _listens(machine, number) else REFUSED
                found[f"{machine.address}:{number}"] = _to_own_port(world, machine, number)
                for name, other in world.windows.items():
                    if name != machine.name:
                        found[f"{other.address}:{number}"] = _to_windows(world, other, number)
                for linux in world.linux.values():
                    found[f"{linux.address}:{number}"] = _to_linux(world, linux.name, service)
    return found


# -- pods


def _target_ports(world: World, pod: Object) -> set[int]:
    """Ports that Services send to this pod, and those it names itself."""
    named = {p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports", [])}
    labels = pod["metadata"].get("labels", {})
    for service in world.each("v1", "Service", pod["metadata"]["namespace"]):
        selector = service["spec"].get("selector")
        if selector and all(labels.get(k) == v for k, v in selector.items()):
            ports = [p for p in service["spec"].get("ports", []) if p["protocol"] == "TCP"]
            named |= {target_port(world, service, p) for p in ports}
    return {int(port) for port in named}


def _answers(pod: Object, port: int) -> bool:
    """Whether a program in the pod listens on the port."""
    return is_ready(pod) and any(
        p["containerPort"] == port and p.get("protocol", "TCP") == "TCP"
        for c in pod["spec"]["containers"]
        for p in c.get("ports", [])
    )


def _to_pod(machine: Machine, pod: Object, port: int) -> str:
    network = pod_network(machine)
    if network is None:
        return TIMEOUT
    if pod["spec"].get("nodeName") != machine.name:
        # On an overlay the host stands outside of the tunnel; on a bridge it has a route.
        reached = network["Type"] == "L2Bridge"
    else:
        reached = _has_endpoint(machine, pod["status"]["podIP"]) and (
            network["Type"] == "L2Bridge" or any(p.get("Type") == "HostRoute" for p in network["Policies"])
        )
    if not reached:
        return TIMEOUT
    return OPEN if _answers(pod, port) else REFUSED


def _has_endpoint(machine: Machine, address: str) -> bool:
    return any(e["IPAddress"] == address and not e.get("IsRemoteEndpoint") for e in machine.hns.endpoints)


# -- load balancers in HNS


def _balancer(machine: Machine, vip: str, port: int) -> HnsObject | None:
    """The TCP policy for a virtual address, or (without one) for a node port."""
    for item in machine.hns.policy_lists:
        policy: HnsObject = item["Policies"][0]
        if policy["ExternalPort"] == port and policy["Protocol"] == TCP:
            vips = policy.get("VIPs", [])
            if vip in vips if vip else not vips:
                return item
    return None


def _served(world: World, machine: Machine, balancer: HnsObject) -> str:
    """What comes of a connection that the policy takes: it goes to one of the endpoints, through the tunnel too."""
    ids = {r.rsplit("/", 1)[1] for r in balancer["References"]}
    port = balancer["Policies"][0]["InternalPort"]
    fates = [_to_backend(world, machine, e, port) for e in machine.hns.endpoints if e["ID"] in ids]
    return next((fate for fate in (OPEN, REFUSED) if fate in fates), TIMEOUT)


def _to_backend(world: World, machine: Machine, endpoint: HnsObject, port: int) -> str:
    address = endpoint["IPAddress"]
    pod = next((p for p in world.each("v1", "Pod") if p["status"].get("podIP") == address), None)
    if pod is None or on_host_network(pod):
        return OPEN if address in {n.address for n in world.linux.values()} else TIMEOUT
    node = pod["spec"]["nodeName"]
    if node != machine.name and not overlay_works(world, machine, node):
        return TIMEOUT
    return OPEN if _answers(pod, port) else REFUSED


def _to_cluster_ip(world: World, machine: Machine, address: str, port: int) -> str:
    """Documents contradict each other; here a host reaches virtual addresses by direct server return alone."""
    balancer = _balancer(machine, address, port)
    if balancer is None or not balancer["Policies"][0]["DSR"]:
        return TIMEOUT
    return _served(world, machine, balancer)


def _listens(machine: Machine, port: int) -> bool:
    return any(number == port for _, number, _ in machine.listening)


def _to_own_port(world: World, machine: Machine, port: int) -> str:
    if _listens(machine, port):
        return OPEN
    balancer = _balancer(machine, "", port)
    os = machine.os
    routed = os.build != LOCAL_ROUTED_SINCE[0] or os.ubr >= LOCAL_ROUTED_SINCE[1]
    if balancer is None or not routed or not balancer["Policies"][0]["LocalRoutedVip"]:
        return TIMEOUT
    return _forwarded(world, machine, balancer)


def _forwarded(world: World, machine: Machine, balancer: HnsObject) -> str:
    """Without a pod of its own a Windows node forwards no node port."""
    ordinary = [p for p in world.pods_on(machine.name) if not on_host_network(p)]
    return _served(world, machine, balancer) if ordinary else TIMEOUT


# -- from one node to another


def _to_windows(world: World, other: Machine, port: int) -> str:
    """The virtual switch takes node ports before the host's firewall asks for a rule that allows them; a rule that
    blocks them counts. A program that listens there has no rule, and what nobody takes is dropped.
    """
    balancer = _balancer(other, "", port)
    if balancer is None or _blocked(other, port):
        return TIMEOUT
    return _forwarded(world, other, balancer)


def _blocked(machine: Machine, port: int) -> bool:
    def covers(part: str) -> bool:
        low, _, high = part.partition("-")
        return part == "Any" or (low.isdigit() and int(low) <= port <= int(high or low))

    return any(machine.firewall.profiles.values()) and any(
        r.enabled
        and r.direction == "Inbound"
        and r.action == "Block"
        and r.protocol in ("TCP", "Any")
        and any(map(covers, r.local_port))
        for r in machine.firewall.rules
    )


def _to_linux(world: World, name: str, service: Object) -> str:
    """A Linux node's kube-proxy works; its way to a pod on a Windows node is the tunnel."""
    selector = service["spec"].get("selector") or {}
    local_only = service["spec"].get("externalTrafficPolicy") == "Local"
    fates = []
    for pod in world.each("v1", "Pod", service["metadata"]["namespace"]):
        labels, node = pod["metadata"].get("labels", {}), pod["spec"].get("nodeName", "")
        if not selector or any(labels.get(k) != v for k, v in selector.items()):
            continue
        if not is_ready(pod) or (local_only and node != name):
            continue
        machine = world.windows.get(node)
        fates.append(machine is None or overlay_works(world, machine, name))
    if not fates:
        return REFUSED
    return OPEN if any(fates) else TIMEOUT
