"""Troubles on the way between nodes that only a failing call shows: judged where a pod's log has one."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.check import Case, check
from checks.cni.flannel_leases import on_linux
from checks.cni.flannel_network import first_route
from checks.cni.flannel_numbers import PORT, VNI, ipv4_of, lease, pod_cidr
from checks.cni.flannel_wire import shut, without_rules_for
from checks.cni.symptoms import NOBODY_ASKED, towards_peers
from checks.edits import condition, node_object
from checks.finding import ERROR, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig
from facts.cluster.nodes import Nodes
from facts.cluster.objects import NodeObject
from facts.cluster.pod_logs import PodTail, WindowsPodLogs
from facts.cluster.workloads import Pods
from facts.derived.stack import Stack
from facts.examples import FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import CniFiles, FlannelFiles
from facts.node.hns import Hns
from facts.node.network import Adapters, Firewall, Route, Routes
from facts.node.windows import Os

VIRTUAL = (
    "vmware",
    "virtual",
    "qemu",
    "kvm",
    "xen",
    "hvm",
    "standard pc",
    "bochs",
    "google compute",
    "openstack",
)


CLOUDS = ("azure", "aws", "gce")


def logged(line: str) -> Change:
    """A pod on the first node logs `line`, for cases."""

    def apply(draft: Draft) -> None:
        tail = PodTail("shop", "win-web-0", draft.node, line)
        draft.put(WindowsPodLogs, WindowsPodLogs((tail,)))

    return apply


TO_A_PEER = "fail: dial tcp 10.244.0.5:53: i/o timeout"


def _configured(node: str, nodes: Nodes, flannel: FlannelConfig, hns: Hns) -> str:
    """Why the configuration itself may be at fault; empty if everything that is known is right."""
    if flannel.conf.vni is None or flannel.conf.vni < VNI or flannel.conf.port != PORT:
        return "VNI or port in the ConfigMap"
    network = hns.overlay
    if network is None or network.vsid != flannel.conf.vni:
        return "the overlay network"
    routes = {r.prefix: r for r in network.remote_subnets}
    for peer in nodes.items:
        if peer.name == node or not pod_cidr(peer):
            continue
        held, route = lease(peer.metadata.annotations), routes.get(pod_cidr(peer))
        if held is None or held.vni != flannel.conf.vni or route is None or route.vsid != held.vni:
            return f"lease or route of {peer.name}"
    return ""


@check(
    "cni.flannel.underlay-4789",
    title="The network between the nodes carries UDP 4789",
    severity=ERROR,
    explains=[],
    cases=[
        Case(
            "all is configured, and calls to a peer's pods time out",
            FLANNEL_2022,
            (logged(TO_A_PEER),),
            "node",
        ),
        Case(
            "a route is missing: that is the cause",
            FLANNEL_2022,
            (logged(TO_A_PEER), first_route()),
            quiet=True,
        ),
        Case(
            "the node's own firewall drops it",
            FLANNEL_2022,
            (logged(TO_A_PEER), without_rules_for(PORT)),
            quiet=True,
        ),
        Case(
            "an address outside the cluster times out",
            FLANNEL_2022,
            (logged("dial tcp 93.184.216.34:443: i/o timeout"),),
            quiet=True,
        ),
        Case(
            "the pod that was called is gone",
            FLANNEL_2022,
            (logged("dial tcp 10.244.0.77:8080: i/o timeout"),),
            quiet=True,
        ),
        Case(
            "the node of the pod that was called is down",
            FLANNEL_2022,
            (
                logged(TO_A_PEER),
                on_linux(condition("Ready", "Unknown", "Kubelet stopped posting node status.")),
            ),
            quiet=True,
        ),
    ],
)
def underlay_4789(
    node: ThisNode,
    stack: Stack,
    flannel: FlannelConfig,
    nodes: Nodes,
    hns: Hns,
    firewall: Firewall,
    adapters: Adapters | Failed,
    logs: WindowsPodLogs,
    pods: Pods | Failed,
    os: Os,
) -> Iterator[Said]:
    """A security group, a firewall in between, or NSX (which uses 4789 itself) can swallow the pods' packets.

    Rule: likely, where a pod's log shows a timeout towards a pod of another node while VNI, port, leases,
    routes and the node's firewall are right. Without such a line a probe between pods would be needed.
    Remedy: open UDP 4789 both ways between all nodes; on vSphere with NSX give NSX another port. To see
    where packets end: pktmon filter add -p 4789; pktmon start --etw on the node, tcpdump -ni eth0 udp port
    4789 on the Linux node. Leaves Windows and does not arrive: the network between. Arrives and is not
    unpacked: VNI or MAC.
    Confused with: an MTU that is too large (small packets pass), and the node's own firewall.
    Source: Microsoft, "Common problems" of Kubernetes on Windows;
    https://github.com/flannel-io/flannel/issues/2388.
    """
    if not stack.flannel_overlay:
        yield Skip("The node does not use flannel's overlay.")
        return
    symptoms = towards_peers(logs, nodes, pods, node.name)
    if not symptoms:
        yield Skip(NOBODY_ASKED)
        return
    wrong = _configured(node.name, nodes, flannel, hns)
    blocked, _ = shut(firewall, adapters, ipv4_of(node.object))
    if wrong or blocked:
        yield Skip(f"Pods time out towards other nodes, and {wrong or 'the node’s firewall'} may be why.")
        return
    pod, peer, line = symptoms[-1]
    nsx = (
        " The node is a VMware guest: NSX uses UDP 4789 itself."
        if "vmware" in os.manufacturer.lower()
        else ""
    )
    text = (
        f"Pod {pod} on {node.name} times out towards pods of {peer} although flannel is set up "
        f"right: UDP {PORT} is likely lost between the nodes.{nsx}"
    )
    proof: dict[type[Fact], str] = {WindowsPodLogs: line}
    if hns.overlay:
        proof[Hns] = (
            f"network {hns.overlay.name}: VSID {hns.overlay.vsid}, {len(hns.overlay.remote_subnets)} routes"
        )
    yield Problem(text, proof=proof)


def _l2bridge(draft: Draft) -> None:
    """The cluster runs host-gw, and HNS has an L2Bridge network."""
    change(FlannelConfig, lambda f: replace(f, conf=replace(f.conf, backend="host-gw", vni=None, port=None)))(
        draft
    )
    change(Hns, lambda h: replace(h, networks=tuple(replace(n, type="L2Bridge") for n in h.pod_networks)))(
        draft
    )
    hops = [Route(pod_cidr(n), n.address(), 12, 0) for n in draft.get(Nodes).items if n.name != draft.node]
    change(Routes, lambda r: replace(r, routes=(*r.routes, *hops)))(draft)


def _no_routes(draft: Draft) -> None:
    change(Routes, lambda r: replace(r, routes=r.defaults))(draft)


def _in_azure(node: NodeObject) -> NodeObject:
    return replace(node, spec=replace(node.spec, provider_id="azure:///subscriptions/0/win-1"))


def _azure_cni(draft: Draft) -> None:
    """No ConfigMap of flannel, no file of flannel's on the node."""
    draft.put(FlannelConfig, NotApplicable("no ConfigMap"))
    draft.put(FlannelFiles, FlannelFiles())
    change(CniFiles, lambda f: replace(f, confs=()))(draft)


@check(
    "cni.flannel.mac-spoofing",
    title="The hypervisor lets the pods' MAC addresses pass",
    severity=ERROR,
    explains=[],
    cases=[
        Case("a bridged network on a virtual machine", FLANNEL_2022, (_l2bridge, logged(TO_A_PEER)), "node"),
        Case(
            "no route to the other node: that is the cause",
            FLANNEL_2022,
            (_l2bridge, _no_routes, logged(TO_A_PEER)),
            quiet=True,
        ),
        Case(
            "a machine of a public cloud",
            FLANNEL_2022,
            (_l2bridge, node_object(_in_azure), logged(TO_A_PEER)),
            quiet=True,
        ),
        Case(
            "another CNI makes the bridge",
            FLANNEL_2022,
            (_l2bridge, logged(TO_A_PEER), _azure_cni),
            quiet=True,
        ),
        Case("overlay carries the node's own MAC", FLANNEL_2022, (logged(TO_A_PEER),), quiet=True),
    ],
)
def mac_spoofing(
    node: ThisNode,
    stack: Stack,
    nodes: Nodes,
    hns: Hns,
    os: Os,
    routes: Routes | Failed,
    logs: WindowsPodLogs,
    pods: Pods | Failed,
) -> Iterator[Said]:
    """On a bridged network pods send with their own MAC, and a hypervisor drops MACs that it did not give.

    Rule: likely, where flannel's pod network is of type L2Bridge or Transparent, the node is a virtual machine
    (not one of a public cloud, whose networks go by routes and know no such switch) and has a route to the
    other node's pods, and a pod's log shows a timeout towards one. It cannot be seen from inside the guest.
    Remedy: on the Hyper-V host Set-VMNetworkAdapter -VMName NODE -MacAddressSpoofing On; on vSphere allow
    forged transmits and promiscuous mode for the port group.
    Confused with: UDP 4789 blocked: overlay packets carry the node's MAC and do not need spoofing.
    Source: Kubernetes, "Troubleshooting Kubernetes on Windows" (MacSpoofing).
    """
    if stack.cni != "flannel":
        yield Skip("The node does not use flannel.")
        return
    cloud = node.object.spec.provider_id.partition(":")[0]
    if cloud in CLOUDS:
        yield Skip(f"On {cloud} no setting of the hypervisor decides; its routes and IP forwarding do.")
        return
    network = next((n for n in hns.pod_networks if n.type.lower() in ("l2bridge", "transparent")), None)
    machine = f"{os.manufacturer} {os.model}"
    if network is None or not any(word in machine.lower() for word in VIRTUAL):
        yield Skip("The pods' MAC addresses do not leave the node, or it is no virtual machine.")
        return
    symptoms = towards_peers(logs, nodes, pods, node.name)
    if not symptoms:
        yield Skip(NOBODY_ASKED)
        return
    if isinstance(routes, Routes):
        prefixes = {r.prefix for r in routes.routes}
        routed = {n.name for n in nodes.items if pod_cidr(n) in prefixes}
        symptoms = [s for s in symptoms if s[1] in routed]
        if not symptoms:
            yield Skip("Pods time out towards nodes to whose pods this node has no route.")
            return
    pod, peer, line = symptoms[-1]
    text = (
        f"Pod {pod} on {node.name} times out towards pods of {peer}; on a bridged network of a "
        "virtual machine the hypervisor likely drops the pods' MACs."
    )
    yield Problem(
        text, proof={WindowsPodLogs: line, Hns: f"network {network.name}: {network.type}", Os: machine}
    )
