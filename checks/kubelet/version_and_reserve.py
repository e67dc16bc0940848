"""The version of the kubelet, and what it keeps back for Windows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, fails
from checks.check import Case, check
from checks.edits import node_object
from checks.finding import ERROR, WARN, CannotTell, Problem, Said
from checks.versions import amount, minor
from facts.access import ThisNode
from facts.cluster.control_plane import ApiServer
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import Pods
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed


def _reports(version: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        info = replace(found.status.node_info, kubelet_version=version)
        return replace(found, status=replace(found.status, node_info=info))

    return node_object(edit)


@check(
    "kubelet.version-skew",
    title="kubelet and API server are of versions that go together",
    severity=ERROR,
    cases=[
        Case("newer than the API server", FLANNEL_2022, (_reports("v1.33.0"),), finds="node"),
        Case("four behind", FLANNEL_2022, (_reports("v1.27.16"),), finds="node"),
        Case("three behind", FLANNEL_2022, (_reports("v1.28.15"),), quiet=True),
        Case("three behind, before 1.25", CLASSIC_2019, (_reports("v1.15.12"),), finds="node"),
        Case("another patch", FLANNEL_2019, (_reports("v1.31.99"),), quiet=True),
        Case("the API server is not known", FLANNEL_2022, (fails(ApiServer),), unknown=True),
    ],
)
def version_skew(node: ThisNode, api: ApiServer, pods: Pods | Failed) -> Iterator[Said]:
    """Combinations that nobody supports fail where nobody expects it.

    Rule: the kubelet is newer than the API server, or more than 3 minor versions older (2, where the kubelet is older
    than 1.25). The same for the kube-proxy pod of the node against the API server, by its image's tag.
    Remedy: Bring kubelet and kube-proxy to the API server's minor version; never newer.
    Confused with: other patch levels, which always go together.
    Source: Kubernetes documentation, "Version Skew Policy".
    """
    server = minor(api.version)
    parts = [("kubelet", node.object.status.node_info.kubelet_version)]
    for pod in pods.on(node.name) if isinstance(pods, Pods) else ():
        tags = [c.image.rpartition(":")[2] for c in pod.spec.containers if "kube-proxy" in c.image]
        parts += [("kube-proxy", re.split("[-_]", tag)[0]) for tag in tags]
    for what, version in parts:
        number = minor(version)
        if number is None or server is None:
            if what == "kubelet":
                yield CannotTell(
                    f"The version of {what} ({version or 'empty'}) or of the API server is not known."
                )
            continue
        behind = 3 if number >= 25 else 2
        if number > server or server - number > behind:
            how = "newer" if number > server else f"{server - number} minor versions older"
            yield Problem(
                f"{what} {version} on {node.name} is {how} than the API server {api.version}.",
                proof={ThisNode: f"{what} {version}", ApiServer: api.version},
            )


_RESERVED = 2 * 2**30


def _allocatable(memory: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        return replace(
            found, status=replace(found.status, allocatable={**found.status.allocatable, "memory": memory})
        )

    return node_object(edit)


@check(
    "kubelet.reserved",
    title="Memory is kept back for Windows",
    severity=WARN,
    cases=[
        Case("next to nothing", FLANNEL_2022, (_allocatable("16674816Ki"),), finds="node"),
        Case("not reported", FLANNEL_2022, (_allocatable("?"),), unknown=True),
    ],
)
def reserved(node: ThisNode) -> Iterator[Said]:
    """Containers can use up memory that Windows itself needs; then everything on the node slows down.

    Rule: capacity minus allocatable memory of the Node is less than 2 GiB. It is a promise to the scheduler only:
    Windows does not hold containers to it.
    Remedy: `--system-reserved=memory=2Gi`, or `systemReserved: {memory: 2Gi}` in config.yaml, then `Restart-Service
    kubelet`; and give every container a memory limit.
    Confused with: a limit: nothing is enforced by it.
    Source: Kubernetes documentation, "Resource Management for Windows nodes" (2 GiB at least).
    """
    status = node.object.status
    whole, free = amount(status.capacity.get("memory", "")), amount(status.allocatable.get("memory", ""))
    if whole is None or free is None:
        yield CannotTell(f"{node.name} does not report its memory.")
    elif whole - free < _RESERVED:
        said = f"capacity {status.capacity['memory']}, allocatable {status.allocatable['memory']}"
        kept = (whole - free) / 2**20
        yield Problem(
            f"{node.name} keeps only {kept:.0f} MiB of memory for Windows; 2 GiB are advised.",
            proof={ThisNode: said},
        )
