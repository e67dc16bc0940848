"""The resolver configuration that pods on the node were given: servers and suffixes of their HNS endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft
from checks.causes import cause_of
from checks.check import check
from checks.dns.cluster_dns import cache_service
from checks.dns.served import dns_services, zones
from checks.dns.symptoms import symptoms
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said
from checks.workload.configured import pod_object, shared_network
from checks.workload.edits import new_pod, pod_log
from facts.access import ThisNode
from facts.cluster.control_plane import CoreDns, KubeadmConfig, KubeletConfigMap
from facts.cluster.nodes import Nodes
from facts.cluster.objects import PodObject
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.effective_cni import EffectiveCni
from facts.fact import Fact, Failed, NotApplicable
from facts.node.hns import Hns, HnsEndpoint
from facts.node.parsing import mapping

NODE_LOCAL_CACHE = "169.254.20.10"


def _asking(node: str, pods: Pods) -> list[PodObject]:
    """The node's pods that use the cluster's DNS. One that has ended keeps its address, which others get by then."""
    return [
        p
        for p in pods.on(node)
        if p.status.pod_ip
        and p.status.phase not in ("Succeeded", "Failed")
        and not shared_network(p)
        and p.spec.dns_policy in ("ClusterFirst", "")
    ]


def pod_endpoints(node: str, pods: Pods, hns: Hns) -> list[tuple[PodObject, HnsEndpoint]]:
    """The pods that use the cluster's DNS, each with its endpoint; those without one are left out."""
    pairs = ((p, hns.endpoint(p.status.ipv4)) for p in _asking(node, pods))
    return [(p, e) for p, e in pairs if e is not None]


def _not_seen(node: str, pods: Pods, hns: Hns) -> Iterator[CannotTell]:
    """Pods are there, and what they were given cannot be seen."""
    asking = _asking(node, pods)
    if asking and not pod_endpoints(node, pods, hns):
        yield CannotTell(
            f"HNS shows no endpoint with the address of any of the {len(asking)} pods on this node "
            f"({asking[0].status.ipv4}, …), so that what they were given is not known.",
            hint="See hns.network.absent and hns.endpoint.state; a pod that has IPv6 alone is not compared.",
        )


def _edit(**values: object) -> Change:
    """For cases: every pod's endpoint on the node gets these values."""

    def apply(draft: Draft) -> None:
        hns = draft.get(Hns)
        addresses = {p.status.pod_ip for p in draft.get(Pods).on(draft.node) if not shared_network(p)}
        edited = tuple(
            replace(e, **values) if e.ip in addresses and not e.remote else e for e in hns.endpoints
        )
        draft.put(Hns, replace(hns, endpoints=edited))

    return apply


def _ended(draft: Draft) -> None:
    """A Job's pod of another namespace has ended; a pod that runs has its address now."""
    pods = draft.get(Pods)
    alive = next(p for p in pods.on(draft.node) if draft.get(Hns).endpoint(p.status.pod_ip))
    status = replace(alive.status, phase="Succeeded")
    gone = replace(
        alive, metadata=replace(alive.metadata, name="job", namespace="batch", uid="j"), status=status
    )
    draft.put(Pods, Pods((*pods.items, gone)))


def _absent(fact: type[Fact]) -> Change:
    return lambda draft: draft.put(fact, NotApplicable("There is no such ConfigMap."))


def _no_endpoints(draft: Draft) -> None:
    draft.put(Hns, replace(draft.get(Hns), endpoints=()))


def _names(found: list[tuple[PodObject, HnsEndpoint]]) -> str:
    shown = ", ".join(f"{p.metadata.namespace}/{p.metadata.name} ({e.ip})" for p, e in found[:3])
    return shown if len(found) <= 3 else f"{shown} and {len(found) - 3} more"


def _source(cni: EffectiveCni | Failed | NotApplicable) -> str:
    """Where the endpoints' DNS should come from, by the CNI configuration; empty where nothing is amiss or known."""
    conf = cni.conf if isinstance(cni, EffectiveCni) else None
    if conf is None or mapping(conf.plugin.get("capabilities")).get("dns") is True:
        return ""
    if not conf.plugin.get("dns") and not conf.delegate.get("dns"):
        return f"{conf.directory}\\{conf.name}: neither capabilities.dns nor static dns"
    return f"{conf.directory}\\{conf.name}: no capabilities.dns, so that its static dns is used"


def _proof(words: str, cni: EffectiveCni | Failed | NotApplicable) -> dict[type[Fact], str]:
    proof: dict[type[Fact], str] = {Hns: words}
    source = _source(cni)
    if source:
        proof[EffectiveCni] = source
    return proof


@check(
    "dns.suffix.endpoint-empty",
    title="Pods on the node were given DNS servers and a suffix",
    severity=ERROR,
    cases=[
        Case(
            "nothing at all",
            FLANNEL_2022,
            (_edit(dns_servers=(), dns_suffixes=()),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "servers without a suffix", CLASSIC_2019, (_edit(dns_suffixes=()),), finds="node", severity=WARN
        ),
        Case("the pods' endpoints are not to be seen", FLANNEL_2022, (_no_endpoints,), unknown=True),
    ],
)
def endpoint_empty(
    node: ThisNode, pods: Pods, hns: Hns, cni: EffectiveCni | Failed | NotApplicable
) -> Iterator[Said]:
    """A Windows pod has no resolv.conf: what it knows of DNS stands in its HNS endpoint, and the CNI plug-in put it
    there.

    Rule: the endpoint of a pod with dnsPolicy ClusterFirst has no DNS server: error; a server and no suffix: warn.
    Remedy: add `"capabilities": {"dns": true}` to the plug-in in the node's CNI configuration, so that the runtime
    passes the kubelet's settings, and recreate the pods.
    Confused with: a server that is there and wrong (dns.nameserver).
    Source: containernetworking/plugins pkg/hns; https://github.com/kubernetes/kubernetes/issues/66801.
    """
    yield from _not_seen(node.name, pods, hns)
    known = pod_endpoints(node.name, pods, hns)
    deaf = [f for f in known if not f[1].dns_servers]
    bare = [f for f in known if f[1].dns_servers and not f[1].dns_suffixes]
    if deaf:
        yield Problem(
            f"{len(deaf)} of {len(known)} pods on this node have no DNS server in their endpoint: {_names(deaf)}.",
            proof=_proof(
                f"endpoint {deaf[0][1].ip}: no DNS servers, suffixes {', '.join(deaf[0][1].dns_suffixes) or 'none'}",
                cni,
            ),
        )
    if bare and not deaf:
        yield Problem(
            f"{len(bare)} of {len(known)} pods on this node have no DNS suffix: names without a dot do not "
            f"resolve ({_names(bare)}).",
            severity=WARN,
            proof=_proof(
                f"endpoint {bare[0][1].ip}: servers {', '.join(bare[0][1].dns_servers)}, no suffix", cni
            ),
        )


# RKE2 and others keep their Corefile elsewhere, and kubeadm did not make their cluster.
_NAMELESS: tuple[Change, ...] = tuple(_absent(fact) for fact in (CoreDns, KubeadmConfig, KubeletConfigMap))


def _other_domain(draft: Draft) -> None:
    """Every pod was given corp.example, and no object that kwinnow reads names it."""
    for absent in _NAMELESS:
        absent(draft)
    hns = draft.get(Hns)
    there = tuple(
        replace(e, dns_suffixes=tuple(s.replace("cluster.local", "corp.example") for s in e.dns_suffixes))
        for e in hns.endpoints
    )
    draft.put(Hns, replace(hns, endpoints=there))


@check(
    "dns.suffix.endpoint-namespace",
    title="The first suffix of each pod is its namespace's",
    severity=ERROR,
    cases=[
        Case(
            "svc.cluster.local from a static file",
            CLASSIC_2019,
            (_edit(dns_suffixes=("svc.cluster.local",)),),
            finds="node",
        ),
        Case(
            "another namespace's",
            FLANNEL_2022,
            (_edit(dns_suffixes=("default.svc.cluster.local",)),),
            finds="node",
        ),
        Case("a pod that has ended, whose address another has now", FLANNEL_2022, (_ended,), quiet=True),
        Case("a domain that nobody names, as with RKE2", FLANNEL_2022, (_other_domain,), quiet=True),
        Case(
            "the namespace is wrong, and nobody names the domain",
            FLANNEL_2022,
            (_edit(dns_suffixes=("default.svc.corp.example",)), *_NAMELESS),
            finds="node",
        ),
        Case("the pods' endpoints are not to be seen", CLASSIC_2019, (_no_endpoints,), unknown=True),
    ],
)
def endpoint_namespace(
    node: ThisNode,
    pods: Pods,
    hns: Hns,
    network: ClusterNetwork,
    coredns: CoreDns | Failed | NotApplicable,
    cni: EffectiveCni | Failed | NotApplicable,
) -> Iterator[Said]:
    """Windows appends a pod's first suffix to names without a dot. If it is not the pod's own namespace, not even
    SERVICE resolves.

    Rule: the first suffix of a pod's endpoint is not NAMESPACE.svc.DOMAIN (pods with dnsPolicy ClusterFirst that have
    not ended). Where nobody names the domain, only NAMESPACE.svc is compared.
    Remedy: let the runtime pass DNS: `"capabilities": {"dns": true}` in the CNI configuration instead of a static
    Search, then recreate the pods; or write full names everywhere.
    Confused with: names with a dot, which fail by design.
    Source: microsoft/SDN Kubernetes/windows/helper.psm1;
    https://github.com/Azure/azure-container-networking/issues/206.
    """
    yield from _not_seen(node.name, pods, hns)
    known = [f for f in pod_endpoints(node.name, pods, hns) if f[1].dns_suffixes]
    served = zones(network, coredns)

    def wanted(pod: PodObject) -> str:
        return f"{pod.metadata.namespace}.svc.{served[0] if served else 'DOMAIN'}"

    def right(pod: PodObject, suffix: str) -> bool:
        own, name = f"{pod.metadata.namespace}.svc.", suffix.lower().rstrip(".")
        return name in {own + zone for zone in served} if served else name.startswith(own)

    wrong = [(p, e) for p, e in known if not right(p, e.dns_suffixes[0])]
    if wrong:
        pod, endpoint = wrong[0]
        yield Problem(
            f"{len(wrong)} of {len(known)} pods on this node have the wrong first DNS suffix: "
            f"{pod.metadata.namespace}/{pod.metadata.name} has {endpoint.dns_suffixes[0]} instead of {wanted(pod)}.",
            proof=_proof(f"endpoint {endpoint.ip}: suffixes {', '.join(endpoint.dns_suffixes)}", cni),
        )


@check(
    "dns.nameserver",
    title="Pods on the node ask the cluster's DNS Service",
    severity=ERROR,
    # With the wrong server no suffix helps; both come from one static dns section.
    explains=[cause_of("dns.suffix.endpoint-namespace")],
    cases=[
        Case("the address of the guide", CLASSIC_2019, (_edit(dns_servers=("10.96.0.10",)),), finds="node"),
        Case(
            "a node-local cache, which Windows does not have",
            FLANNEL_2022,
            (_edit(dns_servers=(NODE_LOCAL_CACHE,)),),
            finds="node",
        ),
        Case(
            "two Services carry the label, and pods ask one of them",
            FLANNEL_2022,
            (cache_service,),
            quiet=True,
        ),
        Case("the pods' endpoints are not to be seen", FLANNEL_2022, (_no_endpoints,), unknown=True),
    ],
)
def name_server(
    node: ThisNode,
    pods: Pods,
    hns: Hns,
    network: ClusterNetwork,
    services: ServiceObjects | Failed,
    cni: EffectiveCni | Failed | NotApplicable,
) -> Iterator[Said]:
    """The address that a pod asks must be the ClusterIP of the cluster's DNS.

    Rule: the DNS servers of a pod's endpoint (dnsPolicy ClusterFirst) do not hold the ClusterIP of a Service with the
    label k8s-app=kube-dns.
    169.254.20.10 is the node-local cache of Linux nodes, for which Windows has no counterpart.
    Remedy: set the kubelet's clusterDNS to the ClusterIP (`kubectl -n kube-system get svc kube-dns`), correct
    Nameservers in a static CNI configuration, restart the kubelet and recreate the pods.
    Confused with: a DNS Service without backends (dns.coredns-health).
    Source: microsoft/SDN Kubernetes/windows/helper.psm1.
    """
    yield from _not_seen(node.name, pods, hns)
    known = [f for f in pod_endpoints(node.name, pods, hns) if f[1].dns_servers]
    if known and not network.dns_address:
        yield CannotTell(
            "The address of the cluster's DNS Service is not known.", because=network.dns_address.failed
        )
        return
    named = dns_services(services) if isinstance(services, ServiceObjects) else []
    right = {network.dns_address.value, *(address for s in named for address in s.spec.addresses)}
    wrong = [(p, e) for p, e in known if right.isdisjoint(e.dns_servers)]
    if wrong:
        pod, endpoint = wrong[0]
        asked = ", ".join(endpoint.dns_servers)
        cache = (
            " (the node-local cache, which does not exist on Windows)"
            if NODE_LOCAL_CACHE in endpoint.dns_servers
            else ""
        )
        yield Problem(
            f"{len(wrong)} of {len(known)} pods on this node ask {asked}{cache}; the cluster's DNS is "
            f"{network.dns_address.value}.",
            proof=_proof(f"endpoint {endpoint.ip} of {pod.metadata.name}: servers {asked}", cni)
            | {ClusterNetwork: f"DNS {network.dns_address.value} ({network.dns_address.origin})"},
        )


@check(
    "dns.suffix.list-passed",
    title="The search list of a pod is not what its failing names need",
    severity=INFO,
    cases=[
        Case(
            "three suffixes, and the dotted name fails",
            FLANNEL_2022,
            (
                new_pod("app", ready=False, restarts=4, ip="10.244.1.77"),
                pod_log("app", "fail: No such host is known. (api.shop:8080)"),
                lambda d: _added(
                    d, "10.244.1.77", ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
                ),
            ),
            finds="shop/app",
        ),
        Case("three suffixes, nothing fails", FLANNEL_2022, (), quiet=True),
    ],
)
def list_passed(
    node: ThisNode,
    pods: Pods,
    nodes: Nodes,
    services: ServiceObjects,
    network: ClusterNetwork,
    hns: Hns,
    logs: WindowsPodLogs | Failed,
) -> Iterator[Said]:
    """The kubelet's three search domains may all stand in the endpoint, and dotted names fail all the same: the
    list is not the fault.

    Rule: the endpoint of a pod that did not find a partial name has two suffixes or more.
    Remedy: leave the search list alone and write full names.
    Confused with: a missing suffix.
    Source: https://github.com/kubernetes/kubernetes/issues/65016;
    https://github.com/microsoft/Windows-Containers/issues/485.
    """
    endpoints = {p.metadata.uid or p.metadata.name: e for p, e in pod_endpoints(node.name, pods, hns)}
    for found in symptoms(pods.on(node.name), nodes, services, network.domain.value, logs):
        meta = found.pod.metadata
        endpoint = endpoints.get(meta.uid or meta.name)
        if endpoint is not None and len(endpoint.dns_suffixes) > 1:
            yield Problem(
                f"{meta.namespace}/{meta.name} has {len(endpoint.dns_suffixes)} search domains; on Windows "
                "they do not complete "
                f"{found.partial.written}.",
                pod_object(found.pod),
                proof={Hns: f"endpoint {endpoint.ip}: suffixes {', '.join(endpoint.dns_suffixes)}"},
            )


def _added(draft: Draft, address: str, suffixes: tuple[str, ...]) -> None:
    hns = draft.get(Hns)
    network = hns.pod_networks[0].name
    new = HnsEndpoint("e-77", "app", network, address, dns_suffixes=suffixes, dns_servers=("10.96.0.10",))
    draft.put(Hns, replace(hns, endpoints=(*hns.endpoints, new)))
