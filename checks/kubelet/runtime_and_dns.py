"""What the kubelet hands on: the runtime that it asks, the DNS server that it gives to pods."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.dns.served import dns_services
from checks.edits import kubelet_config, kubelet_flags, service
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.kubelet.required import ENDS_KUBELET
from checks.kubelet.settings import doubt, ended_now, worked_out
from checks.runtime.named_pipes import pipe_of
from checks.versions import minor
from facts.access import ThisNode
from facts.cluster.workloads import ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import Kubelet
from facts.node.runtime import Containerd
from facts.node.windows import Services

_LATEST_DOCKERSHIM = 23


@check(
    "kubelet.cri-endpoint",
    title="The kubelet asks for its runtime at the right pipe",
    severity=ERROR,
    explains=ENDS_KUBELET,
    cases=[
        Case(
            "a Linux socket",
            FLANNEL_2022,
            (kubelet_flags(container_runtime_endpoint="unix:///run/containerd/containerd.sock"),),
            finds="node",
        ),
        Case(
            "a pipe that is not there",
            FLANNEL_2022,
            (kubelet_flags(container_runtime_endpoint="npipe:////./pipe/dockershim"),),
            finds="node",
        ),
        Case(
            "fewer slashes",
            FLANNEL_2022,
            (kubelet_flags(container_runtime_endpoint="npipe://./pipe/containerd-containerd"),),
            quiet=True,
        ),
        Case(
            "more slashes, as Calico's guide writes it",
            FLANNEL_2022,
            (kubelet_flags(container_runtime_endpoint="npipe:////.//pipe//containerd-containerd"),),
            quiet=True,
        ),
        Case(
            "not set, and it runs",
            FLANNEL_2019,
            (kubelet_flags(container_runtime_endpoint=None),),
            quiet=True,
        ),
        Case(
            "not set, and it ends",
            FLANNEL_2019,
            (kubelet_flags(container_runtime_endpoint=None), service("kubelet", state="Paused")),
            finds="node",
        ),
        Case(
            "not set, as far as can be seen",
            FLANNEL_2022,
            (
                kubelet_flags(container_runtime_endpoint=None),
                fields(Kubelet, config={}, config_error="line 3"),
            ),
            unknown=True,
        ),
        Case("dockershim needs none", CLASSIC_2019, (), quiet=True),
        Case("not known", FLANNEL_2022, (fails(Kubelet),), unknown=True),
    ],
)
def cri_endpoint(
    node: ThisNode,
    kubelet: Kubelet,
    containerd: Containerd | Failed | NotApplicable,
    services: Services | Failed,
) -> Iterator[Said]:
    """The kubelet cannot find its runtime: it ends at its start, or the node stays NotReady.

    Rule: the endpoint in force begins with unix:// or is no pipe at all, or names a pipe other than
    containerd-containerd that does not exist; or there is none, and the kubelet (1.24 or newer) stands still: without
    one 1.24 to 1.26 end, and later ones ask Linux' socket.
    Remedy: `--container-runtime-endpoint=npipe:////./pipe/containerd-containerd` in kubeadm-flags.env, or
    `containerRuntimeEndpoint` in config.yaml; with kubeadm before 1.25 join with `--cri-socket` and the same value.
    Confused with: containerd that stands still (runtime.containerd.stopped).
    Source: kubernetes-sigs/sig-windows-tools, guides; Azure/AgentBaker, Windows kubelet scripts; kubernetes/kubernetes,
    cmd/kubelet/app/options (`address was not specified or empty`) and pkg/kubelet/apis/config/v1beta1/defaults.go.
    """
    number = minor(kubelet.version or node.object.status.node_info.kubelet_version)
    if (
        number is not None
        and number <= _LATEST_DOCKERSHIM
        and "container-runtime-endpoint" not in kubelet.flags
    ):
        yield Skip("This kubelet uses dockershim, which has no endpoint.")
        return
    value = str(kubelet.setting("container-runtime-endpoint", "containerRuntimeEndpoint") or "").strip("\"'")
    pipe = pipe_of(value)
    unread = doubt(kubelet, node.name, "container-runtime-endpoint")
    if unread:
        yield CannotTell(unread)
        return
    if not value and ended_now(services):
        yield Problem(
            f"The kubelet on {node.name} is told no container runtime endpoint, which is not containerd's pipe then.",
            proof={
                Kubelet: f"neither --container-runtime-endpoint nor the key in {kubelet.config_path or 'a file'}"
            },
        )
    if not value or pipe.lower() == "containerd-containerd":
        return
    proof: dict[type[Fact], str] = {Kubelet: f"container runtime endpoint {value} ({kubelet.found_in})"}
    if not pipe:
        yield Problem(
            f"The kubelet on {node.name} asks for its runtime at {value}, which is no pipe of Windows.",
            proof=proof,
        )
    elif isinstance(containerd, Containerd):
        if pipe.lower() not in (p.lower() for p in containerd.pipes):
            yield Problem(
                f"The kubelet on {node.name} asks for its runtime at {value}, and there is no such pipe.",
                proof=proof,
            )
    else:
        yield CannotTell(f"Whether the pipe {pipe} exists on {node.name} is not known.")


def _ipv6_too(draft: Draft) -> None:
    """The cluster's DNS Service has an address of each family."""

    def edit(found: ServiceObjects) -> ServiceObjects:
        dns = {s.metadata.name for s in dns_services(found)}
        items = (
            replace(s, spec=replace(s.spec, cluster_ips=(s.spec.cluster_ip, "fd00:96::a")))
            if s.metadata.name in dns
            else s
            for s in found.items
        )
        return replace(found, items=tuple(items))

    change(ServiceObjects, edit)(draft)


def _folder(servers: list[str] | None) -> tuple[Change, ...]:
    """--config-dir with one file that names these servers."""
    folder = r"C:\var\lib\rancher\rke2\agent\etc\kubelet.conf.d"
    return (
        kubelet_flags(config=None, config_dir=folder),
        kubelet_config(clusterDNS=servers),
        fields(Kubelet, config_files=(rf"{folder}\00-rke2-defaults.conf",)),
    )


@check(
    "kubelet.cluster-dns-mismatch",
    title="The kubelet gives pods the cluster's DNS server",
    severity=ERROR,
    explains=[cause_of("dns.nameserver")],
    cases=[
        Case("the scripts' default", CLASSIC_2019, (kubelet_flags(cluster_dns="10.96.0.10"),), finds="node"),
        Case("another address", FLANNEL_2022, (kubelet_config(clusterDNS=["10.43.0.10"]),), finds="node"),
        Case("none", FLANNEL_2019, (kubelet_config(clusterDNS=None),), finds="node"),
        Case("one of two", CLASSIC_2019, (kubelet_flags(cluster_dns="169.169.0.100,1.1.1.1"),), quiet=True),
        Case(
            "its address of the second family",
            FLANNEL_2022,
            (_ipv6_too, kubelet_config(clusterDNS=["fd00:96::a"])),
            quiet=True,
        ),
        Case(
            "a variable of start-kubelet.ps1",
            CLASSIC_2019,
            (kubelet_flags(cluster_dns="$KubeDnsServiceIp"), fields(Kubelet, found_in="script")),
            unknown=True,
        ),
        Case("RKE2's folder of files, another address", FLANNEL_2022, _folder(["10.43.0.10"]), finds="node"),
        Case("RKE2's folder of files", FLANNEL_2022, _folder(["10.96.0.10"]), quiet=True),
        Case(
            "a folder of which no file was read",
            FLANNEL_2022,
            (*_folder(None), fields(Kubelet, config_files=())),
            unknown=True,
        ),
        Case("the Service is not known", FLANNEL_2022, (fails(ClusterNetwork),), unknown=True),
        Case(
            "no arguments to be seen",
            FLANNEL_2022,
            (fields(Kubelet, arguments="", flags={}, config={}, config_exists=False),),
            unknown=True,
        ),
    ],
)
def cluster_dns(
    node: ThisNode, kubelet: Kubelet, network: ClusterNetwork, services: ServiceObjects | Failed
) -> Iterator[Said]:
    """Every new pod on this node gets a name server that does not answer.

    Rule: no ClusterIP of the DNS Service is among the kubelet's clusterDNS (flag --cluster-dns before the file). What
    a start script works out from a variable is unknown while the kubelet does not run.
    Remedy: Correct clusterDNS in C:\\var\\lib\\kubelet\\config.yaml or --cluster-dns, `Restart-Service kubelet`, and
    make the pods anew: they keep what they were given.
    Confused with: CoreDNS that does not answer: there the address is right.
    Source: the book chapter's scripts (169.169.0.100 against their default 10.96.0.10); microsoft/SDN, start.ps1.
    """
    if not network.dns_address:
        yield CannotTell("The cluster's DNS Service is not known.", because=network.dns_address.failed)
        return
    unread = doubt(kubelet, node.name, "cluster-dns")
    if unread:
        yield CannotTell(unread)
        return
    value = kubelet.setting("cluster-dns", "clusterDNS")
    servers = (
        [s.strip() for s in value.split(",")] if isinstance(value, str) else [str(s) for s in value or ()]
    )
    wanted = network.dns_address.value
    named = dns_services(services) if isinstance(services, ServiceObjects) else []
    if {wanted, *(a for s in named for a in s.spec.addresses)}.isdisjoint(servers):
        told = next((s for s in servers if worked_out(s)), "")
        if told:
            yield CannotTell(
                f"The start script on {node.name} works out which DNS server pods are given: {told}."
            )
            return
        said = ", ".join(servers) or "no server at all"
        yield Problem(
            f"Pods on {node.name} are told to ask {said}; the cluster's DNS is {wanted}.",
            proof={Kubelet: f"clusterDNS {said}", ClusterNetwork: f"{wanted} ({network.dns_address.origin})"},
        )
