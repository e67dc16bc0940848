"""Under which address and name the kubelet reports."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import kubelet_flags, node_object, silent
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.kubelet.settings import worked_out
from checks.relations import kubelet_silent
from facts.access import ThisNode
from facts.cluster.objects import Address, NodeObject
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet, KubeProxy
from facts.node.network import Adapters, Routes
from facts.node.windows import Os


def _addressed(address: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        rest = tuple(a for a in found.status.addresses if a.type != "InternalIP")
        return replace(found, status=replace(found.status, addresses=(Address("InternalIP", address), *rest)))

    return node_object(edit)


def _no_default_route(address: str, index: int) -> tuple[Change, ...]:
    """The node reports the address of a second card that has no default route."""
    from facts.node.network import Adapter, IpAddress

    def edit(found: Adapters) -> Adapters:
        card = Adapter("Storage", index=index, status="Up", addresses=(IpAddress(address, 24),))
        return replace(found, adapters=(*found.adapters, card))

    return (change(Adapters, edit), _addressed(address))


@check(
    "kubelet.node-ip",
    title="The node's address is right",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.lease-annotations"),
        cause_of("cni.flannel.remote-subnets"),
        cause_of("cni.provider-address"),
    ],
    cases=[
        Case("an address that it does not have", FLANNEL_2022, (_addressed("10.0.1.99"),), finds="node"),
        Case("APIPA", CLASSIC_2019, (_addressed("169.254.7.7"),), finds="node"),
        Case("the second card", FLANNEL_2022, _no_default_route("172.31.0.5", 44), finds="node"),
        Case("adapters not known", FLANNEL_2022, (fails(Adapters),), unknown=True),
        Case("pod networks not known", FLANNEL_2022, (fails(Hns),), unknown=True),
    ],
)
def node_ip(node: ThisNode, adapters: Adapters, routes: Routes | Failed, hns: Hns | Failed) -> Iterator[Said]:
    """Tunnels, logs and exec go to a wrong address.

    Rule: the InternalIP of the Node is not among the node's IPv4 addresses, is in 169.254.0.0/16, or differs from the
    ManagementIP of the pod network while its interface has no default route (if it has one, it is the pod network
    that chose wrong: cni.flannel.iface).
    Remedy: `--node-ip=ADDRESS` for the kubelet, `Restart-Service kubelet`, then restart flannel. Classic scripts work
    the address out from `vEthernet (Ethernet)`, which is there only once the switch is: run them again.
    Confused with: several InternalIPs on purpose (dual stack); a `host` in the configuration of this console that leads
    to another machine.
    Source: microsoft/SDN, helper.psm1 and networkhealth.ps1.
    """
    reported = [
        a.address for a in node.object.status.addresses if a.type == "InternalIP" and ":" not in a.address
    ]
    if not reported:
        yield Skip("The Node has no IPv4 InternalIP.")
        return
    for address in reported:
        if address.startswith("169.254."):
            yield Problem(
                f"{node.name} reports the address {address}: its interface has got none from DHCP.",
                proof={ThisNode: f"InternalIP {address}"},
            )
            return
    known = [a for a in reported if a in adapters.ipv4]
    if not known:
        have = ", ".join(a for a in adapters.ipv4 if not a.startswith("127.")) or "none"
        yield Problem(
            f"{node.name} reports the address {reported[0]}, which it does not have (it has {have}).",
            proof={ThisNode: f"InternalIP {reported[0]}", Adapters: f"IPv4: {have}"},
        )
        return
    card = adapters.holding(known[0])
    if isinstance(routes, Failed) or isinstance(hns, Failed):
        yield CannotTell(f"Which of its addresses the pods on {node.name} use is not known.")
        return
    if card is None:
        return
    if routes.defaults and not any(r.index == card.index for r in routes.defaults):
        for network in hns.pod_networks:
            management = network.management_ip
            if management and not management.startswith("169.254.") and management not in reported:
                yield Problem(
                    f"{node.name} reports {known[0]}, on {card.name} without default route; its pods use {management}.",
                    proof={
                        ThisNode: f"InternalIP {known[0]}",
                        Hns: f"{network.name}: ManagementIP {management}",
                    },
                )
                return


def _override(value: str) -> Change:
    return kubelet_flags(hostname_override=value)


def _proxy_name(value: str) -> Change:
    def edit(found: KubeProxy) -> KubeProxy:
        return replace(
            found, found_in=found.found_in or "process", flags={**found.flags, "hostname-override": value}
        )

    return change(KubeProxy, edit)


@check(
    "kubelet.hostname-override",
    title="The programs on the node go by its Node's name",
    severity=ERROR,
    explains=[
        cause_of("node.notready", when=kubelet_silent),
        cause_of("proxy.hostname-mismatch"),
    ],
    cases=[
        Case("another name", FLANNEL_2022, (_override("win-one"), silent()), finds="node"),
        Case("its host name instead of its address", CLASSIC_2019, (_override("WIN-K8S-1"),), finds="node"),
        Case("kube-proxy by the host name", CLASSIC_2019, (_proxy_name("win-k8s-1"),), finds="node"),
        Case("letter case is lowered", FLANNEL_2022, (_override("WIN-1"),), quiet=True),
        Case("worked out by a script", FLANNEL_2022, (_override("$(hostname)"),), quiet=True),
        Case("kube-proxy is not known", FLANNEL_2022, (fails(KubeProxy),), unknown=True),
        Case(
            "silent, and its arguments are not known",
            FLANNEL_2022,
            (fields(Kubelet, arguments="", flags={}), fields(Os, hostname="OTHER"), silent()),
            unknown=True,
        ),
        Case(
            "none, and it is silent",
            FLANNEL_2022,
            (kubelet_flags(hostname_override=None), fields(Os, hostname="OTHER"), silent()),
            finds="node",
        ),
    ],
)
def hostname_override(
    node: ThisNode, kubelet: Kubelet, proxy: KubeProxy | Failed | NotApplicable, os: Os | Failed
) -> Iterator[Said]:
    """Programs that use different names do not recognise each other's objects.

    A kubelet under another name reports for a Node that is not there, or for another machine's; a kube-proxy under
    another name takes the node's own endpoints for remote ones.

    Rule: `--hostname-override` of kubelet or kube-proxy (in lower case, as they take it) is not the Node's name; or
    the kubelet has none, the host name in lower case differs from the Node's name, and the kubelet is silent.
    Remedy: One name everywhere: `--hostname-override` of kubelet and kube-proxy, NODE_NAME of flanneld; then restart
    the three.
    Confused with: a host name cut at 15 letters (os.hostname.case-length); flanneld's name (cni.flannel.nodename); a
    `host` in the configuration of this console that leads to another machine: there the name is right.
    Source: the book chapter's scripts, which use the address as name; microsoft/SDN, start.ps1.
    """
    if isinstance(proxy, Failed):
        yield CannotTell(f"By which name kube-proxy on {node.name} goes is not known.")
    given = _given(kubelet.flags)
    others = _given(proxy.flags) if isinstance(proxy, KubeProxy) else ""
    for what, name, origin in (("kubelet", given, Kubelet), ("kube-proxy", others, KubeProxy)):
        if name and name.lower() != node.name.lower():
            yield Problem(
                f"The {what} on {node.name} calls itself {name}, and not {node.name}.",
                proof={origin: f"--hostname-override={name}", ThisNode: f"Node {node.name}"},
            )
            return
    ready = node.object.condition("Ready")
    names = (node.name.lower(), node.object.metadata.labels.get("kubernetes.io/hostname", "").lower())
    silent_now = ready is None or ready.status == "Unknown"
    override = kubelet.flags.get("hostname-override", "")
    if silent_now and not kubelet.arguments:
        yield CannotTell(f"With which arguments the kubelet on {node.name} is started is not known.")
    elif (
        silent_now
        and not override
        and isinstance(os, Os)
        and os.hostname
        and os.hostname.lower() not in names
    ):
        yield Problem(
            f"The kubelet on {node.name} has no --hostname-override and calls itself {os.hostname.lower()}.",
            proof={Os: f"host name {os.hostname}", ThisNode: f"Node {node.name}"},
        )


def _given(flags: dict[str, str]) -> str:
    """The name in --hostname-override; empty where there is none, or a shell works it out."""
    name = flags.get("hostname-override", "").strip("\"'")
    return "" if worked_out(name) else name
