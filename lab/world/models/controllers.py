"""The control plane's controllers and scheduler: pods from DaemonSets and Deployments, podCIDRs, EndpointSlices."""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.world.state import Object, World, new_object
from lab.world.text import name_suffix, rfc3339, stable_hex, stable_uid

_AUTOMATIC = [
    {
        "key": "node.kubernetes.io/not-ready",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    },
    {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    },
]


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


def _selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _affinity_admits(spec: dict[str, Any], labels: dict[str, str]) -> bool:
    required = (
        spec.get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    terms = required.get("nodeSelectorTerms", [])
    return not terms or any(
        all(
            labels.get(e["key"]) in e.get("values", [])
            for e in t.get("matchExpressions", [])
            if e["operator"] == "In"
        )
        for t in terms
    )


def _tolerates(spec: dict[str, Any], taint: dict[str, Any]) -> bool:
    return any(
        (t.get("operator") == "Exists" and t.get("key") in (None, taint["key"]))
        or (t.get("key") == taint["key"] and t.get("value", "") == taint.get("value", ""))
        for t in spec.get("tolerations", [])
    )


def _candidates(world: World, spec: dict[str, Any]) -> list[Object]:
    return [
        node
        for node in world.each("v1", "Node")
        if node["metadata"]["name"] not in world.former
        and _selects(spec.get("nodeSelector", {}), node["metadata"]["labels"])
        and _affinity_admits(spec, node["metadata"]["labels"])
        and all(
            _tolerates(spec, taint)
            for taint in node["spec"].get("taints", [])
            if taint["effect"] == "NoSchedule" and not taint["key"].startswith("node.kubernetes.io/")
        )
    ]


def _pod(world: World, owner: Object, slot: str, node: str) -> Object:
    template = owner["spec"]["template"]
    name, replaces = _name(world, owner, slot)
    namespace = owner["metadata"]["namespace"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    spec = {
        **template["spec"],
        "nodeName": node,
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
    }
    spec["tolerations"] = [*spec.get("tolerations", []), *_AUTOMATIC]
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if not node:
        del spec["nodeName"]
    labels = {
        **template["metadata"]["labels"],
        "pod-template-hash": stable_hex(10, namespace, owner["metadata"]["name"]),
    }
    pod = new_object("v1", "Pod", name, namespace, labels=labels, spec=spec, status={})
    annotations = template["metadata"].get("annotations")
    if annotations:
        pod["metadata"]["annotations"] = dict(annotations)
    pod["metadata"]["generateName"] = name.rsplit("-", 1)[0] + "-"
    pod["metadata"]["ownerReferences"] = [reference]
    pod["metadata"]["creationTimestamp"] = rfc3339(
        (world.changed_at or world.now) if replaces else world.epoch - 82_000
    )
    pod["metadata"]["uid"] = stable_uid(world.plan.scenario, "pod", namespace, name)
    return pod


def _name(world: World, owner: Object, slot: str) -> tuple[str, bool]:
    """The name of the owner's pod in `slot`, and whether it replaces one that was deleted."""
    meta = owner["metadata"]
    for attempt in range(len(world.deleted_pods) + 1):
        name = f"{meta['name']}-{name_suffix(5, world.plan.scenario, meta['name'], slot, str(attempt))}"
        if (meta["namespace"], name) not in world.deleted_pods:
            return name, attempt > 0
    raise AssertionError("more names are taken than pods were deleted")


def _owned(world: World, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [
        p
        for p in world.each("v1", "Pod", owner["metadata"]["namespace"])
        if any(r["uid"] == uid for r in p["metadata"].get("ownerReferences", []))
    ]


def run_daemon_sets(world: World) -> None:
    for owner in list(world.each("apps/v1", "DaemonSet")):
        wanted = {n["metadata"]["name"] for n in _candidates(world, owner["spec"]["template"]["spec"])}
        for pod in _owned(world, owner):
            node = pod["spec"]["nodeName"]
            if node not in wanted:
                world.delete("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
            wanted.discard(node)
        for node in sorted(wanted):
            world.put(_pod(world, owner, node, node))


def run_deployments(world: World) -> None:
    for owner in list(world.each("apps/v1", "Deployment")):
        name, namespace = owner["metadata"]["name"], owner["metadata"]["namespace"]
        number = stable_hex(10, namespace, name)
        set_name = f"{name}-{number[:9]}"
        replica_set = world.find("apps/v1", "ReplicaSet", set_name, namespace) or new_object(
            "apps/v1",
            "ReplicaSet",
            set_name,
            namespace,
            labels={**owner["metadata"]["labels"], "pod-template-hash": number},
            spec={"selector": owner["spec"]["selector"]},
            status={},
        )
        replica_set["spec"] |= {"replicas": owner["spec"]["replicas"], "template": owner["spec"]["template"]}
        replica_set["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": name,
                "uid": owner["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        world.put(replica_set)
        nodes = _candidates(world, owner["spec"]["template"]["spec"])
        slots = {_name(world, replica_set, str(i))[0]: str(i) for i in range(owner["spec"]["replicas"])}
        for pod in _owned(world, replica_set):
            if pod["metadata"]["name"] not in slots:
                world.delete("v1", "Pod", pod["metadata"]["name"], namespace)
        for place, (pod_name, slot) in enumerate(slots.items()):
            if world.find("v1", "Pod", pod_name, namespace) is None:
                node = nodes[place % len(nodes)]["metadata"]["name"] if nodes else ""
                world.put(_pod(world, replica_set, slot, node))


def workload_status(world: World) -> None:
    """Counts in the status of DaemonSets, Deployments and ReplicaSets."""
    for kind in ("DaemonSet", "ReplicaSet", "Deployment"):
        for owner in world.each("apps/v1", kind):
            holder = owner
            if kind == "Deployment":
                meta = owner["metadata"]
                name = f"{meta['name']}-{stable_hex(10, meta['namespace'], meta['name'])[:9]}"
                holder = world.get("apps/v1", "ReplicaSet", name, owner["metadata"]["namespace"])
            pods = _owned(world, holder)
            ready = sum(is_ready(p) for p in pods)
            if kind == "DaemonSet":
                owner["status"] = {
                    "currentNumberScheduled": len(pods),
                    "desiredNumberScheduled": len(pods),
                    "numberAvailable": ready,
                    "numberMisscheduled": 0,
                    "numberReady": ready,
                    "numberUnavailable": len(pods) - ready,
                    "observedGeneration": 1,
                    "updatedNumberScheduled": len(pods),
                }
            else:
                owner["status"] = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
                owner["status"]["observedGeneration"] = 1
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
                if address and _selects(selector, pod["metadata"].get("labels", {})):
                    endpoints.append(_endpoint(pod, address))
        elif name == "kubernetes":
            endpoints = [{"addresses": [world.plan.api_host], "conditions": {"ready": True}}]
        ports = [
            {"name": p.get("name", ""), "port": p["targetPort"], "protocol": p["protocol"]}
            for p in service["spec"]["ports"]
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
