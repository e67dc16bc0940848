"""The cluster's DNS as a Windows node sees it: its domain, its load balancer, its servers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, CannotTell, Object, Problem, Said, Skip
from checks.service.ports import PROTOCOLS
from facts.access import ThisNode
from facts.cluster.control_plane import CoreDns
from facts.cluster.nodes import Nodes
from facts.cluster.objects import ServiceObject
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.fact import Failed, NotApplicable
from facts.node.cni import CniFiles
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet
from facts.node.parsing import listing, mapping


def dns_service(services: ServiceObjects) -> ServiceObject | None:
    return next(
        (
            s
            for s in services.items
            if s.metadata.namespace == "kube-system" and s.metadata.labels.get("k8s-app") == "kube-dns"
        ),
        None,
    )


def _kubelet_domain(domain: str) -> Change:
    return change(Kubelet, lambda k: replace(k, flags=k.flags | {"cluster-domain": domain}))


def _static_search(cni: CniFiles) -> CniFiles:
    conf = cni.confs[0]
    parsed = {**conf.parsed, "dns": {"Search": ["svc.corp.example"]}, "capabilities": {}}
    return replace(cni, confs=(replace(conf, parsed=parsed),))


@check(
    "dns.cluster-domain",
    title="kubelet, CoreDNS and CNI agree on the cluster's domain",
    severity=ERROR,
    explains=[cause_of("dns.suffix.endpoint-namespace")],
    cases=[
        Case("the kubelet has another", FLANNEL_2022, (_kubelet_domain("k8s.corp.example"),), finds="node"),
        Case(
            "a static search list has another",
            FLANNEL_2022,
            (change(CniFiles, _static_search),),
            finds="node",
        ),
        Case("a trailing dot is the same", CLASSIC_2019, (_kubelet_domain("cluster.local."),), quiet=True),
    ],
)
def cluster_domain(
    kubelet: Kubelet,
    network: ClusterNetwork,
    coredns: CoreDns | Failed | NotApplicable,
    cni: CniFiles | Failed,
) -> Iterator[Said]:
    """CoreDNS answers for one zone. A suffix from another domain leads every name astray.

    Rule: the kubelet's clusterDomain differs from the zone of CoreDNS's kubernetes plug-in; or a static Search in
    the CNI configuration (used only without capabilities.dns) lies outside that zone.
    Remedy: write one domain into the kubelet's configuration, the Corefile and the CNI configuration; restart the
    kubelet and recreate the pods.
    Confused with: a wrong server address (dns.nameserver).
    Source: microsoft/SDN Kubernetes/windows/helper.psm1; experience.
    """
    if not isinstance(coredns, CoreDns) and network.domain.origin == "the default":
        yield Skip("The cluster has no ConfigMap coredns, and nothing else names its domain.")
        return
    wanted = network.domain.value.rstrip(".").lower()
    told = str(kubelet.setting("cluster-domain", "clusterDomain") or "").strip('"').rstrip(".").lower()
    zone = f"{wanted} ({network.domain.origin})"
    if told and told != wanted:
        yield Problem(
            f"The kubelet gives pods the domain {told}, and the cluster's DNS answers for {wanted}.",
            proof={Kubelet: f"clusterDomain: {told}", ClusterNetwork: zone},
        )
    for conf in cni.confs[:1] if isinstance(cni, CniFiles) else ():
        if mapping(conf.plugin.get("capabilities")).get("dns") is True:
            continue
        static = mapping(conf.delegate.get("dns") or conf.plugin.get("dns"))
        search = listing(static.get("Search") or static.get("search"))
        strange = [
            s
            for s in search
            if str(s).rstrip(".").lower() != wanted and not str(s).lower().rstrip(".").endswith(f".{wanted}")
        ]
        if strange:
            yield Problem(
                f"{conf.directory}\\{conf.name} gives pods the suffix {strange[0]}, and the cluster's DNS "
                f"answers for {wanted}.",
                proof={CniFiles: f"dns.Search: {', '.join(map(str, search))}", ClusterNetwork: zone},
            )


def _without_dns(protocol: int | None) -> Change:
    def apply(draft: Draft) -> None:
        hns, address = draft.get(Hns), draft.get(ClusterNetwork).dns_address.value
        left = tuple(
            b for b in hns.load_balancers if not (address in b.vips and protocol in (None, b.protocol))
        )
        draft.put(Hns, replace(hns, load_balancers=left))

    return apply


@check(
    "dns.lb-rule",
    title="The cluster's DNS address is programmed on the node",
    severity=ERROR,
    cases=[
        Case("no rule for UDP 53", FLANNEL_2022, (_without_dns(17),), finds="node"),
        Case("no rule at all", CLASSIC_2019, (_without_dns(None),), finds="node"),
        Case("HNS does not answer", FLANNEL_2022, (fails(Hns),), unknown=True),
    ],
)
def load_balancer_rule(
    node: ThisNode, hns: Hns, services: ServiceObjects, slices: EndpointSlices, network: ClusterNetwork
) -> Iterator[Said]:
    """Pods ask the ClusterIP of the cluster's DNS, which exists on the node as two load balancers in HNS.

    Rule: the DNS Service has ready backends, and HNS has no load balancer for its address with port 53 and UDP, or
    none with TCP (as far as the Service has that port).
    Remedy: restart kube-proxy on the node (`Restart-Service kube-proxy`, or delete its pod).
    Confused with: CoreDNS down: then the rules are right and Linux pods fail, too.
    Source: microsoft/SDN Kubernetes/windows/debug; https://github.com/microsoft/hcsshim/issues/1043.
    """
    service = dns_service(services)
    if service is None or not network.dns_address:
        yield CannotTell(
            "No Service with the label k8s-app=kube-dns is in kube-system: the cluster's DNS address is not known."
        )
        return
    parts = slices.of(service.metadata.namespace, service.metadata.name)
    ready = [a for part in parts for e in part.endpoints if e.ready for a in e.addresses]
    if not ready:
        return
    missing = [
        f"{port.protocol} {port.port}"
        for port in service.spec.ports
        if port.port == 53
        and not any(
            network.dns_address.value in b.vips
            and b.external_port == 53
            and b.protocol == PROTOCOLS.get(port.protocol)
            for b in hns.load_balancers
        )
    ]
    if missing:
        yield Problem(
            f"HNS on this node has no load balancer for {' and '.join(missing)} of the cluster's DNS, "
            f"{network.dns_address.value}: no name resolves in its pods.",
            proof={
                Hns: f"{len(hns.load_balancers)} load balancers, not {network.dns_address.value} {', '.join(missing)}",
                EndpointSlices: f"{len(ready)} ready DNS servers",
            },
        )


def _no_servers(slices: EndpointSlices) -> EndpointSlices:
    return EndpointSlices(
        tuple(replace(s, endpoints=()) if s.service == "kube-dns" else s for s in slices.items)
    )


def _dns_on_windows(draft: Draft) -> None:
    slices = draft.get(EndpointSlices)
    moved = tuple(
        replace(s, endpoints=tuple(replace(e, node_name=draft.node) for e in s.endpoints))
        if s.service == "kube-dns"
        else s
        for s in slices.items
    )
    draft.put(EndpointSlices, EndpointSlices(moved))


@check(
    "dns.coredns-health",
    title="The cluster's DNS has servers, on Linux",
    severity=ERROR,
    cases=[
        Case(
            "no ready server",
            FLANNEL_2022,
            (change(EndpointSlices, _no_servers),),
            finds="kube-system/kube-dns",
        ),
        Case("servers on a Windows node", CLASSIC_2019, (_dns_on_windows,), finds="kube-system/kube-dns"),
    ],
)
def coredns_health(
    services: ServiceObjects, slices: EndpointSlices, nodes: Nodes, pods: Pods
) -> Iterator[Said]:
    """Without a ready CoreDNS nobody in the cluster resolves anything; it runs on Linux only.

    Rule: the Service kube-dns has no ready endpoint, or endpoints on Windows nodes.
    Remedy: `kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide` and their logs; give the Deployment
    `nodeSelector: {kubernetes.io/os: linux}`.
    Confused with: trouble of Windows nodes: this one hits Linux pods as well.
    Source: https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/.
    """
    service = dns_service(services)
    if service is None:
        yield Skip("No Service with the label k8s-app=kube-dns is in kube-system.")
        return
    about = Object("Service", service.metadata.name, service.metadata.namespace)
    endpoints = [
        e for part in slices.of(service.metadata.namespace, service.metadata.name) for e in part.endpoints
    ]
    by_address = {p.status.pod_ip: p.spec.node_name for p in pods.items if p.status.pod_ip}
    windows = {n.name for n in nodes.windows}
    ready = [e for e in endpoints if e.ready]
    if not ready:
        yield Problem(
            f"The cluster's DNS ({service.spec.cluster_ip}) has no ready server; {len(endpoints)} are not ready.",
            about,
            proof={EndpointSlices: f"kube-dns: 0 ready of {len(endpoints)}"},
        )
    astray = [e for e in ready if (e.node_name or by_address.get(next(iter(e.addresses), ""), "")) in windows]
    if astray:
        yield Problem(
            f"{len(astray)} servers of the cluster's DNS are on Windows nodes, where CoreDNS does not run.",
            about,
            proof={EndpointSlices: f"kube-dns: {', '.join(a for e in astray for a in e.addresses)}"},
        )
