"""The practice cluster as data: API objects, machines, and what the daemons on them remember.

Causes are the parts that people and setup scripts set: specs and ConfigMaps, files, registry, services, images,
clocks. Consequences (status, conditions, events, HNS objects, logs) are made by `derive`. What a daemon did once
and would not do again by itself (HNS objects that somebody deletes behind its back) is kept in `NodeMemory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.world.images import Image, registries
from lab.world.machine import Machine
from lab.world.pki import Pki
from lab.world.text import rfc3339, stable_uid

Object = dict[str, Any]
Key = tuple[str, str, str, str]  # apiVersion, kind, namespace ("" for cluster scope), name


@dataclass(frozen=True)
class Plan:
    """The constants of a scenario: how this cluster was meant to be."""

    scenario: str
    version: str  # v1.31.4
    api_host: str
    api_port: int
    pod_cidr: str
    service_cidr: str
    dns_ip: str
    classic: bool  # Docker, C:\\k and nssm instead of containerd, kubeadm and HostProcess pods
    domain: str = "cluster.local"
    pause: str = "registry.k8s.io/pause:3.10"
    flannel_namespace: str = "kube-flannel"

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])

    @property
    def api_url(self) -> str:
        return f"https://{self.api_host}:{self.api_port}"


@dataclass
class LinuxNode:
    """A Linux node: only what Windows nodes notice of it."""

    name: str
    address: str
    device: str = "eth0"
    flannel_address: str = ""  # the address that flannel chose, if it is not the node's
    os_image: str = "Ubuntu 22.04.5 LTS"
    kernel: str = "5.15.0-126-generic"
    runtime: str = "containerd://1.7.22"
    flannel_conf: dict[str, Any] = field(default_factory=dict)  # net-conf in use since flanneld's last start
    vtep_mac: str = "5a:1c:0f:3e:77:21"
    boot: float = -900_000.0
    running: bool = True


@dataclass
class Sandbox:
    """A pod sandbox on a node. `ip` is empty on the host network."""

    id: str
    pod: tuple[str, str]  # namespace, name
    uid: str
    created: float  # seconds since the epoch
    ip: str = ""
    endpoint: str = ""  # id of the HNS endpoint
    ready: bool = True


@dataclass
class Daemon:
    """What a running daemon remembers of its own work. A new `incarnation` starts from nothing."""

    incarnation: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    exit: str = ""  # the last line before it exited; empty while it runs


@dataclass
class NodeMemory:
    """What the daemons of one node keep between two derivations."""

    sandboxes: dict[str, Sandbox] = field(default_factory=dict)  # pod uid → sandbox
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)  # pod uid → (event reason, message)
    daemons: dict[str, Daemon] = field(default_factory=dict)
    last_post: float | None = None  # when the kubelet last reached the API server; None: it does so now
    pulled: dict[str, str] = field(default_factory=dict)  # image reference → digest that is on disk
    pulls: dict[str, float] = field(default_factory=dict)  # image reference → when its download began
    runtime_lost: float | None = None  # since when the kubelet has been without its runtime
    ran_full: float | None = None  # when the disk last ran full; it has room again since


@dataclass(frozen=True)
class Forward:
    """What somebody keeps trying: kubectl port-forward to a port of an app's pod on one node."""

    namespace: str
    app: str
    node: str
    port: int


LogLine = tuple[float, str]


@dataclass
class World:
    """The whole practice cluster at one moment of the lab's clock (`now`, seconds since the epoch)."""

    plan: Plan
    now: float
    epoch: float  # what the relative times of the machines count from
    pki: Pki
    objects: dict[Key, Object] = field(default_factory=dict)
    windows: dict[str, Machine] = field(default_factory=dict)
    linux: dict[str, LinuxNode] = field(default_factory=dict)
    memory: dict[str, NodeMemory] = field(default_factory=dict)
    logs: dict[tuple[str, str, str], list[LogLine]] = field(default_factory=dict)  # (ns, pod, container)
    registries: dict[str, Image] = field(default_factory=registries)  # what a pull finds, by reference
    # Pairs of nodes between whose addresses the network below drops UDP 4789: a security group, NSX.
    no_tunnel: set[frozenset[str]] = field(default_factory=set)
    port_forwards: list[Forward] = field(default_factory=list)
    downlink: dict[str, float] = field(
        default_factory=dict
    )  # node → bytes a second of its pulls; else at once
    appetite: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # (namespace, app) → CPUs that a pod takes
    former: dict[str, str] = field(
        default_factory=dict
    )  # name under which a machine joined before → its name now
    deleted_pods: set[tuple[str, str]] = field(
        default_factory=set
    )  # (namespace, name): names are not used twice
    revisions: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # (namespace, Deployment) → its ReplicaSet, once people have written another template
    unregistered: dict[str, tuple[float, Object]] = field(
        default_factory=dict
    )  # nodes whose Node somebody deleted: when, and what it was
    changed_at: float = 0.0  # when the latest edit took effect: transitions are dated with it

    def get(self, api: str, kind: str, name: str, namespace: str = "") -> Object:
        """The object; KeyError if there is none."""
        return self.objects[(api, kind, namespace, name)]

    def find(self, api: str, kind: str, name: str, namespace: str = "") -> Object | None:
        return self.objects.get((api, kind, namespace, name))

    def put(self, item: Object) -> Object:
        """Add or replace an object; uid and creationTimestamp are filled in."""
        meta = item["metadata"]
        key = key_of(item)
        before = self.objects.get(key)
        if before is not None:
            meta.setdefault("uid", before["metadata"]["uid"])
            meta.setdefault("creationTimestamp", before["metadata"]["creationTimestamp"])
        meta.setdefault("uid", stable_uid(self.plan.scenario, *key))
        meta.setdefault("creationTimestamp", rfc3339(self.now - 86_400 * 30))
        self.objects[key] = item
        return item

    def delete(self, api: str, kind: str, name: str, namespace: str = "") -> None:
        self.objects.pop((api, kind, namespace, name), None)

    def each(self, api: str, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """All objects of a kind, in the order of namespace and name."""
        for key in sorted(self.objects):
            if key[0] == api and key[1] == kind and namespace in (None, key[2]):
                yield self.objects[key]

    def pods_on(self, node: str) -> list[Object]:
        return [p for p in self.each("v1", "Pod") if p["spec"].get("nodeName") == node]

    def node_memory(self, node: str) -> NodeMemory:
        return self.memory.setdefault(node, NodeMemory())

    def daemon(self, node: str, name: str) -> Daemon:
        return self.node_memory(node).daemons.setdefault(name, Daemon())

    def config_map(self, namespace: str, name: str) -> Object | None:
        return self.find("v1", "ConfigMap", name, namespace)


def key_of(item: Object) -> Key:
    meta = item["metadata"]
    return (item["apiVersion"], item["kind"], meta.get("namespace", ""), meta["name"])


def new_object(
    api: str,
    kind: str,
    name: str,
    namespace: str = "",
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    created: float | None = None,
    **rest: Any,
) -> Object:
    """An object in the API's JSON shape; `rest` becomes spec, data, status, …"""
    meta: dict[str, Any] = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    if annotations:
        meta["annotations"] = dict(annotations)
    if created is not None:
        meta["creationTimestamp"] = rfc3339(created)
    return {"apiVersion": api, "kind": kind, "metadata": meta, **rest}
