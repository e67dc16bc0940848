"""Faults of the flannel overlay: VNI and port, leases, the HNS network, interfaces, names."""

from __future__ import annotations

import json
from typing import Any

from lab.faults import edits
from lab.faults.fault import ISSUE, MODERN, fault
from lab.world.machine import Adapter, File, Route
from lab.world.models.settings import NET_CONF
from lab.world.net import remote_routes
from lab.world.state import World

DOC = "https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md"
WINDOWS_DS, FLANNEL_NS = "kube-flannel-ds-windows-amd64", "kube-flannel"
_CLASSIC = ("classic-2019",)


def _backend(world: World, *, local: bool = True, drop: tuple[str, ...] = (), **values: Any) -> None:
    """Change the Backend of net-conf.json and set the cluster up with it."""

    def change(document: dict[str, Any]) -> None:
        backend = document["Backend"]
        backend.update(values)
        for key in drop:
            backend.pop(key, None)

    edits.edit_net_conf(world, change, local=local)
    edits.rebuild(world)


@fault(
    "cni.flannel.vni:absent",
    "VNI and Port are missing from net-conf.json: Linux takes VNI 1 and UDP 8472, Windows 4096 and 4789, in silence",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 128),
    node="cluster",
)
def vni_absent(world: World) -> None:
    _backend(world, local=False, drop=("VNI", "Port"))


@fault(
    "cni.flannel.vni:one",
    "net-conf.json says VNI 1: Windows flanneld refuses it and exits",
    "https://github.com/rancher/rke2/issues/5995",
    node="cluster",
)
def vni_one(world: World) -> None:
    _backend(world, VNI=1)


@fault(
    "cni.flannel.port:absent",
    "VNI is 4096 but Port is missing: Linux sends to UDP 8472, Windows listens on 4789",
    ISSUE.format("flannel-io/flannel", 1265),
    node="cluster",
)
def port_absent(world: World) -> None:
    _backend(world, local=False, drop=("Port",))


@fault(
    "cni.flannel.port:8472",
    "net-conf.json says Port 8472: Windows flanneld refuses it and exits",
    DOC,
    node="cluster",
)
def port_8472(world: World) -> None:
    _backend(world, Port=8472)


@fault(
    "cni.flannel.backend",
    "The back end is wireguard, which Windows flanneld does not have",
    DOC,
    node="cluster",
)
def backend(world: World) -> None:
    _backend(world, Type="wireguard", drop=("VNI", "Port"))


@fault(
    "cni.flannel.options:direct-routing",
    "DirectRouting is on: Windows flanneld refuses it and exits",
    DOC,
    node="cluster",
)
def direct_routing(world: World) -> None:
    _backend(world, DirectRouting=True)


@fault("cni.flannel.options:gbp", "GBP is on: Windows flanneld refuses it and exits", DOC, node="cluster")
def gbp(world: World) -> None:
    _backend(world, GBP=True)


@fault("cni.flannel.options:mac-prefix", "MacPrefix is not of the form xx-xx", DOC, node="cluster")
def mac_prefix(world: World) -> None:
    _backend(world, MacPrefix="0E2A")


@fault(
    "cni.flannel.restart-needed",
    "The ConfigMap was corrected to VNI 4096, but flannel on the Linux node still runs with the old one",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 128),
    node="cluster",
)
def restart_needed(world: World) -> None:
    edits.edit_net_conf(world, lambda document: None)
    for linux in world.linux.values():
        linux.flannel_conf = {"Network": world.plan.pod_cidr, "Backend": {"Type": "vxlan"}}
    for machine in world.windows.values():
        edits.reboot(world, machine)


@fault(
    "cni.flannel.lease-annotations",
    "flannel on the Linux node chose the NAT interface 10.0.2.15: its lease names an address that nobody reaches",
    "https://github.com/flannel-io/flannel/blob/master/Documentation/troubleshooting.md",
    node="cluster",
)
def lease_annotations(world: World) -> None:
    for linux in world.linux.values():
        linux.flannel_address, linux.device = "10.0.2.15", "enp0s3"
    for machine in world.windows.values():
        edits.reboot(world, machine)


@fault(
    "cni.flannel.linux-device",
    "flannel on the Linux node was started by hand with a configuration without Port: its device sends to UDP 8472",
    "https://github.com/cloudfoundry-incubator/kubo-release/pull/320",
    node="cluster",
)
def linux_device(world: World) -> None:
    for linux in world.linux.values():
        linux.flannel_conf = {"Network": world.plan.pod_cidr, "Backend": {"Type": "vxlan", "VNI": 4096}}


@fault(
    "cni.flannel.hpc-removed",
    "Somebody has deleted the DaemonSet of Windows flannel; what it made on the nodes is still there",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 387),
    MODERN,
    node="cluster",
)
def daemon_set_removed(world: World) -> None:
    world.delete("apps/v1", "DaemonSet", WINDOWS_DS, FLANNEL_NS)
    for pod in list(world.each("v1", "Pod", FLANNEL_NS)):
        if "windows" in pod["metadata"]["name"]:
            world.delete("v1", "Pod", pod["metadata"]["name"], FLANNEL_NS)


@fault(
    "cni.flannel.netconf-stale",
    "install.ps1 copied net-conf.json before the cluster's pod network was written into it",
    "https://github.com/microsoft/SDN/issues/352",
    _CLASSIC,
)
def netconf_stale(world: World) -> None:
    machine = edits.first(world)
    document = json.loads(machine.files[NET_CONF].text) | {"Network": "10.10.0.0/16"}
    machine.files[NET_CONF] = File(json.dumps(document, indent=2))
    edits.reboot(world, machine)
    edits.forget_lease(world, machine.name)


@fault(
    "cni.name-mismatch:cni",
    "The CNI configuration names another network than the one flanneld made",
    "https://github.com/microsoft/SDN/issues/259",
)
def name_in_cni(world: World) -> None:
    if world.plan.classic:
        path = r"C:\k\cni\config\cni.conf"
        for machine in world.windows.values():
            machine.files[path] = File(machine.files[path].text.replace('"vxlan0"', '"cbr0"'))
    else:
        edits.edit_config_map(
            world,
            FLANNEL_NS,
            "kube-flannel-windows-cfg",
            "cni-conf-containerd.json",
            lambda text: text.replace('"flannel.4096"', '"vxlan0"'),
            40 * edits.MINUTES,
        )
    edits.rebuild(world)


@fault(
    "cni.name-mismatch:proxy",
    "kube-proxy is told another network name than the one flanneld made",
    ISSUE.format("kubernetes/kubernetes", 79515),
    node="all",
)
def name_in_proxy(world: World) -> None:
    if world.plan.classic:
        for machine in world.windows.values():
            edits.set_parameters(
                machine, "kube-proxy", lambda t: t.replace("--network-name=vxlan0", "--network-name=cbr0")
            )
    else:
        edits.set_env(
            edits.daemon_container(world, "kube-proxy-windows", "kube-system"), "KUBE_NETWORK", "vxlan0"
        )
    for machine in world.windows.values():
        edits.reboot(world, machine)


@fault(
    "cni.flannel.vsid",
    "The HNS network carries another VSID than the cluster's VNI",
    ISSUE.format("microsoft/SDN", 238),
)
def vsid(world: World) -> None:
    for network in edits.first(world).hns.networks:
        if network["Name"] != "External":
            network["Subnets"][0]["Policies"][0]["VSID"] = 4097


@fault(
    "cni.flannel.remote-subnets:missing",
    "The HNS network has lost its route to the Linux node's pods",
    ISSUE.format("flannel-io/flannel", 1096),
)
def remote_missing(world: World) -> None:
    linux = next(iter(world.linux))
    prefix = world.get("v1", "Node", linux)["spec"]["podCIDR"]
    for network in edits.first(world).hns.networks:
        route = remote_routes(network).get(prefix)
        if route is not None:
            network["Policies"].remove(route)


@fault(
    "cni.flannel.remote-subnets:stale",
    "The route to the Linux node's pods still goes to an address that the node had before",
    ISSUE.format("flannel-io/flannel", 1096),
)
def remote_stale(world: World) -> None:
    linux = next(iter(world.linux.values()))
    prefix = world.get("v1", "Node", linux.name)["spec"]["podCIDR"]
    for network in edits.first(world).hns.networks:
        route = remote_routes(network).get(prefix)
        if route is not None:
            route["ProviderAddress"] = linux.address.rsplit(".", 1)[0] + ".99"


@fault(
    "cni.flannel.mgmt-ip",
    "flanneld is bound to a second card that never gets an address",
    "https://github.com/flannel-io/flannel/issues/1359",
    node="all",
)
def management_ip(world: World) -> None:
    for machine in world.windows.values():
        _second_card(machine.name, world, [])
    _interface(world, "Ethernet 2")


def _second_card(node: str, world: World, addresses: list[tuple[str, int]]) -> None:
    machine = world.windows[node]
    card = Adapter(
        "Ethernet 2", "Red Hat VirtIO Ethernet Adapter #2", 9, f"00-15-5D-77-00-{len(machine.adapters):02X}"
    )
    card.addresses = addresses
    machine.adapters.append(card)


def _interface(world: World, name: str) -> None:
    """Pass --iface to Windows flanneld everywhere and start the nodes anew."""
    if world.plan.classic:
        for machine in world.windows.values():
            old, new = f"--iface={machine.address}", f'--iface="{name}"'
            nssm = machine.services["flanneld"].nssm
            nssm["AppParameters"] = str(nssm["AppParameters"]).replace(old, new)
    else:
        container = edits.daemon_container(world, WINDOWS_DS, FLANNEL_NS)
        container["args"] = ["-v=6", f"--iface={name}"]
    edits.rebuild(world)


@fault(
    "cni.flannel.iface:name",
    "flanneld is told an interface name that the nodes do not have",
    "https://github.com/kubernetes-sigs/sig-windows-tools/issues/103",
    node="all",
)
def interface_name(world: World) -> None:
    _interface(world, "Ethernet0")


@fault(
    "cni.flannel.iface:two-routes",
    "A backup network's card brings a second, better default route: flanneld takes the wrong interface",
    "https://github.com/microsoft/SDN/issues/279",
)
def two_routes(world: World) -> None:
    machine = edits.first(world)
    last = machine.address.rsplit(".", 1)[1]
    _second_card(machine.name, world, [(f"172.16.50.{last}", 24)])
    machine.routes.insert(0, Route("0.0.0.0/0", "172.16.50.1", 9, 0))
    if world.plan.classic:
        edits.set_parameters(machine, "flanneld", lambda t: t.replace(f"--iface={machine.address} ", ""))
    edits.reboot(world, machine)
    edits.forget_lease(world, machine.name)


@fault(
    "cni.flannel.nodename",
    "flanneld does not know which node it runs on",
    "https://github.com/kubernetes-sigs/sig-windows-tools/issues/37",
    node="all",
)
def node_name(world: World) -> None:
    if world.plan.classic:
        for machine in world.windows.values():
            nssm = machine.services["flanneld"].nssm
            nssm["AppEnvironmentExtra"] = [
                v for v in nssm["AppEnvironmentExtra"] if not v.startswith("NODE_NAME=")
            ]
            machine.environment.pop("NODE_NAME", None)
    else:
        container = edits.daemon_container(world, WINDOWS_DS, FLANNEL_NS)
        edits.set_env(container, "POD_NAME", None)
        edits.set_env(container, "POD_NAMESPACE", None)
    edits.rebuild(world)


@fault(
    "cni.flannel.api-access:placeholder",
    "The manifest's placeholder KUBERNETES_SERVICE_HOST_VALUE was never replaced",
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/guides/flannel.md",
    MODERN,
    node="all",
)
def api_placeholder(world: World) -> None:
    container = edits.daemon_container(world, WINDOWS_DS, FLANNEL_NS)
    edits.set_env(container, "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_HOST_VALUE")
    edits.set_env(container, "KUBERNETES_SERVICE_PORT", "6443")
    edits.rebuild(world)


@fault(
    "cni.flannel.api-access:missing",
    "Windows flanneld has no KUBERNETES_SERVICE_HOST of its own and tries the ClusterIP, which its host cannot reach",
    "https://github.com/kubernetes-sigs/sig-windows-tools/issues/323",
    MODERN,
    node="all",
)
def api_missing(world: World) -> None:
    container = edits.daemon_container(world, WINDOWS_DS, FLANNEL_NS)
    edits.set_env(container, "KUBERNETES_SERVICE_HOST", None)
    edits.set_env(container, "KUBERNETES_SERVICE_PORT", None)
    edits.rebuild(world)
