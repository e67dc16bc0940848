"""What the node says it has, and what it is short of."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import condition, node_object
from checks.finding import ERROR, WARN, Problem, Said
from checks.versions import amount, minor
from facts.access import ThisNode
from facts.cluster.objects import NodeObject
from facts.examples import CLASSIC_2019, FLANNEL_2022

_MEMORY_SINCE = 31  # the first version whose Windows kubelet measures memory pressure


@check(
    "node.conditions.pressure",
    title="The node is not short of disk or memory",
    severity=WARN,
    explains=[cause_of("image.pause.gc", when=lambda cause, effect: "DiskPressure" in cause.message)],
    cases=[
        Case("disk", FLANNEL_2022, (node_object(condition("DiskPressure", "True")),), finds="node"),
        Case("memory", FLANNEL_2022, (node_object(condition("MemoryPressure", "True")),), finds="node"),
        Case(
            "memory, before it was measured",
            CLASSIC_2019,
            (node_object(condition("MemoryPressure", "True")),),
            quiet=True,
        ),
        Case("not reported", FLANNEL_2022, (node_object(condition("DiskPressure", "Unknown")),), quiet=True),
    ],
)
def pressure(node: ThisNode) -> Iterator[Said]:
    """The kubelet evicts pods and deletes images, among them a pause image that is not pinned.

    Rule: the condition DiskPressure is True; or MemoryPressure is True and the kubelet is 1.31 or newer (before, it
    is not measured on Windows). PIDPressure is never set there.
    Remedy: Disk: a larger system drive, or images that nobody uses: `crictl rmi --prune` (with Docker `docker image
    prune -a`), which also takes a pause image that no pod holds. Memory: since 1.31 committed memory counts, so a
    larger page file helps, or a smaller `evictionHard.memory.available`.
    Confused with: NotReady: a node under pressure goes on running pods.
    Source: Kubernetes documentation, "Node-pressure Eviction"; https://github.com/kubernetes/kubernetes/pull/122922.
    """
    version = minor(node.object.status.node_info.kubelet_version) or 0
    for kind in ("DiskPressure", "MemoryPressure"):
        found = node.object.condition(kind)
        if found is None or found.status != "True" or (kind == "MemoryPressure" and version < _MEMORY_SINCE):
            continue
        said = f"{kind}=True reason={found.reason} message={found.message}"
        yield Problem(
            f"{node.name} reports {kind}: {found.message or 'the kubelet evicts pods'}",
            proof={ThisNode: said},
        )


def _capacity(**values: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        capacity = {**found.status.capacity, **{k.replace("_", "-"): v for k, v in values.items()}}
        return replace(found, status=replace(found.status, capacity=capacity))

    return node_object(edit)


@check(
    "node.capacity.zero",
    title="The node has CPU, memory and disk to give",
    severity=ERROR,
    cases=[
        Case("no memory", FLANNEL_2022, (_capacity(memory="0"),), finds="node"),
        Case("no disk", CLASSIC_2019, (_capacity(ephemeral_storage="0"),), finds="node"),
        Case("no huge pages", FLANNEL_2022, (_capacity(hugepages_2Mi="0"),), quiet=True),
    ],
)
def capacity_zero(node: ThisNode) -> Iterator[Said]:
    """The scheduler sees nothing to give on this node: no pod comes.

    Rule: `status.capacity` has no cpu, memory or ephemeral-storage, or one of them is 0.
    Remedy: Restart the runtime, then the kubelet: `Restart-Service containerd -Force; Restart-Service kubelet` (docker
    instead of containerd where that is the runtime: its containers end with it); look whether vmcompute runs.
    Confused with: a ResourceQuota, which admits no pod to a namespace; and the event InvalidDiskCapacity right after
    a start, which goes away.
    Source: experience; the kubelet takes these numbers from the runtime's statistics.
    """
    capacity = node.object.status.capacity
    needed = ("cpu", "memory", "ephemeral-storage")
    empty = [name for name in needed if name not in capacity or amount(capacity[name]) == 0]
    if empty:
        said = ", ".join(f"{name} {capacity.get(name, 'missing')}" for name in empty)
        yield Problem(
            f"{node.name} offers nothing of {' and '.join(empty)} to pods ({said}).", proof={ThisNode: said}
        )
