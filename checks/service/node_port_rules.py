"""Node ports in HNS: is there a rule, is it whole, and is the port free?"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, INFO, WARN, Problem, Said, Skip
from checks.proxy.settings import SAME_SERVICE_ON_NODE, creation_failed
from checks.service.flows import MET_AT_ITS_NODE_PORT
from checks.service.ports import backends, node_port_balancer, node_ports
from checks.workload.edits import new_service
from facts.access import ThisNode
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.hns import Hns
from facts.node.kubernetes import NodeLogs
from facts.node.network import Listener, Ports


def without_node_port_rules(draft: Draft) -> None:
    """For cases: HNS lost every load balancer of a node port."""
    hns = draft.get(Hns)
    draft.put(Hns, replace(hns, load_balancers=tuple(b for b in hns.load_balancers if b.vips)))


def _first_node_port(draft: Draft) -> int:
    return next(node_ports(draft.get(ServiceObjects))).port.node_port


@check(
    "service.nodeport.lb-present",
    title="Every node port has its rule in HNS",
    severity=ERROR,
    explains=[cause_of("service.nodeport.matrix-seed", same=MET_AT_ITS_NODE_PORT)],
    cases=[
        Case("the rule was deleted", FLANNEL_2022, (without_node_port_rules,), finds="shop/win-web-public"),
        Case(
            "policy Local and no backend here: no rule is right",
            FLANNEL_2022,
            (new_service("edge", "10.96.77.7", 80, node_port=30999, local=True),),
            quiet=True,
        ),
        Case(
            "the destination is preserved, and no backend is here",
            FLANNEL_2022,
            (
                new_service(
                    "edge", "10.96.77.7", 80, node_port=30999, annotations={"preserve-destination": "true"}
                ),
            ),
            quiet=True,
        ),
        Case(
            "a CNI with a proxy of its own, which uses no load balancers of HNS",
            FLANNEL_2022,
            (fields(Stack, cni=""), fields(Hns, load_balancers=())),
            quiet=True,
        ),
        Case("HNS does not answer", FLANNEL_2022, (fails(Hns),), unknown=True),
    ],
)
def load_balancer_present(
    node: ThisNode,
    hns: Hns,
    services: ServiceObjects,
    slices: EndpointSlices,
    pods: Pods,
    stack: Stack,
    logs: NodeLogs | Failed,
) -> Iterator[Said]:
    """A node port is a load balancer without a virtual address in HNS. Without it nobody connects through this node.

    Rule: a Service has a node port and ready backends (with externalTrafficPolicy Local or the annotation
    preserve-destination: on this node), and HNS has no load balancer without VIP for that port and protocol.
    Remedy: restart kube-proxy (`Restart-Service kube-proxy`, or delete its pod on this node); if its log then says
    "Nodeport policy creation failed", the hex code tells why, 0x803b0013 that the port is taken.
    Confused with: the limit that a Windows host does not reach its own node ports.
    Source: kubernetes pkg/proxy/winkernel/proxier.go.
    """
    if not hns.load_balancers and stack.cni == "":
        yield Skip("The CNI is not one that kwinnow knows, and HNS holds no load balancer of any Service.")
        return
    for served in node_ports(services):
        if node_port_balancer(hns, served):
            continue
        ready = backends(served, slices, pods)
        if served.from_here_alone:
            ready = [b for b in ready if b.node == node.name]
        if not ready:
            continue
        said = creation_failed(logs, "nodeport", served.name)
        port = f"{served.port.node_port}/{served.port.protocol}"
        rules = sorted({b.external_port for b in hns.load_balancers if not b.vips})
        shown = ", ".join(map(str, rules)) or "none"
        proof: dict[type[Fact], str] = {
            Hns: f"node ports with a rule: {shown}",
            EndpointSlices: f"{served.name}: {len(ready)} ready backends",
        }
        yield Problem(
            f"HNS on this node has no rule for node port {port} of Service {served.name}, which has "
            f"{len(ready)} ready backends.",
            served.object,
            proof={**proof, NodeLogs: said} if said else {**proof},
        )


def _unrouted(hns: Hns) -> Hns:
    return replace(
        hns,
        load_balancers=tuple(
            replace(b, local_routed_vip=False) if not b.vips else b for b in hns.load_balancers
        ),
    )


@check(
    "service.nodeport.flags",
    title="Node-port rules may be used from the node itself",
    severity=INFO,
    explains=[cause_of("service.nodeport.from-own-host", same=SAME_SERVICE_ON_NODE)],
    cases=[
        Case(
            "an old kube-proxy made them",
            FLANNEL_2022,
            (change(Hns, _unrouted),),
            finds="shop/win-web-public",
        )
    ],
)
def flags(hns: Hns, services: ServiceObjects) -> Iterator[Said]:
    """The flags of a load balancer say why a node port behaves as it does: bit 2 (LocalRoutedVIP) lets the host use
    it, bit 1 of the balancer is direct server return, bit 16 marks an external address.

    Rule: the load balancer of a node port lacks LocalRoutedVIP.
    Remedy: none is needed for clients elsewhere; a newer kube-proxy sets the flag.
    Confused with: an error: the rule works for everybody else.
    Source: microsoft/hcsshim hcn/hcnloadbalancer.go; kubernetes pkg/proxy/winkernel/hns.go.
    """
    for served in node_ports(services):
        rule = node_port_balancer(hns, served)
        if rule is not None and not rule.local_routed_vip:
            yield Problem(
                f"The rule for node port {served.port.node_port} lacks LocalRoutedVIP: this host itself cannot use it.",
                served.object,
                proof={
                    Hns: f"ExternalPort {rule.external_port}: LocalRoutedVip false, DSR {str(rule.dsr).lower()}"
                },
            )


def _listens(draft: Draft) -> None:
    ports = draft.get(Ports)
    taken = Listener("0.0.0.0", _first_node_port(draft), 5012)
    draft.put(Ports, replace(ports, listening=(*ports.listening, taken)))


def _dynamic(*, excluded: tuple[tuple[int, int], ...]) -> Change:
    return change(
        Ports,
        lambda p: replace(
            p,
            dynamic={"tcp": (16385, 49151), "udp": (16385, 49151)},
            excluded={"tcp": excluded, "udp": excluded},
        ),
    )


@check(
    "service.nodeport.port-taken",
    title="Node ports are free on Windows",
    severity=ERROR,
    explains=[
        cause_of("service.nodeport.lb-present", same=SAME_SERVICE_ON_NODE),
    ],
    cases=[
        Case(
            "a program listens on it", CLASSIC_2019, (_listens,), finds="shop/win-web-public", severity=ERROR
        ),
        Case(
            "inside the dynamic range",
            FLANNEL_2022,
            (_dynamic(excluded=()),),
            finds="shop/win-web-public",
            severity=WARN,
        ),
        Case(
            "the dynamic range with the node ports excluded",
            FLANNEL_2022,
            (_dynamic(excluded=((30000, 32767),)),),
            quiet=True,
        ),
        Case(
            "another range of node ports, excluded on purpose",
            FLANNEL_2022,
            (
                without_node_port_rules,
                change(Ports, lambda p: replace(p, excluded={"tcp": ((30000, 31500),)})),
            ),
            quiet=True,
        ),
        Case(
            "reserved by Windows, and no rule could be made",
            FLANNEL_2022,
            (
                without_node_port_rules,
                change(Ports, lambda p: replace(p, excluded={"tcp": ((30050, 30149),)})),
            ),
            finds="shop/win-web-public",
            severity=ERROR,
        ),
    ],
)
def port_taken(services: ServiceObjects, ports: Ports, hns: Hns | Failed) -> Iterator[Said]:
    """A node port is a port of Windows, too: a program, a reservation or an outgoing connection may hold it.

    Rule: a process listens on the node port: error (HNS answers 0x803b0013). The port lies in an excluded range and
    HNS has no rule for it: error (a range of a thousand ports and more was excluded on purpose). It lies in the dynamic
    range, from which Windows takes ports for outgoing connections, and no exclusion protects it: warn.
    Remedy: end the program or change the nodePort; protect the whole range with `netsh int ipv4 add
    excludedportrange tcp 30000 2768` (and udp), or move the dynamic range above it with `netsh int ipv4 set
    dynamicport tcp 34000 31536`.
    Confused with: two Services that want one port: the API server refuses that.
    Source: Azure/AgentBaker staging/cse/windows/configfunc.ps1; Microsoft's common problems page.
    """
    for served in node_ports(services):
        port = served.port.node_port
        kind = served.port.protocol.lower()
        holder = next((x for x in ports.listening if x.port == port), None) if kind == "tcp" else None
        shut = next((r for r in ports.excluded.get(kind, ()) if r[0] <= port <= r[1]), None)
        start, count = ports.dynamic.get(kind, (0, 0))
        missing = isinstance(hns, Hns) and node_port_balancer(hns, served) is None
        if holder is not None:
            yield Problem(
                f"Process {holder.pid} listens on {holder.address}:{port}, the node port of Service {served.name}.",
                served.object,
                proof={Ports: f"listening: {holder.address}:{port} by process {holder.pid}"},
            )
        elif shut is not None and missing and not _deliberate(shut):
            yield Problem(
                f"Windows reserved {kind} ports {shut[0]}-{shut[1]}, and with them node port {port} of "
                f"Service {served.name}.",
                served.object,
                proof={Ports: f"excluded {kind}: {shut[0]}-{shut[1]}", Hns: f"no rule for port {port}"},
                remedy="A range of a hundred ports was taken for Hyper-V or WinNAT: restart the node and exclude the "
                "node ports before others come, `netsh int ipv4 add excludedportrange tcp 30000 2768`. A single port "
                "was left behind by HNS: a restart of the node gives it back. Or give the Service another nodePort.",
            )
        elif shut is None and start <= port < start + count:
            yield Problem(
                f"Node port {port} of Service {served.name} lies in Windows' dynamic {kind} range "
                f"{start}-{start + count - 1}: an outgoing connection may take it.",
                served.object,
                severity=WARN,
                proof={Ports: f"dynamic {kind}: {start} + {count}; no exclusion covers {port}"},
            )


def _deliberate(reserved: tuple[int, int]) -> bool:
    """Guides advise to exclude all node ports, which does not hinder HNS. Windows takes a hundred at a time, or one."""
    return reserved[1] - reserved[0] >= 1000
