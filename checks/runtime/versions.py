"""Which runtime of which version a node has, and what Kubernetes needs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import node_object
from checks.effects import NO_RUNTIME
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said, Skip
from checks.runtime.services import reports_docker
from checks.versions import minor, numbers
from checks.workload.configured import shared_network
from checks.workload.edits import new_pod
from facts.access import ThisNode
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import Pods
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd
from facts.node.windows import Services

_DOCKERSHIM_ENDS = 24
_CRI_V1 = 26


def _reports(runtime: str, kubelet: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        info = replace(found.status.node_info, container_runtime_version=runtime, kubelet_version=kubelet)
        return replace(found, status=replace(found.status, node_info=info))

    return node_object(edit)


@check(
    "runtime.which",
    title="The kubelet has a runtime that its version supports",
    severity=INFO,
    cases=[
        Case(
            "Docker on 1.24",
            CLASSIC_2019,
            (_reports("docker://20.10.9", "v1.24.1"),),
            finds="node",
            severity=ERROR,
        ),
        Case("Docker on 1.18", CLASSIC_2019, (_reports("docker://19.3.18", "v1.18.20"),), quiet=True),
        Case(
            "Docker by way of cri-dockerd",
            FLANNEL_2022,
            (
                _reports("docker://24.0.7", "v1.31.4"),
                fields(Kubelet, flags={"container-runtime-endpoint": "npipe:////./pipe/cri-dockerd"}),
            ),
            quiet=True,
        ),
        Case(
            "Docker on 1.31, and what the kubelet asks is not known",
            FLANNEL_2022,
            (_reports("docker://24.0.7", "v1.31.4"), fails(Kubelet)),
            unknown=True,
        ),
    ],
)
def which(node: ThisNode, services: Services | Failed, kubelet: Kubelet | Failed) -> Iterator[Said]:
    """The runtime decides which half of the diagnostics applies; since 1.24 the kubelet cannot drive Docker itself.

    Rule: the node reports docker:// and its kubelet is 1.24 or newer, and no cri-dockerd stands between them.
    Remedy: Move the node to containerd (drain, install, `kubeadm join` again).
    Confused with: Docker that is installed beside containerd: the node reports containerd:// then.
    Source: Kubernetes documentation, "Dockershim Removal FAQ"; "Windows containers in Kubernetes".
    """
    info = node.object.status.node_info
    number = minor(info.kubelet_version)
    if not reports_docker(node) or number is None or number < _DOCKERSHIM_ENDS:
        return
    between = isinstance(services, Services) and services.named("cri-dockerd", "cri-docker") is not None
    endpoint = (
        kubelet.setting("container-runtime-endpoint", "containerRuntimeEndpoint")
        if isinstance(kubelet, Kubelet)
        else ""
    )
    if between or "cri-dockerd" in str(endpoint or ""):
        return
    if isinstance(kubelet, Failed):
        yield CannotTell(
            f"Whether the kubelet asks cri-dockerd is not known: {kubelet.why}", hint=kubelet.hint
        )
        return
    yield Problem(
        f"{node.name} uses {info.container_runtime_version}, and kubelet {info.kubelet_version} cannot drive Docker.",
        severity=ERROR,
        proof={
            ThisNode: f"containerRuntimeVersion {info.container_runtime_version}, kubeletVersion {info.kubelet_version}"
        },
    )


def _version(node: ThisNode, containerd: Containerd | Failed) -> tuple[tuple[int, ...], str]:
    """containerd's version as numbers and text, from its program, else from what the kubelet reports."""
    reported = node.object.status.node_info.container_runtime_version.partition("containerd://")[2]
    text = (containerd.version if isinstance(containerd, Containerd) else "") or reported
    return numbers(text)[:2], text


def _by_container(draft: Draft) -> None:
    """The last pod's securityContext says nothing; its containers' do."""
    *rest, last = draft.get(Pods).items
    draft.put(Pods, Pods((*rest, replace(last, spec=replace(last.spec, security_context=None)))))


@check(
    "runtime.containerd.version-hpc",
    title="containerd is new enough for HostProcess pods",
    severity=ERROR,
    cases=[
        Case("1.5", FLANNEL_2022, (fields(Containerd, version="1.5.18"),), finds="node", severity=ERROR),
        Case("1.6", FLANNEL_2019, (fields(Containerd, version="1.6.36"),), finds="node", severity=WARN),
        Case("2.0", FLANNEL_2022, (fields(Containerd, version="2.0.1"),), quiet=True),
        Case(
            "only containers of the pod ask for it",
            FLANNEL_2022,
            (
                fields(Containerd, version="1.5.18"),
                fields(Pods, items=()),
                new_pod("agent", host_process=True),
                _by_container,
            ),
            finds="node",
        ),
        Case(
            "no HostProcess pods",
            FLANNEL_2022,
            (fields(Containerd, version="1.5.18"), fields(Pods, items=())),
            quiet=True,
        ),
    ],
)
def version_hpc(node: ThisNode, containerd: Containerd, pods: Pods) -> Iterator[Said]:
    """HostProcess pods (flannel, kube-proxy, Calico) fail, or see their files at another path.

    Rule: HostProcess pods are meant for the node and containerd is older than 1.6 (error), or it is 1.6 (warn): there
    volumes are not bound to their paths, only found below $CONTAINER_SANDBOX_MOUNT_POINT.
    Remedy: Drain the node, stop the kubelet, run `Install-Containerd.ps1 -ContainerDVersion VERSION` with the latest
    1.7 or 2.x, start the kubelet, uncordon.
    Confused with: the feature gate WindowsHostProcessContainers, which is on since 1.23.
    Source: Kubernetes documentation, "Create a Windows HostProcess Pod"; the 1.6 layout partly from experience.
    """
    # Containers may ask for it one by one; on Windows nothing else can be on the host's network.
    host_process = [p.metadata.name for p in pods.on(node.name) if shared_network(p)]
    if not host_process:
        yield Skip("No HostProcess pod is meant for this node.")
        return
    version, text = _version(node, containerd)
    if not version:
        yield CannotTell("containerd does not tell its version.")
    elif version < (1, 7):
        old = version < (1, 6)
        what = (
            "cannot run HostProcess pods" if old else "lays out the files of HostProcess pods in the old way"
        )
        yield Problem(
            f"containerd {text} on {node.name} {what}; {len(host_process)} of them are meant for it.",
            severity=ERROR if old else WARN,
            proof={Containerd: f"version {text}", Pods: ", ".join(host_process[:5])},
        )


@check(
    "runtime.containerd.version-cri",
    title="containerd speaks the CRI that the kubelet needs",
    severity=ERROR,
    explains=[*NO_RUNTIME, cause_of("runtime.containerd.version-hpc")],
    cases=[
        Case("1.5 with 1.31", FLANNEL_2022, (fields(Containerd, version="1.5.18"),), finds="node"),
        Case("1.6 with 1.31", FLANNEL_2022, (fields(Containerd, version="1.6.36"),), quiet=True),
        Case(
            "1.5 with 1.25",
            FLANNEL_2022,
            (fields(Containerd, version="1.5.18"), fields(Kubelet, version="v1.25.3")),
            quiet=True,
        ),
    ],
)
def version_cri(node: ThisNode, containerd: Containerd, kubelet: Kubelet | Failed) -> Iterator[Said]:
    """The kubelet ends at its start.

    Rule: containerd is older than 1.6, which has no CRI v1, and the kubelet is 1.26 or newer, which knows no other.
    Remedy: Drain, stop the kubelet, install containerd 1.7 or 2.x, start the kubelet, uncordon.
    Confused with: a wrong pipe: the line begins the same (`validate CRI v1 runtime API for endpoint`) and ends
    otherwise.
    Source: kubernetes/kubernetes, staging/src/k8s.io/cri-client/pkg/remote_runtime.go.
    """
    version, text = _version(node, containerd)
    told = kubelet.version if isinstance(kubelet, Kubelet) else ""
    told = told or node.object.status.node_info.kubelet_version
    number = minor(told)
    if not version or number is None:
        yield CannotTell("The version of containerd or of the kubelet is not known.")
    elif version < (1, 6) and number >= _CRI_V1:
        yield Problem(
            f"containerd {text} on {node.name} has no CRI v1, and kubelet {told} needs it.",
            proof={Containerd: f"version {text}", Kubelet: f"version {told}"},
        )
