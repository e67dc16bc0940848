"""Edits of causes that several faults share, and restarts after them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab.world.machine import File, Machine
from lab.world.models.flannel import unmake_switch
from lab.world.models.settings import KUBELET_CONFIG, NET_CONF, SUBNET_ENV
from lab.world.restart import delete_pod
from lab.world.scenarios.cluster import written
from lab.world.state import NodeMemory, Object, World

MINUTES = 60.0


def first(world: World) -> Machine:
    """The Windows node that most faults are planted on."""
    return next(iter(world.windows.values()))


def reboot(world: World, machine: Machine, *, networks: bool = True) -> None:
    """Start the node's daemons and pods anew. `networks`: HNS objects of the pod network do not survive."""
    memory = world.node_memory(machine.name)
    world.memory[machine.name] = NodeMemory(pulled=memory.pulled, last_post=memory.last_post)
    machine.hns.endpoints, machine.hns.policy_lists = [], []
    leases = [
        p
        for p in machine.files
        if p.startswith((r"C:\var\lib\cni\networks", r"C:\sourcevip", r"C:\k\sourceVip"))
    ]
    for path in leases:
        del machine.files[path]
    if networks:
        machine.hns.networks = [n for n in machine.hns.networks if n["Name"] == "External"]
        if not machine.hns.networks:
            unmake_switch(machine)
        machine.files.pop(SUBNET_ENV, None)
    for name in ("kubelet", "flanneld", "kube-proxy", "containerd", "docker"):
        if name in machine.services and machine.services[name].state == "Running":
            machine.services[name].started = world.now - world.epoch - 20 * MINUTES
    for key in [
        k for k in world.logs if k[1] in {p["metadata"]["name"] for p in world.pods_on(machine.name)}
    ]:
        del world.logs[key]


def rebuild(world: World) -> None:
    """As if all nodes had been set up with the causes as they are now."""
    for machine in world.windows.values():
        reboot(world, machine)
        if not world.plan.classic:
            for path in [
                p
                for p in machine.files
                if p.lower().startswith((r"c:\etc\cni\net.d", r"c:\etc\kube-flannel"))
            ]:
                del machine.files[path]
        forget_lease(world, machine.name)
    for linux in world.linux.values():
        linux.flannel_conf = {}
        world.memory.pop(linux.name, None)


def forget_lease(world: World, node: str) -> None:
    """flannel's annotations go, as on a Node that has just registered."""
    item = world.find("v1", "Node", node)
    if item is not None:
        notes = item["metadata"].get("annotations", {})
        for key in [k for k in notes if k.startswith("flannel.alpha.coreos.com/")]:
            del notes[key]


def recreate_pods(world: World, machine: Machine) -> None:
    """Delete the workload pods of a node: their Deployment makes new ones, which need new sandboxes."""
    for pod in world.pods_on(machine.name):
        if not pod["spec"].get("hostNetwork"):
            delete_pod(world, pod["metadata"]["namespace"], pod["metadata"]["name"])


def restart_service(world: World, machine: Machine, name: str) -> None:
    machine.services[name].started = world.now - world.epoch - 20 * MINUTES


def stop_service(machine: Machine, name: str, *, exit_code: int = 0, start_mode: str = "") -> None:
    service = machine.services[name]
    service.state, service.pid, service.exit_code = "Stopped", 0, exit_code
    if start_mode:
        service.start_mode = start_mode


def edit_config_map(
    world: World, namespace: str, name: str, key: str, change: Callable[[str], str], ago: float
) -> Object:
    """Change one value of a ConfigMap, dated `ago` seconds back."""
    item = world.get("v1", "ConfigMap", name, namespace)
    item["data"][key] = change(item["data"][key])
    return written(item, world.now - ago, "kubectl-edit")


def edit_net_conf(world: World, change: Callable[[dict[str, Any]], None], *, local: bool = True) -> None:
    """Change net-conf.json in the ConfigMap, and (classic) in the copies on the Windows nodes."""

    def changed(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document, indent=2) + "\n"

    edit_config_map(
        world, world.plan.flannel_namespace, "kube-flannel-cfg", "net-conf.json", changed, 40 * MINUTES
    )
    if world.plan.classic and local:
        for machine in world.windows.values():
            for path in (NET_CONF, r"C:\k\net-conf.json"):
                machine.files[path] = File(changed(machine.files[path].text))


def set_kubelet_config(machine: Machine, change: Callable[[str], str]) -> None:
    machine.files[KUBELET_CONFIG].text = change(machine.files[KUBELET_CONFIG].text)


def set_parameters(machine: Machine, service: str, change: Callable[[str], str]) -> None:
    nssm = machine.services[service].nssm
    nssm["AppParameters"] = change(str(nssm["AppParameters"]))


def daemon_container(world: World, name: str, namespace: str) -> dict[str, Any]:
    """The first container of a DaemonSet's template (also of the pods that exist: they are made from it)."""
    container: dict[str, Any] = world.get("apps/v1", "DaemonSet", name, namespace)["spec"]["template"][
        "spec"
    ]["containers"][0]
    return container


def set_env(container: dict[str, Any], name: str, value: str | None) -> None:
    """Set an environment variable of a container; None removes it."""
    container["env"] = [e for e in container.get("env", []) if e["name"] != name]
    if value is not None:
        container["env"].append({"name": name, "value": value})
