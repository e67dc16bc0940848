"""The parts of Kubernetes objects that kwinnow reads, in the API's own names (camelCase on the wire).

Unknown fields are ignored, missing ones get the default. Field meaning: the Kubernetes API reference.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from targets.target import NodeRef


class Obj(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of everything below."""


class OwnerReference(Obj, frozen=True):
    kind: str = ""
    name: str = ""


class ManagedFields(Obj, frozen=True):
    manager: str = ""
    operation: str = ""
    time: datetime | None = None
    subresource: str = ""


class Metadata(Obj, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()


class WrittenMetadata(Metadata, frozen=True):
    """With who wrote the object, and when. Of every object in a bulk list that would be read for nobody."""

    managed_fields: tuple[ManagedFields, ...] = ()


class Condition(Obj, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_heartbeat_time: datetime | None = None
    last_transition_time: datetime | None = None


class Address(Obj, frozen=True):
    type: str = ""
    address: str = ""


class Taint(Obj, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeInfo(Obj, frozen=True):
    os_image: str = ""
    kernel_version: str = ""
    operating_system: str = ""
    architecture: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    machine_id: str = msgspec.field(default="", name="machineID")
    system_uuid: str = msgspec.field(default="", name="systemUUID")


class NodeSpec(Obj, frozen=True):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    provider_id: str = msgspec.field(default="", name="providerID")


class NodeStatus(Obj, frozen=True):
    conditions: tuple[Condition, ...] = ()
    addresses: tuple[Address, ...] = ()
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}
    node_info: NodeInfo = NodeInfo()


class NodeObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def os(self) -> str:
        """ "windows" or "linux": what the kubelet reports, else the label."""
        return self.status.node_info.operating_system or self.metadata.labels.get("kubernetes.io/os", "")

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.status.conditions if c.type == kind), None)

    def address(self, kind: str = "InternalIP") -> str:
        return next((a.address for a in self.status.addresses if a.type == kind), "")

    @property
    def ref(self) -> NodeRef:
        return NodeRef(self.name, tuple((a.type, a.address) for a in self.status.addresses))


class EnvVar(Obj, frozen=True):
    name: str = ""
    value: str = ""
    value_from: dict[str, Any] | None = None


class ContainerPort(Obj, frozen=True):
    container_port: int = 0
    host_port: int = 0
    protocol: str = "TCP"


class WindowsOptions(Obj, frozen=True):
    host_process: bool | None = None  # None: as the pod says
    run_as_user_name: str = ""


class SecurityContext(Obj, frozen=True):
    windows_options: WindowsOptions | None = None


class Container(Obj, frozen=True):
    name: str = ""
    image: str = ""
    security_context: SecurityContext | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    liveness_probe: dict[str, Any] | None = None
    readiness_probe: dict[str, Any] | None = None
    startup_probe: dict[str, Any] | None = None


class DnsConfig(Obj, frozen=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[EnvVar, ...] = ()


class PodOs(Obj, frozen=True):
    name: str = ""


class Toleration(Obj, frozen=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class PodSpec(Obj, frozen=True):
    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: dict[str, Any] | None = None
    tolerations: tuple[Toleration, ...] = ()
    host_network: bool = False
    security_context: SecurityContext | None = None
    os: PodOs | None = None
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    dns_policy: str = ""
    dns_config: DnsConfig | None = None
    runtime_class_name: str = ""

    @property
    def host_process(self) -> bool:
        """Whether its containers are HostProcess: a container's own word goes before the pod's, and all must agree."""
        pod = _host_process(self.security_context)
        own = [_host_process(c.security_context) for c in (*self.containers, *self.init_containers)]
        return any(pod if one is None else one for one in own) if own else bool(pod)


def _host_process(context: SecurityContext | None) -> bool | None:
    return context.windows_options.host_process if context and context.windows_options else None


class ContainerState(Obj, frozen=True):
    waiting: dict[str, Any] | None = None
    running: dict[str, Any] | None = None
    terminated: dict[str, Any] | None = None


class ContainerStatus(Obj, frozen=True):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodAddress(Obj, frozen=True):
    ip: str = ""


class PodStatus(Obj, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    host_ip: str = msgspec.field(default="", name="hostIP")
    start_time: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    pod_ips: tuple[PodAddress, ...] = msgspec.field(default=(), name="podIPs")  # one of each family

    @property
    def ipv4(self) -> str:
        """The address by which HNS knows the pod, whichever family comes first; else what there is."""
        both = (self.pod_ip, *(a.ip for a in self.pod_ips))
        return next((a for a in both if a and ":" not in a), self.pod_ip)

    @property
    def statuses(self) -> tuple[ContainerStatus, ...]:
        """Of all containers, in the order in which they start."""
        return (*self.init_container_statuses, *self.container_statuses)


class PodObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class PodTemplate(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DaemonSetSpec(Obj, frozen=True):
    template: PodTemplate = PodTemplate()


class DaemonSetObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: DaemonSetSpec = DaemonSetSpec()


class ServicePort(Obj, frozen=True):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(Obj, frozen=True):
    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    external_traffic_policy: str = ""
    internal_traffic_policy: str = ""
    session_affinity: str = ""
    # Since 1.20, one of each family.
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its ClusterIPs, the first family first; none where it is headless."""
        both = dict.fromkeys((self.cluster_ip, *self.cluster_ips))
        return tuple(a for a in both if a not in ("", "None"))

    @property
    def ipv4(self) -> str:
        """The IPv4 ClusterIP, whichever family comes first; empty where there is none."""
        return next((a for a in self.addresses if ":" not in a), "")


class ServiceObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(Obj, frozen=True):
    ready: bool | None = None


class TargetRef(Obj, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class Endpoint(Obj, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    node_name: str = ""
    target_ref: TargetRef | None = None

    @property
    def ready(self) -> bool:
        return self.conditions.ready is not False


class EndpointPort(Obj, frozen=True):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0


class EndpointSliceObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service(self) -> str:
        return self.metadata.labels.get("kubernetes.io/service-name", "")


class EndpointSliceAnswer(Obj, frozen=True):
    """An EndpointSlice as the API sends it: a slice without endpoints or ports holds null, not an empty list."""

    metadata: Metadata = Metadata()
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None

    def read(self) -> EndpointSliceObject:
        return EndpointSliceObject(self.metadata, self.endpoints or (), self.ports or ())


class InvolvedObject(Obj, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class EventSeries(Obj, frozen=True):
    count: int = 0
    last_observed_time: datetime | None = None


class EventObject(Obj, frozen=True):
    """core/v1 Event."""

    metadata: Metadata = Metadata()
    involved_object: InvolvedObject = InvolvedObject()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 1
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None

    @property
    def last(self) -> datetime | None:
        seen = self.series.last_observed_time if self.series else None
        return seen or self.last_timestamp or self.event_time or self.metadata.creation_timestamp


class ConfigMapObject(Obj, frozen=True):
    metadata: WrittenMetadata = WrittenMetadata()
    data: dict[str, str] = {}


class LeaseSpec(Obj, frozen=True):
    holder_identity: str = ""
    renew_time: datetime | None = None


class LeaseObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: LeaseSpec = LeaseSpec()


class VersionInfo(Obj, frozen=True):
    git_version: str = ""
    platform: str = ""
