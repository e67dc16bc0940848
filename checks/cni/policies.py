"""The HNS policies that the CNI configuration gives to every pod: NAT exceptions, service route, provider
address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from checks.cases import Change
from checks.check import Case, check
from checks.cni.configuration import of_conf
from checks.cni.flannel_numbers import ipv4_of
from checks.cni.links import no_packets
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Severity, Skip
from facts.access import ThisNode
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.effective_cni import CniPolicy, EffectiveCni
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.cni import CniConf, CniFiles
from facts.node.hns import Hns
from facts.node.network import Adapters

BRIDGES = ("win-bridge", "sdnbridge")
KNOWN = ("win-overlay", "sdnoverlay", *BRIDGES)
Net = ipaddress.IPv4Network


def networks(text: str) -> list[Net]:
    """The IPv4 networks in a comma-separated list; what is none is left out."""
    found: list[Net] = []
    for word in text.split(","):
        try:
            net = ipaddress.ip_network(word.strip(), strict=False)
        except ValueError:
            continue
        if isinstance(net, Net):
            found.append(net)
    return found


def _covered(net: Net, exceptions: list[Net]) -> bool:
    return any(net.subnet_of(e) for e in exceptions)


def policy(kind: str, **values: Any) -> Change:
    """Replace the values of the policies of `kind` (without values: remove them), in either schema, for
    cases."""

    def edit(conf: CniConf) -> CniConf:
        delegate = dict(conf.delegate)
        for key in ("AdditionalArgs", "Policies"):
            kept: list[Any] = []
            for item in delegate.get(key, ()):
                value = item["Value"]
                if str(value["Type"]).lower() != kind.lower():
                    kept.append(item)
                elif values and "Settings" in value:
                    kept.append({**item, "Value": {**value, "Settings": {**value["Settings"], **values}}})
                elif values:
                    kept.append({**item, "Value": {**value, **values}})
            if key in delegate:
                delegate[key] = kept
        return CniConf(conf.directory, conf.name, conf.bom, {**conf.parsed, "delegate": delegate}, conf.error)

    return of_conf(edit)


@check(
    "cni.nat-exceptions",
    title="Addresses of the cluster are excepted from NAT",
    severity=ERROR,
    explains=no_packets(),
    cases=[
        Case(
            "the service network is missing",
            FLANNEL_2022,
            (policy("OutBoundNAT", Exceptions=["10.244.0.0/16"]),),
            "node",
            ERROR,
        ),
        Case(
            "classic: the pod network is missing",
            CLASSIC_2019,
            (policy("OutBoundNAT", ExceptionList=["169.169.0.0/16"]),),
            "node",
            ERROR,
        ),
        Case(
            "everything is excepted: no internet",
            FLANNEL_2022,
            (policy("OutBoundNAT", Exceptions=["0.0.0.0/0"]),),
            "node",
            ERROR,
        ),
        Case(
            "a larger network covers both",
            FLANNEL_2022,
            (policy("OutBoundNAT", Exceptions=["10.0.0.0/8"]),),
            quiet=True,
        ),
    ],
)
def nat_exceptions(
    node: ThisNode, cni: EffectiveCni, network: ClusterNetwork, hns: Hns | Failed, adapters: Adapters | Failed
) -> Iterator[Said]:
    """Pods leave the cluster through NAT; what stays in it must be excepted, and nothing else.

    Without the pod network the pods' addresses are hidden and answers from other nodes break; without the
    service network ClusterIPs fail; with the outside in the list the internet fails.

    Rule: the OutBoundNAT policy of the configuration in force covers the cluster's pod CIDR and service CIDR
    (else error), on a bridge also the nodes' own subnet (else warning), and not 0.0.0.0/0 (error).
    Remedy: correct Exceptions (ExceptionList) in the ConfigMap or template that the file is made from,
    restart the CNI's DaemonSet, and make the pods anew: a policy is given to a pod when it starts.
    Confused with: ping to the outside, which fails by design.
    Source: Kubernetes, "Troubleshooting Kubernetes on Windows"; Microsoft, "Common problems"; microsoft/SDN
    helper.psm1.
    """
    found = cni.policies_of("OutBoundNAT")
    if cni.kind.lower() not in KNOWN or not found:
        yield Skip("The CNI configuration in force has no OutBoundNAT policy.")
        return
    exceptions = [net for p in found for text in p.addresses() for net in networks(text)]
    wrong: list[tuple[Severity, str]] = []
    for what, cidr in (("pod network", network.pod_cidr), ("service network", network.service_cidr)):
        wanted = networks(cidr.value)
        if not wanted:
            yield CannotTell(f"Nothing that could be read says what the {what} is.", because=cidr.failed)
        wrong += [
            (ERROR, f"the {what} {net} is missing (known from {cidr.origin})")
            for net in wanted
            if not _covered(net, exceptions)
        ]
    if any(net.prefixlen == 0 for net in exceptions):
        wrong = [(ERROR, "0.0.0.0/0 is excepted, so that nothing is translated")]
    if cni.kind.lower() in BRIDGES:
        own = _own_subnet(ipv4_of(node.object), adapters)
        if own and not _covered(own, exceptions):
            wrong.append((WARN, f"the nodes' own subnet {own} is missing"))
    if wrong:
        shown = ", ".join(map(str, exceptions)) or "none"
        text = f"NAT exceptions in {cni.path} on {node.name}: {'; '.join(w for _, w in wrong)}."
        yield Problem(
            text,
            severity=max(s for s, _ in wrong),
            proof={CniFiles: f"{cni.path}: OutBoundNAT exceptions {shown}"},
        )


def _own_subnet(address: str, adapters: Adapters | Failed) -> Net | None:
    card = adapters.holding(address) if isinstance(adapters, Adapters) else None
    length = next((a.prefix_length for a in card.addresses if a.address == address), 0) if card else 0
    found = networks(f"{address}/{length}") if length else []
    return found[0] if found else None


def _value(policy: CniPolicy, key: str) -> str:
    """A value of the policy as text, true and false in small letters; HNS reads keys without regard to case."""
    found = next((v for k, v in policy.values.items() if k.lower() == key.lower()), "")
    return str(found).lower() if isinstance(found, bool) else str(found)


def _serves(route: list[Net], service: Net, own: list[Net]) -> bool:
    """The route takes in the service network; a larger one does so, too, unless it has the node itself in it."""
    return any(r == service or (service.subnet_of(r) and not _covered_by(own, r)) for r in route)


def _covered_by(nets: list[Net], larger: Net) -> bool:
    return any(n.subnet_of(larger) for n in nets)


@check(
    "cni.service-route",
    title="Pods have a route to the service network",
    severity=ERROR,
    explains=no_packets(),
    cases=[
        Case(
            "the manifest's default instead of the cluster's",
            CLASSIC_2019,
            (policy("ROUTE", DestinationPrefix="10.96.0.0/12"),),
            "node",
        ),
        Case("no such policy", FLANNEL_2022, (policy("SDNROUTE"),), "node"),
        Case("without encapsulation", FLANNEL_2022, (policy("SDNROUTE", NeedEncap=False),), "node"),
        Case(
            "a part of it",
            FLANNEL_2022,
            (policy("SDNROUTE", DestinationPrefix="10.96.0.0/16"),),
            "node",
        ),
        Case(
            "a larger network takes it in",
            FLANNEL_2022,
            (policy("SDNROUTE", DestinationPrefix="10.64.0.0/10"),),
            quiet=True,
        ),
        Case(
            "a larger network that has the nodes in it, too",
            FLANNEL_2022,
            (policy("SDNROUTE", DestinationPrefix="10.0.0.0/8"),),
            "node",
        ),
    ],
)
def service_route(node: ThisNode, cni: EffectiveCni, network: ClusterNetwork) -> Iterator[Said]:
    """Only packets that this route sends into VFP are balanced to a Service's pods.

    Rule: the configuration in force has a ROUTE (SDNROUTE) policy whose DestinationPrefix is the cluster's
    service CIDR (or a larger network without the nodes in it) and whose NeedEncap is true; a bridge also has one
    to the node's own address.
    Remedy: set the real service CIDR (kube-apiserver's --service-cluster-ip-range; SERVICE_SUBNET in
    flannel's Windows DaemonSet, whose default is 10.96.0.0/12), restart that DaemonSet and make the pods
    anew.
    Confused with: kube-proxy that has not programmed the Service (proxy.lb-missing).
    Source: microsoft/SDN Kubernetes/flannel helper.psm1; kubernetes-sigs/sig-windows-tools
    hostprocess/flannel.
    """
    if cni.kind.lower() not in KNOWN:
        yield Skip(f"The plug-in {cni.kind or '(none)'} routes Services in another way.")
        return
    wanted = networks(network.service_cidr.value)
    if not wanted:
        yield CannotTell(
            "Nothing that could be read says what the service network is.",
            because=network.service_cidr.failed,
        )
        return
    routes = [
        (_value(p, "DestinationPrefix"), _value(p, "NeedEncap")) for p in cni.policies_of("ROUTE", "SDNROUTE")
    ]
    shown: dict[type[Fact], str] = {
        CniFiles: f"{cni.path}: routes " + (", ".join(f"{p} NeedEncap={n}" for p, n in routes) or "none"),
        ClusterNetwork: f"service CIDR {network.service_cidr.value}, from {network.service_cidr.origin}",
    }
    own = networks(ipv4_of(node.object))
    fitting = {
        net: [encap for prefix, encap in routes if _serves(networks(prefix), net, own)] for net in wanted
    }
    without = [net for net, found in fitting.items() if not found]
    bare = [net for net, found in fitting.items() if found and "true" not in found]
    if without:
        given = ", ".join(p for p, _ in routes) or "nothing"
        yield Problem(
            f"{cni.path} on {node.name} routes {given}, and the service network is "
            f"{', '.join(map(str, without))}.",
            proof=shown,
        )
    elif bare:
        yield Problem(
            f"{cni.path} on {node.name} routes {bare[0]} without NeedEncap, so Services are not balanced.",
            proof=shown,
        )
    elif cni.kind.lower() in BRIDGES and not any(p == f"{ipv4_of(node.object)}/32" for p, _ in routes):
        yield Problem(
            f"{cni.path} on {node.name} lacks the route to the node's own address {ipv4_of(node.object)}/32.",
            proof=shown,
        )


@check(
    "cni.provider-address",
    title="Encapsulated packets leave with the node's own address",
    severity=ERROR,
    explains=no_packets(),
    cases=[
        Case(
            "the node's address has changed",
            FLANNEL_2022,
            (policy("ProviderAddress"), of_conf(lambda c: _with_provider(c, "10.0.1.250"))),
            "node",
        ),
        Case("Windows chooses it", FLANNEL_2022, quiet=True),
    ],
)
def provider_address(node: ThisNode, cni: EffectiveCni, adapters: Adapters) -> Iterator[Said]:
    """The peers expect the node's address as the sender of its packets; a file that names another one is of
    an earlier time.

    Rule: the ProviderAddress policy of the configuration in force gives an address that is no address of the
    node, or another one than its InternalIP. Without an address in the policy Windows takes the management
    IP.
    Remedy: let the CNI write its file anew (delete the node's flannel pod), and make the pods anew.
    Confused with: cni.flannel.lease-annotations, the address that the peers use for their side.
    Source: kubernetes-sigs/sig-windows-tools hostprocess/flannel; RKE2 Windows agent.
    """
    found = [p for p in cni.policies_of("ProviderAddress", "PA") if p.values]
    given = next(
        (str(v) for p in found for k, v in p.values.items() if k.lower() in ("provideraddress", "pa")), ""
    )
    if not given:
        yield Skip("The CNI configuration in force leaves the provider address to Windows.")
        return
    own = ipv4_of(node.object)
    held = given in adapters.ipv4
    if held and (given == own or own not in adapters.ipv4):
        return
    text = f"{cni.path} on {node.name} gives the provider address {given}, and the node's address is {own}."
    addresses = ", ".join(a for a in adapters.ipv4 if a != "127.0.0.1")
    yield Problem(text, proof={CniFiles: f"{cni.path}: ProviderAddress {given}", Adapters: addresses})


def _with_provider(conf: CniConf, address: str) -> CniConf:
    delegate = dict(conf.delegate)
    item = {
        "Name": "EndpointPolicy",
        "Value": {"Type": "ProviderAddress", "Settings": {"ProviderAddress": address}},
    }
    delegate["AdditionalArgs"] = [*delegate.get("AdditionalArgs", ()), item]
    return CniConf(conf.directory, conf.name, conf.bom, {**conf.parsed, "delegate": delegate}, conf.error)
