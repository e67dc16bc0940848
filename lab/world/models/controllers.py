"""The control plane's controllers and scheduler: pods from DaemonSets and Deployments, podCIDRs, EndpointSlices."""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.world.models.owned import make_pod, owned, owner_reference, pod_name
from lab.world.models.scheduling import candidates, selects, tolerates
from lab.world.restart import delete_pod
from lab.world.state import Object, World, new_object
from lab.world.text import name_suffix, stable_hex

REVISION = "deployment.kubernetes.io/revision"


def allocate_pod_cidrs(world: World) -> None:
    """The node IPAM controller: one /24 a node, if the controller manager was told to."""
    manager = next(
        (
            p
            for p in world.each("v1", "Pod", "kube-system")
            if p["metadata"]["name"].startswith("kube-controller-manager-")
        ),
        None,
    )
    command = manager["spec"]["containers"][0]["command"] if manager else []
    options = dict(word.split("=", 1) for word in command if "=" in word)
    if options.get("--allocate-node-cidrs") != "true" or "--cluster-cidr" not in options:
        return
    nodes = list(world.each("v1", "Node"))
    taken = {n["spec"].get("podCIDR") for n in nodes}
    free = (str(s) for s in ipaddress.ip_network(options["--cluster-cidr"]).subnets(new_prefix=24))
    for node in nodes:
        if not node["spec"].get("podCIDR"):
            node["spec"]["podCIDR"] = next(s for s in free if s not in taken)
            node["spec"]["podCIDRs"] = [node["spec"]["podCIDR"]]
            taken.add(node["spec"]["podCIDR"])


def collect_garbage(world: World) -> None:
    """Pods whose owner or node is gone, ReplicaSets whose Deployment is gone, and pods that a taint drives out."""
    known = {item["metadata"]["uid"] for item in world.objects.values()}
    nodes = {node["metadata"]["name"]: node for node in world.each("v1", "Node")}
    for kind, api in (("ReplicaSet", "apps/v1"), ("Pod", "v1")):
        for item in list(world.each(api, kind)):
            meta = item["metadata"]
            orphan = any(r["uid"] not in known for r in meta.get("ownerReferences", []))
            place = item["spec"].get("nodeName", "")
            if kind == "ReplicaSet" and orphan:
                known.discard(meta["uid"])
                world.delete(api, kind, meta["name"], meta["namespace"])
            elif kind == "Pod" and (orphan or (place and place not in nodes) or _driven_out(item, nodes)):
                delete_pod(world, meta["namespace"], meta["name"])


def _driven_out(pod: Object, nodes: dict[str, Object]) -> bool:
    """Whether a taint that somebody has set ends the pod (those of the node controller: see nodes.py)."""
    node = nodes.get(pod["spec"].get("nodeName", ""))
    mirror = "kubernetes.io/config.source" in pod["metadata"].get("annotations", {})
    return (
        node is not None
        and not mirror
        and any(
            not tolerates(pod["spec"], taint)
            for taint in node["spec"].get("taints", [])
            if taint["effect"] == "NoExecute" and not taint["key"].startswith("node.kubernetes.io/")
        )
    )


def run_daemon_sets(world: World) -> None:
    for owner in list(world.each("apps/v1", "DaemonSet")):
        spec = owner["spec"]["template"]["spec"]
        wanted = {n["metadata"]["name"] for n in candidates(world, spec, daemons=True)}
        for pod in owned(world, owner):
            node = pod["spec"]["nodeName"]
            if node not in wanted:
                world.delete("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
            wanted.discard(node)
        for node in sorted(wanted):
            world.put(make_pod(world, owner, node, node))


def replica_set_name(world: World, owner: Object) -> str:
    """The ReplicaSet of the Deployment's present template: one of its own for each that people have written."""
    meta = owner["metadata"]
    key = (meta["namespace"], meta["name"])
    return world.revisions.get(key) or f"{meta['name']}-{stable_hex(10, *key)[:9]}"


def run_deployments(world: World) -> None:
    for owner in list(world.each("apps/v1", "Deployment")):
        namespace = owner["metadata"]["namespace"]
        name = replica_set_name(world, owner)
        for former in owned(world, owner, "ReplicaSet"):
            if former["metadata"]["name"] != name:
                former["spec"]["replicas"] = 0
                for pod in owned(world, former):
                    delete_pod(world, namespace, pod["metadata"]["name"])
        replica_set = _replica_set(world, owner, name)
        nodes = candidates(world, owner["spec"]["template"]["spec"])
        slots = {pod_name(world, replica_set, str(i))[0]: str(i) for i in range(owner["spec"]["replicas"])}
        for pod in owned(world, replica_set):
            if pod["metadata"]["name"] not in slots:
                world.delete("v1", "Pod", pod["metadata"]["name"], namespace)
        for place, (wanted, slot) in enumerate(slots.items()):
            if world.find("v1", "Pod", wanted, namespace) is None:
                node = nodes[place % len(nodes)]["metadata"]["name"] if nodes else ""
                world.put(make_pod(world, replica_set, slot, node))


def _replica_set(world: World, owner: Object, name: str) -> Object:
    """Make or renew the ReplicaSet: the Deployment's template with the label that tells its pods from others."""
    namespace, spec = owner["metadata"]["namespace"], owner["spec"]
    label = {"pod-template-hash": name.rsplit("-", 1)[1]}
    labels = {**spec["template"]["metadata"].get("labels", {}), **label}
    item = world.find("apps/v1", "ReplicaSet", name, namespace)
    if item is None:
        late = (namespace, owner["metadata"]["name"]) in world.revisions
        created = (world.changed_at or world.now) if late else None
        item = new_object(
            "apps/v1", "ReplicaSet", name, namespace, labels=labels, created=created, spec={}, status={}
        )
    template = {**spec["template"], "metadata": {**spec["template"]["metadata"], "labels": labels}}
    selector = {"matchLabels": {**spec["selector"].get("matchLabels", {}), **label}}
    item["spec"] |= {"replicas": spec["replicas"], "selector": selector, "template": template}
    item["metadata"]["ownerReferences"] = [owner_reference(owner)]
    _number(owner, world.put(item), owned(world, owner, "ReplicaSet"))
    return item


def _number(owner: Object, current: Object, known: list[Object]) -> None:
    """Revisions, as `kubectl rollout history` and `undo` read them: the one in use has the highest."""

    def revision(item: Object) -> int:
        return int(item["metadata"].get("annotations", {}).get(REVISION, 0))

    highest = max(map(revision, known))
    if not revision(current) or revision(current) < highest:
        current["metadata"].setdefault("annotations", {})[REVISION] = str(highest + 1)
    owner["metadata"].setdefault("annotations", {})[REVISION] = str(revision(current))


def workload_status(world: World) -> None:
    """Counts in the status of DaemonSets, Deployments and ReplicaSets."""
    for kind in ("DaemonSet", "ReplicaSet", "Deployment"):
        for owner in world.each("apps/v1", kind):
            holder = owner
            count = owner["metadata"].setdefault("generation", 1)
            if kind == "Deployment":
                name = replica_set_name(world, owner)
                holder = world.get("apps/v1", "ReplicaSet", name, owner["metadata"]["namespace"])
            pods = owned(world, holder)
            ready = sum(is_ready(p) for p in pods)
            if kind == "DaemonSet":
                owner["status"] = {
                    "currentNumberScheduled": len(pods),
                    "desiredNumberScheduled": len(pods),
                    "numberAvailable": ready,
                    "numberMisscheduled": 0,
                    "numberReady": ready,
                    "numberUnavailable": len(pods) - ready,
                    "observedGeneration": count,
                    "updatedNumberScheduled": len(pods),
                }
            else:
                owner["status"] = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
                owner["status"]["observedGeneration"] = count
                if kind == "Deployment":
                    owner["status"] |= {
                        "updatedReplicas": len(pods),
                        "unavailableReplicas": len(pods) - ready,
                    }


def is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def endpoint_slices(world: World) -> None:
    """EndpointSlices and Endpoints of every Service with a selector, and the API server's own."""
    for service in list(world.each("v1", "Service")):
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        selector = service["spec"].get("selector")
        endpoints: list[dict[str, Any]] = []
        if selector:
            for pod in world.each("v1", "Pod", namespace):
                address = pod["status"].get("podIP")
                if address and selects(selector, pod["metadata"].get("labels", {})):
                    endpoints.append(_endpoint(pod, address))
        elif name == "kubernetes":
            endpoints = [{"addresses": [world.plan.api_host], "conditions": {"ready": True}}]
        ports = [
            {"name": p.get("name", ""), "port": target_port(world, service, p), "protocol": p["protocol"]}
            for p in service["spec"].get("ports", [])
        ]
        slice_name = name if name == "kubernetes" else f"{name}-{name_suffix(5, 'slice', namespace, name)}"
        item = new_object(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            slice_name,
            namespace,
            labels={
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            addressType="IPv4",
            endpoints=endpoints,
            ports=ports,
        )
        if selector:
            item["metadata"]["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": name,
                    "uid": service["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
        world.put(item)
        world.put(_legacy_endpoints(service, endpoints, ports))


def target_port(world: World, service: Object, port: dict[str, Any]) -> int:
    """The number of a Service's target port, which may be a container port's name; 0 if no pod has such a name."""
    target = port["targetPort"]
    if isinstance(target, int):
        return target
    for pod in world.each("v1", "Pod", service["metadata"]["namespace"]):
        if selects(service["spec"].get("selector", {}), pod["metadata"].get("labels", {})):
            for container in pod["spec"]["containers"]:
                for one in container.get("ports", []):
                    if one.get("name") == target:
                        return int(one["containerPort"])
    return 0


def _endpoint(pod: Object, address: str) -> dict[str, Any]:
    ready = is_ready(pod)
    return {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"],
        },
    }


def _legacy_endpoints(
    service: Object, endpoints: list[dict[str, Any]], ports: list[dict[str, Any]]
) -> Object:
    def addresses(ready: bool) -> list[dict[str, Any]]:
        return [
            {"ip": e["addresses"][0], **{k: e[k] for k in ("nodeName", "targetRef") if k in e}}
            for e in endpoints
            if e["conditions"]["ready"] is ready
        ]

    subset: dict[str, Any] = {"ports": [{k: v for k, v in p.items() if v != ""} for p in ports]}
    if addresses(True):
        subset["addresses"] = addresses(True)
    if addresses(False):
        subset["notReadyAddresses"] = addresses(False)
    meta = service["metadata"]
    return new_object(
        "v1", "Endpoints", meta["name"], meta["namespace"], subsets=[subset] if endpoints else []
    )
