"""Edits for cases: pods, Services, events and logs put into a healthy example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft
from facts.access import Now
from facts.cluster.nodes import Nodes
from facts.cluster.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    DnsConfig,
    Endpoint,
    EndpointPort,
    EndpointSliceObject,
    EnvVar,
    EventObject,
    InvolvedObject,
    Metadata,
    OwnerReference,
    PodObject,
    PodOs,
    PodSpec,
    PodStatus,
    SecurityContext,
    ServiceObject,
    ServicePort,
    ServiceSpec,
    WindowsOptions,
)
from facts.cluster.pod_logs import PodTail, WindowsPodLogs
from facts.cluster.workloads import EndpointSlices, Events, Pods, ServiceObjects

SELECTS_WINDOWS = {"kubernetes.io/os": "windows"}


def new_pod(
    name: str,
    *,
    env: Mapping[str, str] | Sequence[EnvVar] = (),
    args: Sequence[str] = (),
    image: str = "registry.example.com/shop/legacy:1.0",
    host_process: bool = False,
    where: str = "windows",
    selector: Mapping[str, str] | None = None,
    waiting: str = "",
    message: str = "",
    restarts: int = 0,
    ready: bool = True,
    dns_config: DnsConfig | None = None,
    dns_policy: str = "ClusterFirst",
    ip: str = "",
    probe: Sequence[str] = (),
    owner: str = "",
    os_name: str = "windows",
    runtime_class: str = "",
    born_ago: float | None = None,
) -> Change:
    """Put the pod shop/NAME on the draft's node (where="linux": on the first Linux node; "": nowhere yet).

    `waiting` is the reason why its one container waits, `message` what the runtime says; without it, it runs.
    """

    def apply(draft: Draft) -> None:
        nodes = draft.get(Nodes)
        node = {"windows": draft.node, "linux": nodes.linux[0].name}.get(where, "")
        address = next((n.address() for n in nodes.items if n.name == node), "")
        variables = tuple(EnvVar(k, v) for k, v in env.items()) if isinstance(env, Mapping) else tuple(env)
        asked = {"exec": {"command": list(probe)}} if probe else None
        container = Container("app", image, args=tuple(args), env=variables, readiness_probe=asked)
        told = {"reason": waiting, "message": message}
        state = ContainerState(waiting=told) if waiting else ContainerState(running={})
        status = ContainerStatus(
            "app", ready=ready and not waiting, restart_count=restarts, image=image, state=state
        )
        well = "True" if status.ready else "False"
        born = None if born_ago is None else draft.get(Now).utc - timedelta(seconds=born_ago)
        owners = (OwnerReference("ReplicaSet", f"{owner}-5d8c7"),) if owner else ()
        pod = PodObject(
            Metadata(name, "shop", creation_timestamp=born, owner_references=owners),
            PodSpec(
                node_name=node,
                node_selector=dict(SELECTS_WINDOWS if selector is None else selector),
                host_network=host_process,
                security_context=SecurityContext(WindowsOptions(True)) if host_process else None,
                os=PodOs(os_name) if os_name else None,
                containers=(container,),
                dns_policy=dns_policy,
                dns_config=dns_config,
                runtime_class_name=runtime_class,
            ),
            PodStatus(
                phase="Pending" if waiting and not restarts else "Running",
                pod_ip=address if host_process else ip,
                host_ip=address,
                conditions=(Condition("Ready", well),),
                container_statuses=(status,),
            ),
        )
        draft.put(Pods, Pods((*draft.get(Pods).items, pod)))

    return apply


def pod_event(
    pod: str, reason: str, message: str, *, count: int = 12, namespace: str = "shop", ago: float = 0
) -> Change:
    """Put a warning of `ago` seconds before now about NAMESPACE/POD among the events."""

    def apply(draft: Draft) -> None:
        new = event(draft, "Pod", pod, namespace, reason, message, count)
        new = replace(new, last_timestamp=draft.get(Now).utc - timedelta(seconds=ago))
        draft.put(Events, Events((*draft.get(Events).items, new)))

    return apply


def node_event(reason: str, message: str) -> Change:
    """Put a recent warning about the draft's node among the events."""

    def apply(draft: Draft) -> None:
        new = event(draft, "Node", draft.node, "default", reason, message, 3)
        draft.put(Events, Events((*draft.get(Events).items, new)))

    return apply


def event(
    draft: Draft, kind: str, name: str, namespace: str, reason: str, message: str, count: int
) -> EventObject:
    now: datetime = draft.get(Now).utc
    return EventObject(
        Metadata(f"{name}.17a5", namespace),
        InvolvedObject(kind, name, "" if kind == "Node" else namespace),
        reason,
        message,
        "Warning",
        count,
        last_timestamp=now,
    )


def pod_log(pod: str, text: str, *, namespace: str = "shop") -> Change:
    """Give the pod these last lines of log."""

    def apply(draft: Draft) -> None:
        logs = draft.get(WindowsPodLogs)
        draft.put(
            WindowsPodLogs, replace(logs, tails=(*logs.tails, PodTail(namespace, pod, draft.node, text)))
        )

    return apply


def _pod(name: str, edit: Callable[[PodObject], PodObject]) -> Change:
    def apply(draft: Draft) -> None:
        pods = draft.get(Pods).items
        draft.put(Pods, Pods(tuple(edit(p) if p.metadata.name == name else p for p in pods)))

    return apply


def says_so_by_container(name: str) -> Change:
    """The pod's security context stands in each of its containers instead, as the API allows."""

    def edit(pod: PodObject) -> PodObject:
        own = tuple(replace(c, security_context=pod.spec.security_context) for c in pod.spec.containers)
        return replace(pod, spec=replace(pod.spec, containers=own, security_context=None))

    return _pod(name, edit)


def waits_for_init(name: str, image: str, reason: str, message: str = "") -> Change:
    """The pod's first container waits for an init container, which waits for that reason."""

    def edit(pod: PodObject) -> PodObject:
        told = ContainerState(waiting={"reason": reason, "message": message})
        idle = ContainerState(waiting={"reason": "PodInitializing"})
        status = replace(
            pod.status,
            phase="Pending",
            init_container_statuses=(ContainerStatus("init", image=image, state=told),),
            container_statuses=tuple(
                replace(s, ready=False, state=idle) for s in pod.status.container_statuses
            ),
            conditions=(Condition("Ready", "False"),),
        )
        spec = replace(pod.spec, init_containers=(Container("init", image),))
        return replace(pod, spec=spec, status=status)

    return _pod(name, edit)


def new_service(
    name: str,
    cluster_ip: str,
    port: int,
    *,
    node_port: int = 0,
    backend_on: str = "linux",
    local: bool = False,
    protocol: str = "TCP",
    namespace: str = "shop",
    backend_port: str = "http",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    other_ip: str = "",
) -> Change:
    """Put a Service with one ready backend ("linux": on the first Linux node, "windows": on the draft's, "": none).

    `other_ip`: its ClusterIP of the second family.
    """

    def apply(draft: Draft) -> None:
        spec = ServiceSpec(
            "NodePort" if node_port else "ClusterIP",
            cluster_ip,
            (ServicePort("http", protocol, port, port, node_port),),
            external_traffic_policy="Local" if local else "Cluster",
            cluster_ips=(cluster_ip, other_ip) if other_ip else (cluster_ip,),
        )
        meta = Metadata(name, namespace, labels=dict(labels or {}), annotations=dict(annotations or {}))
        service = ServiceObject(meta, spec)
        draft.put(ServiceObjects, ServiceObjects((*draft.get(ServiceObjects).items, service)))
        node = {"linux": draft.get(Nodes).linux[0].name, "windows": draft.node}.get(backend_on, "")
        endpoints = (Endpoint(("10.244.99.9",), node_name=node),) if node else ()
        part = EndpointSliceObject(
            Metadata(f"{name}-x", namespace, labels={"kubernetes.io/service-name": name}),
            endpoints,
            (EndpointPort(backend_port, protocol, port),),
        )
        draft.put(EndpointSlices, EndpointSlices((*draft.get(EndpointSlices).items, part)))

    return apply


def only_pods(keep: str) -> Change:
    """Leave on the draft's node only the pods whose name contains `keep`."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        left = tuple(p for p in pods.items if p.spec.node_name != draft.node or keep in p.metadata.name)
        draft.put(Pods, Pods(left))

    return apply


def without_pods(part: str) -> Change:
    """Take the pods whose name contains `part` off the draft's node."""

    def apply(draft: Draft) -> None:
        pods = draft.get(Pods)
        left = tuple(p for p in pods.items if p.spec.node_name != draft.node or part not in p.metadata.name)
        draft.put(Pods, Pods(left))

    return apply
