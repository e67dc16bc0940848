"""Faults below and around the overlay: firewall, MTU, Windows' update level, pod networks of nodes."""

from __future__ import annotations

from typing import Any

from lab.faults import edits
from lab.faults.fault import ALL, ISSUE, fault
from lab.world.machine import FirewallRule
from lab.world.models.settings import SUBNET_ENV
from lab.world.state import World


@fault(
    "cni.flannel.subnet-env",
    "A clean-up job has deleted C:\\run\\flannel: new pods find no subnet.env",
    "https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/",
)
def subnet_env(world: World) -> None:
    machine = edits.first(world)
    machine.files.pop(SUBNET_ENV, None)
    edits.recreate_pods(world, machine)


@fault(
    "cni.flannel.firewall-4789",
    "No inbound rule lets UDP 4789 through the Windows firewall",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/flannel/overlay/README.md",
)
def firewall(world: World) -> None:
    machine = edits.first(world)
    machine.firewall.rules = [r for r in machine.firewall.rules if r.local_port != ["4789"]]


@fault(
    "cni.flannel.firewall-4789:disabled",
    "The inbound rule for UDP 4789 exists, but somebody has disabled it",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/flannel/overlay/README.md",
)
def firewall_disabled(world: World) -> None:
    for rule in edits.first(world).firewall.rules:
        if rule.local_port == ["4789"]:
            rule.enabled = False


@fault(
    "cni.flannel.firewall-4789:blocked",
    "A hardening script has added a rule that blocks UDP 4789",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/flannel/overlay/README.md",
)
def firewall_blocked(world: World) -> None:
    machine = edits.first(world)
    for rule in machine.firewall.rules:
        if rule.local_port == ["4789"]:
            rule.enabled = False
    machine.firewall.rules.append(
        FirewallRule("Hardening-4789", "Block VXLAN", action="Block", protocol="UDP", local_port=["4789"])
    )


@fault(
    "cni.flannel.mtu",
    "The card's MTU was lowered to 1400 while flannel still hands out 1450",
    "https://github.com/flannel-io/flannel/issues/1011",
)
def mtu(world: World) -> None:
    for adapter in edits.first(world).adapters:
        if adapter.index != 1:
            adapter.mtu = 1400


@fault(
    "os.ubr.overlay",
    "Server 2019 without the update that overlay networks need (17763.316)",
    "https://github.com/microsoft/SDN/issues/273",
    ("flannel-2019", "classic-2019"),
)
def old_build(world: World) -> None:
    machine = edits.first(world)
    machine.os.ubr = 316
    edits.reboot(world, machine)


@fault(
    "node.podcidr.missing",
    "The controller manager does not allocate pod networks: a node that joined again has none",
    ISSUE.format("flannel-io/flannel", 728),
)
def pod_cidr_missing(world: World) -> None:
    _manager(world, lambda word: "" if word.startswith("--allocate-node-cidrs") else word)
    machine = edits.first(world)
    node = world.get("v1", "Node", machine.name)
    node["spec"].pop("podCIDR", None)
    node["spec"].pop("podCIDRs", None)
    edits.reboot(world, machine)
    edits.forget_lease(world, machine.name)


def _manager(world: World, change: Any) -> None:
    """Change the arguments of the controller manager's static pod."""
    for pod in world.each("v1", "Pod", "kube-system"):
        if pod["metadata"]["name"].startswith("kube-controller-manager-"):
            command = pod["spec"]["containers"][0]["command"]
            pod["spec"]["containers"][0]["command"] = [w for w in map(change, command) if w]


@fault(
    "node.podcidr.outside",
    "flannel's Network is not the pod network from which the controller manager gives nodes their podCIDR",
    "https://github.com/flannel-io/flannel/issues/1216",
    node="cluster",
)
def pod_cidr_outside(world: World) -> None:
    def change(document: dict[str, Any]) -> None:
        document["Network"] = "10.200.0.0/16"

    edits.edit_net_conf(world, change)
    edits.rebuild(world)
    for linux in world.linux.values():
        edits.forget_lease(world, linux.name)


@fault(
    "node.podcidr.changed",
    "The node was deleted and joined again: it has a new podCIDR, the HNS network still has the old one",
    "https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/",
    ALL,
)
def pod_cidr_changed(world: World) -> None:
    node = world.get("v1", "Node", edits.first(world).name)
    node["spec"]["podCIDR"] = "10.244.7.0/24"
    node["spec"]["podCIDRs"] = ["10.244.7.0/24"]
