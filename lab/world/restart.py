"""What a person can do to a pod: delete it, so that its controller makes another."""

from __future__ import annotations

from lab.world.models import cni
from lab.world.state import World


def delete_pod(world: World, namespace: str, name: str) -> None:
    """Delete a pod: its sandbox goes, and with a flannel pod on Linux the configuration that it runs with."""
    pod = world.find("v1", "Pod", name, namespace)
    if pod is None:
        return
    node = pod["spec"].get("nodeName", "")
    sandbox = world.node_memory(node).sandboxes.pop(pod["metadata"]["uid"], None)
    if node in world.windows and sandbox is not None:
        cni.remove(world.windows[node], sandbox.id, sandbox.endpoint)
    if node in world.linux and name.startswith("kube-flannel"):
        world.linux[node].flannel_conf = {}
    for key in [k for k in world.logs if k[:2] == (namespace, name)]:
        del world.logs[key]
    world.deleted_pods.add((namespace, name))
    world.delete("v1", "Pod", name, namespace)
