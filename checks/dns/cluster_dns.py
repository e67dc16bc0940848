"""The cluster's DNS as a Windows node sees it: its domain, its load balancer, its servers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import check
from checks.dns.served import dns_service, inside, zones
from checks.finding import ERROR, CannotTell, Object, Problem, Said, Skip
from checks.service.ports import PROTOCOLS
from checks.workload.edits import new_pod, new_service
from facts.access import ThisNode
from facts.cluster.control_plane import CoreDns, KubeadmConfig, KubeletConfigMap
from facts.cluster.nodes import Nodes
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.effective_cni import EffectiveCni
from facts.derived.stack import Stack
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import CniConf, CniFiles
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet, KubeProxy
from facts.node.parsing import listing, mapping


def _kubelet_domain(domain: str) -> Change:
    return change(Kubelet, lambda k: replace(k, flags=k.flags | {"cluster-domain": domain}))


def _static_search(*suffixes: str) -> Change:
    def edit(cni: CniFiles) -> CniFiles:
        conf = cni.confs[0]
        parsed = {**conf.parsed, "dns": {"Search": list(suffixes)}, "capabilities": {}}
        return replace(cni, confs=(replace(conf, parsed=parsed),))

    return change(CniFiles, edit)


def _left_over(cni: CniFiles) -> CniFiles:
    """A file of an earlier installation, in a directory that containerd does not read."""
    old = CniConf(
        r"C:\k\cni\config", "cni.conf", parsed={"type": "flannel", "dns": {"Search": ["svc.old.example"]}}
    )
    return replace(cni, confs=(old, *cni.confs))


def _corefile(zone: str) -> Change:
    text = f".:53 {{\n    kubernetes {zone} {{\n        pods insecure\n    }}\n    forward . /etc/resolv.conf\n}}\n"
    return fields(CoreDns, corefile=text)


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
            (_static_search("svc.corp.example"),),
            finds="node",
        ),
        Case("a trailing dot is the same", CLASSIC_2019, (_kubelet_domain("cluster.local."),), quiet=True),
        Case(
            "CoreDNS answers for the kubelet's domain as well",
            FLANNEL_2022,
            (_corefile("old.example k8s.corp.example in-addr.arpa"), _kubelet_domain("k8s.corp.example")),
            quiet=True,
        ),
        Case(
            "a static search list that goes on with the company's",
            FLANNEL_2022,
            (_static_search("svc.cluster.local", "corp.example"),),
            quiet=True,
        ),
        Case(
            "a file that containerd does not read", FLANNEL_2022, (change(CniFiles, _left_over),), quiet=True
        ),
        Case(
            "the Corefile may not be read, and nothing else names the domain",
            FLANNEL_2022,
            tuple(fails(fact, "403", "denied") for fact in (CoreDns, KubeadmConfig, KubeletConfigMap)),
            unknown=True,
        ),
    ],
)
def cluster_domain(
    kubelet: Kubelet,
    network: ClusterNetwork,
    coredns: CoreDns | Failed | NotApplicable,
    cni: EffectiveCni | Failed | NotApplicable,
) -> Iterator[Said]:
    """CoreDNS answers for its zones only. A suffix from another domain leads every name astray.

    Rule: the kubelet's clusterDomain is no zone of CoreDNS's kubernetes plug-in; or a static Search in the CNI
    configuration in force (used only without capabilities.dns) lies outside of them all.
    Remedy: write one domain into the kubelet's configuration, the Corefile and the CNI configuration; restart the
    kubelet and recreate the pods.
    Confused with: a wrong server address (dns.nameserver).
    Source: microsoft/SDN Kubernetes/windows/helper.psm1; experience.
    """
    served = zones(network, coredns)
    if not served:
        if isinstance(coredns, Failed):
            yield CannotTell(
                f"The Corefile, which names the cluster's domain, could not be read: {coredns.why}",
                hint=coredns.hint,
            )
        else:
            yield Skip(
                "No ConfigMap coredns in kube-system names the cluster's domain, and nothing else does."
            )
        return
    told = str(kubelet.setting("cluster-domain", "clusterDomain") or "").strip('"').rstrip(".").lower()
    wanted = " and ".join(served)
    zone = f"{wanted} ({network.domain.origin})"
    if told and told not in served:
        yield Problem(
            f"The kubelet gives pods the domain {told}, and the cluster's DNS answers for {wanted}.",
            proof={Kubelet: f"clusterDomain: {told}", ClusterNetwork: zone},
        )
    conf = cni.conf if isinstance(cni, EffectiveCni) else None
    if conf is None or mapping(conf.plugin.get("capabilities")).get("dns") is True:
        return
    static = mapping(conf.delegate.get("dns") or conf.plugin.get("dns"))
    search = [str(s) for s in listing(static.get("Search") or static.get("search"))]
    if search and not any(inside(s, served) for s in search):
        yield Problem(
            f"{conf.directory}\\{conf.name} gives pods the suffix {search[0]}, and the cluster's DNS answers for "
            f"{wanted}.",
            proof={EffectiveCni: f"dns.Search: {', '.join(search)}", ClusterNetwork: zone},
        )


def _without_dns(protocol: int | None) -> Change:
    def apply(draft: Draft) -> None:
        hns, service = draft.get(Hns), dns_service(draft.get(ServiceObjects))
        address = service.spec.ipv4 if service else ""
        left = tuple(
            b for b in hns.load_balancers if not (address in b.vips and protocol in (None, b.protocol))
        )
        draft.put(Hns, replace(hns, load_balancers=left))

    return apply


def cache_service(draft: Draft) -> None:
    """The node-local cache's Service, listed before the cluster's DNS, as RKE2's name for that has it."""
    new_service("kube-dns-upstream", "10.96.55.55", 53, namespace="kube-system")(draft)
    *rest, cache = draft.get(ServiceObjects).items
    labelled = replace(cache, metadata=replace(cache.metadata, labels={"k8s-app": "kube-dns"}))
    draft.put(ServiceObjects, ServiceObjects((labelled, *rest)))


def _new_servers(draft: Draft) -> None:
    """CoreDNS was restarted: its servers have other addresses than HNS knows."""
    slices = draft.get(EndpointSlices)
    moved = tuple(
        replace(
            s,
            endpoints=tuple(replace(e, addresses=(f"10.244.0.{90 + i}",)) for i, e in enumerate(s.endpoints)),
        )
        if s.service == "kube-dns"
        else s
        for s in slices.items
    )
    draft.put(EndpointSlices, EndpointSlices(moved))


def _own_balancing(draft: Draft) -> None:
    """Antrea's proxy: no kube-proxy on the node, and no load balancer in HNS."""
    for fact in (Hns, KubeProxy):
        empty = {"load_balancers": ()} if fact is Hns else {"found_in": "", "arguments": ""}
        fields(fact, **empty)(draft)
    fields(Stack, cni="", cni_origin="")(draft)


@check(
    "dns.lb-rule",
    title="The cluster's DNS address is programmed on the node",
    severity=ERROR,
    cases=[
        Case("no rule for UDP 53", FLANNEL_2022, (_without_dns(17),), finds="node"),
        Case("no rule at all", CLASSIC_2019, (_without_dns(None),), finds="node"),
        Case(
            "the Service of a node-local cache has the same label", FLANNEL_2022, (cache_service,), quiet=True
        ),
        Case("the rules lead to servers that are gone", CLASSIC_2019, (_new_servers,), finds="node"),
        Case("a CNI that balances by itself", FLANNEL_2022, (_own_balancing,), quiet=True),
        Case("HNS does not answer", FLANNEL_2022, (fails(Hns),), unknown=True),
    ],
)
def load_balancer_rule(
    node: ThisNode,
    hns: Hns,
    services: ServiceObjects,
    slices: EndpointSlices,
    stack: Stack,
    proxy: KubeProxy | Failed | NotApplicable,
) -> Iterator[Said]:
    """Pods ask the ClusterIP of the cluster's DNS, which exists on the node as two load balancers in HNS.

    Rule: the DNS Service has ready backends, and HNS has no load balancer for its address with port 53 and UDP, or
    none with TCP (as far as the Service has that port); or those that it has lead to no ready backend.
    Remedy: restart kube-proxy on the node (`Restart-Service kube-proxy`, or delete its pod).
    Confused with: CoreDNS down: then the rules are right and Linux pods fail, too.
    Source: microsoft/SDN Kubernetes/windows/debug; https://github.com/microsoft/hcsshim/issues/1043;
    https://github.com/kubernetes-sigs/sig-windows-tools/issues/380 (servers that are gone).
    """
    service = dns_service(services)
    address = (service.spec.ipv4 or next(iter(service.spec.addresses), "")) if service else ""
    if service is None or not address:
        yield CannotTell(
            "No Service with the label k8s-app=kube-dns is in kube-system: the cluster's DNS address is not known."
        )
        return
    if not hns.load_balancers and not stack.cni and isinstance(proxy, KubeProxy) and not proxy.found_in:
        yield Skip(
            "No kube-proxy is on the node, and HNS holds no load balancer: the CNI balances by itself."
        )
        return
    parts = slices.of(service.metadata.namespace, service.metadata.name)
    ready = [a for part in parts for e in part.endpoints if e.ready for a in e.addresses]
    if not ready:
        yield Skip(
            "The cluster's DNS has no ready server, so that there is nothing to program (dns.coredns-health)."
        )
        return
    missing = [
        f"{port.protocol} {port.port}"
        for port in service.spec.ports
        if port.port == 53
        and not any(
            address in b.vips and b.external_port == 53 and b.protocol == PROTOCOLS.get(port.protocol)
            for b in hns.load_balancers
        )
    ]
    if missing:
        then = (
            "no name resolves in its pods"
            if any(m.startswith("UDP") for m in missing)
            else "names with long answers do not resolve in its pods"
        )
        yield Problem(
            f"HNS on this node has no load balancer for {' and '.join(missing)} of the cluster's DNS, {address}: "
            f"{then}.",
            proof={
                Hns: f"{len(hns.load_balancers)} load balancers, not {address} {', '.join(missing)}",
                EndpointSlices: f"{len(ready)} ready DNS servers",
            },
        )
        return
    known = {e.id.lower(): e.ip for e in hns.endpoints}
    mine = [b for b in hns.load_balancers if address in b.vips and b.external_port == 53]
    reached = {known.get(i.lower(), "") for b in mine for i in b.endpoints} - {""}
    if reached and reached.isdisjoint(ready):
        gone, there = ", ".join(sorted(reached)), ", ".join(sorted(ready))
        yield Problem(
            f"HNS on this node sends what pods ask the cluster's DNS to {gone}; its ready servers are {there}: no name "
            "resolves in its pods.",
            proof={Hns: f"load balancers of {address}: {gone}", EndpointSlices: f"ready: {there}"},
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


def _pod_on_windows(draft: Draft) -> None:
    new_pod("coredns-x", waiting="ImagePullBackOff", selector={}, os_name="")(draft)
    *rest, pod = draft.get(Pods).items
    service = dns_service(draft.get(ServiceObjects))
    labels = dict(service.spec.selector) if service else {}
    meta = replace(pod.metadata, namespace="kube-system", labels=labels)
    draft.put(Pods, Pods((*rest, replace(pod, metadata=meta))))


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
        Case(
            "a server that never becomes ready, because Windows has no image of it",
            FLANNEL_2022,
            (_pod_on_windows,),
            finds="kube-system/kube-dns",
        ),
    ],
)
def coredns_health(
    services: ServiceObjects, slices: EndpointSlices, nodes: Nodes, pods: Pods
) -> Iterator[Said]:
    """Without a ready CoreDNS nobody in the cluster resolves anything; it runs on Linux only.

    Rule: the Service kube-dns has no ready endpoint; or endpoints of it, or pods that it selects, are on Windows nodes.
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
    astray = [
        f"{next(iter(e.addresses), '')} on {at}"
        for e in ready
        if (at := e.node_name or by_address.get(next(iter(e.addresses), ""), "")) in windows
    ]
    wanted = service.spec.selector.items()
    # Windows has no image of CoreDNS: such a pod waits for ever, and its endpoint is not ready or not there.
    lost = [
        f"{p.metadata.name} on {p.spec.node_name}"
        for p in pods.items
        if wanted
        and p.metadata.namespace == service.metadata.namespace
        and p.spec.node_name in windows
        and p.status.phase not in ("Succeeded", "Failed")
        and wanted <= p.metadata.labels.items()
    ]
    if astray or lost:
        proof: dict[type[Fact], str] = (
            {Pods: ", ".join(lost)} if lost else {EndpointSlices: ", ".join(astray)}
        )
        yield Problem(
            f"{len(lost or astray)} servers of the cluster's DNS are on Windows nodes, where CoreDNS does not run.",
            about,
            proof=proof,
        )
