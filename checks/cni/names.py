"""One name and one type: CNI configuration, HNS network, kube-proxy and flannel must mean the same
network."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import change
from checks.check import Case, check
from checks.cni.configuration import delegated, of_conf, schema
from checks.cni.flannel_netconf import in_force
from checks.cni.flannel_numbers import is_vxlan, windows_vni
from checks.cni.links import no_network
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.proxy.settings import network_name, proxy_pod
from facts.access import ThisNode
from facts.cluster.workloads import Pods
from facts.derived.effective_cni import EffectiveCni
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import CniFiles, FlannelFiles
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy

KINDS = {
    "win-overlay": ("overlay",),
    "sdnoverlay": ("overlay",),
    "win-bridge": ("l2bridge", "l2tunnel"),
    "sdnbridge": ("l2bridge", "l2tunnel"),
}


def flannel_name(files: FlannelFiles | Failed) -> str:
    """The name that flanneld gives to its network by its net-conf.json; empty where that is not known."""
    found = in_force(files) if isinstance(files, FlannelFiles) else None
    if found is None or found.conf.error:
        return ""
    return found.conf.name or (f"flannel.{windows_vni(found.conf)}" if is_vxlan(found.conf) else "cbr0")


@check(
    "cni.name-mismatch",
    title="CNI configuration, HNS network and kube-proxy name one network",
    severity=ERROR,
    explains=no_network(),
    cases=[
        Case(
            "the configuration names another network",
            FLANNEL_2022,
            (of_conf(lambda c: replace(c, parsed={**c.parsed, "name": "vxlan0"})),),
            "node",
        ),
        Case(
            "classic: flannel makes another name",
            CLASSIC_2019,
            (
                change(
                    FlannelFiles,
                    lambda f: replace(
                        f, net_confs=tuple(replace(n, conf=replace(n.conf, name="")) for n in f.net_confs)
                    ),
                ),
            ),
            "node",
        ),
        Case(
            "in HNS v1 the plug-in compares names with their case",
            CLASSIC_2019,
            (of_conf(lambda c: replace(c, parsed={**c.parsed, "name": "VXLAN0"})),),
            "node",
        ),
        Case(
            "in HNS v2 it asks HNS, and nobody says how that compares",
            FLANNEL_2022,
            (of_conf(lambda c: replace(c, parsed={**c.parsed, "name": "Flannel.4096"})),),
            unknown=True,
        ),
        Case(
            "no network at all is another check's",
            FLANNEL_2022,
            (change(Hns, lambda h: replace(h, networks=())),),
            quiet=True,
        ),
    ],
)
def name_mismatch(
    node: ThisNode,
    hns: Hns,
    cni: EffectiveCni,
    files: FlannelFiles | Failed,
    proxy: KubeProxy | Failed | NotApplicable,
    pods: Pods | Failed,
) -> Iterator[Said]:
    """The plug-in looks its network up by the configuration's name, kube-proxy by its own setting: all must
    be equal.

    Usual names: flannel.4096 (flannel's default, from its VNI), vxlan0 (classic overlay), cbr0 (classic
    l2bridge).

    Rule: for flannel, win-overlay and win-bridge: the name in the CNI configuration in force is no HNS
    network's while HNS has a pod network (HNS v1: also where it differs in case alone); or flannel's
    net-conf.json gives its network another name; or kube-proxy's setting names another network
    (proxy.network-name tells whether that one exists).
    Remedy: choose one name (flannel.4096; classic vxlan0) for "name" in the CNI configuration, Backend.Name
    in net-conf.json and kube-proxy's --network-name or KUBE_NETWORK; restart flanneld, then kube-proxy; make
    pods anew.
    Confused with: no pod network in HNS at all (hns.network.absent).
    Source: containernetworking/plugins win-overlay ("network %v not found"); microsoft/hcsshim
    internal/hns/hnsnetwork.go (GetHNSNetworkByName); flannel pkg/backend/vxlan;
    microsoft/SDN Kubernetes/flannel start.ps1.
    """
    if cni.conf is None or cni.conf.error or not cni.conf.network:
        yield Skip("There is no CNI configuration with a name.")
        return
    if cni.conf.plugin.get("type") != "flannel" and cni.kind.lower() not in KINDS:
        yield Skip(f"The plug-in {cni.kind or cni.conf.plugin.get('type')} finds its network in another way.")
        return
    if not hns.pod_networks:
        yield Skip("HNS has no pod network on this node (hns.network.absent).")
        return
    name = cni.conf.network
    names = ", ".join(n.name for n in hns.pod_networks)
    proof: dict[type[Fact], str] = {CniFiles: f'{cni.path}: "name": "{name}"', Hns: f"pod networks: {names}"}
    made = flannel_name(files)
    told, place = "", ""
    if isinstance(proxy, KubeProxy):
        told, place = network_name(proxy, proxy_pod(node.name, pods) if isinstance(pods, Pods) else None)
    exact = cni.kind.lower() in KINDS and schema(cni) != "2" and not cni.kind.lower().startswith("sdn")
    network = hns.network(name)
    if network is None or (exact and network.name != name):
        yield Problem(
            f"{cni.path} on {node.name} names the network {name}, and HNS has {names}.", proof=proof
        )
    elif cni.conf.plugin.get("type") == "flannel" and made and made.lower() != name.lower():
        proof[FlannelFiles] = f"net-conf.json gives the name {made}"
        yield Problem(
            f"flanneld on {node.name} makes the network {made}, and {cni.path} names {name}.", proof=proof
        )
    elif told and told.lower() != name.lower():
        proof[KubeProxy] = f"network name {told} ({place})"
        yield Problem(
            f"kube-proxy on {node.name} is told the network {told}, and pods are on {name}.", proof=proof
        )
    elif network.name != name:
        yield CannotTell(
            f"{cni.path} names the network {name}, and HNS has {network.name}: whether HNS takes them for one is not "
            "known",
            hint="Write the name as HNS has it, and make the pods anew.",
        )


@check(
    "cni.network-type",
    title="The pod network is of the type that the plug-in needs",
    severity=ERROR,
    explains=no_network(),
    cases=[
        Case(
            "a bridge is left over from host-gw",
            FLANNEL_2022,
            (
                change(
                    Hns, lambda h: replace(h, networks=tuple(replace(n, type="L2Bridge") for n in h.networks))
                ),
            ),
            "node",
        ),
        Case(
            "the bridge plug-in on an overlay", CLASSIC_2019, (of_conf(delegated(type="win-bridge")),), "node"
        ),
        Case(
            "flannel's file names no delegate, which makes it the bridge plug-in",
            CLASSIC_2019,
            (of_conf(delegated(type="")),),
            "node",
        ),
    ],
)
def network_type(node: ThisNode, hns: Hns, cni: EffectiveCni) -> Iterator[Said]:
    """After a change of mode a network of the right name and the wrong type can be left over.

    Rule: win-overlay and sdnoverlay need a network of type Overlay, win-bridge and sdnbridge one of type
    L2Bridge or L2Tunnel; the network that the configuration names is of another type.
    Remedy: Get-HnsNetwork | ? Name -eq NAME | Remove-HnsNetwork, then restart flanneld, which makes it anew.
    Confused with: a wrong name (cni.name-mismatch).
    Source: containernetworking/plugins win-overlay and win-bridge ("network … is of an unexpected type").
    """
    wanted = KINDS.get(cni.kind.lower())
    network = hns.network(cni.conf.network) if cni.conf else None
    if wanted is None or network is None:
        yield Skip("The plug-in or its network is not known here.")
        return
    if network.type.lower() not in wanted:
        text = (
            f"The network {network.name} on {node.name} is of type {network.type}, and {cni.kind} "
            f"needs {' or '.join(wanted)}."
        )
        yield Problem(
            text,
            proof={
                Hns: f"network {network.name}: type {network.type}",
                CniFiles: f"{cni.path}: type {cni.kind}",
            },
        )
