"""Faults of node ports, load balancers and DNS in pods."""

from __future__ import annotations

import json
from typing import Any

from lab.faults import edits
from lab.faults.fault import ALL, ISSUE, fault
from lab.world.machine import File, FirewallRule, Process
from lab.world.state import World

NODE_PORT = 30080
CNI_CONF = r"C:\k\cni\config\cni.conf"


@fault(
    "service.nodeport.lb-present",
    "The node port's load balancer has been deleted from HNS behind kube-proxy's back",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/debug/networkmonitor/networkhealth.ps1",
)
def lb_missing(world: World) -> None:
    hns = edits.first(world).hns
    hns.policy_lists = [p for p in hns.policy_lists if p["Policies"][0]["ExternalPort"] != NODE_PORT]


@fault(
    "service.nodeport.flags",
    "An old kube-proxy made the node port's load balancer without LocalRoutedVIP",
    "https://github.com/microsoft/hcsshim/blob/main/hcn/hcnloadbalancer.go",
)
def lb_flags(world: World) -> None:
    for item in edits.first(world).hns.policy_lists:
        item["Policies"][0]["LocalRoutedVip"] = False


@fault(
    "service.nodeport.firewall",
    "A hardening script has added a rule that blocks TCP 30000-32767",
    "https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport",
)
def node_port_firewall(world: World) -> None:
    rules = edits.first(world).firewall.rules
    rules.append(
        FirewallRule("Hardening-NodePorts", "Block node ports", action="Block", local_port=["30000-32767"])
    )


@fault(
    "service.nodeport.no-local-pod",
    "A Windows node has no pod of its own and does not forward node ports",
    ISSUE.format("rancher/rancher", 20511),
)
def no_local_pod(world: World) -> None:
    world.get("apps/v1", "Deployment", "win-web", "shop")["spec"]["replicas"] = 1


@fault(
    "service.nodeport.etp-local",
    "externalTrafficPolicy is Local, and a node has no endpoint of the Service",
    ISSUE.format("kubernetes/kubernetes", 109780),
    node="cluster",
)
def traffic_policy_local(world: World) -> None:
    world.get("v1", "Service", "win-web-public", "shop")["spec"]["externalTrafficPolicy"] = "Local"
    world.get("apps/v1", "Deployment", "win-web", "shop")["spec"]["replicas"] = 1


@fault(
    "service.nodeport.port-taken:process",
    "A program on the node listens on the node port",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/common-problems",
)
def port_taken(world: World) -> None:
    machine = edits.first(world)
    machine.processes.append(
        Process("AgentService.exe", 6660, 712, r"C:\Program Files\Agent\AgentService.exe")
    )
    machine.listening.append(("0.0.0.0", NODE_PORT, 6660))
    edits.reboot(world, machine)


@fault(
    "service.nodeport.port-taken:dynamic-range",
    "The dynamic port range was widened over the node ports, and nothing is excluded from it",
    "https://github.com/Azure/AgentBaker/blob/master/staging/cse/windows/configfunc.ps1",
)
def dynamic_range(world: World) -> None:
    edits.first(world).dynamic_ports = {"tcp": (16385, 49151), "udp": (16385, 49151)}


def _cni(world: World, change: Any) -> None:
    """Change the CNI configuration of the Windows nodes and start them anew."""

    def changed(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document, indent=2) + "\n"

    if world.plan.classic:
        for machine in world.windows.values():
            machine.files[CNI_CONF] = File(changed(machine.files[CNI_CONF].text))
    else:
        edits.edit_config_map(
            world,
            "kube-flannel",
            "kube-flannel-windows-cfg",
            "cni-conf-containerd.json",
            changed,
            40 * edits.MINUTES,
        )
    edits.rebuild(world)


@fault(
    "dns.suffix.endpoint-empty",
    "The CNI configuration asks for no DNS: pods get neither servers nor suffixes",
    ISSUE.format("kubernetes/kubernetes", 66801),
    node="all",
)
def dns_empty(world: World) -> None:
    def change(document: dict[str, Any]) -> None:
        document["capabilities"] = {"portMappings": True}
        document["delegate"].pop("dns", None)

    _cni(world, change)


@fault(
    "dns.suffix.endpoint-namespace",
    "The CNI configuration gives every pod the fixed suffix svc.cluster.local instead of its namespace's",
    ISSUE.format("Azure/azure-container-networking", 206),
    ALL,
    node="all",
)
def dns_namespace(world: World) -> None:
    plan = world.plan

    def change(document: dict[str, Any]) -> None:
        document["capabilities"] = {"portMappings": True}
        document["delegate"]["dns"] = {"Nameservers": [plan.dns_ip], "Search": [f"svc.{plan.domain}"]}

    _cni(world, change)
