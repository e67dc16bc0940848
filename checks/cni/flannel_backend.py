"""flannel's back end and its options: what has no Windows half."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fails
from checks.causes import CLUSTER, SAME_NODE_OR_CLUSTER, cause_of
from checks.check import Case, check
from checks.cni.flannel_netconf import in_force
from checks.cni.flannel_numbers import backend_text, is_vxlan
from checks.cni.flannel_vni import config_map, of_net_conf, remedy_in
from checks.cni.links import everywhere, no_flanneld, no_packets, only
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip, node_object
from facts.cluster.flannel import FlannelConfig, FlannelDaemons
from facts.cluster.nodes import Nodes
from facts.derived.flanneld_words import FlanneldWords
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Each
from facts.node.cni import FlannelFiles, NetConf

SUPPORTED = ("vxlan", "host-gw")
TOO_OLD = "unknown backend type: vxlan"
BEHIND_NAT = "not supported by host-gw backend"
# flannel pkg/backend/route_network.go repeats it every ten seconds while the next hop is on no network of the node.
NO_NEIGHBOUR = re.compile(r"Error adding route to .*(?:network is unreachable|invalid gateway)")


def _linux_says(line: str) -> Change:
    """The last words of flannel on every Linux node, for cases."""

    def edit(found: FlannelDaemons) -> FlannelDaemons:
        told = (
            d if "windows" in d.pod else replace(d, errors=(line,), tail=f"{d.tail}\n{line}")
            for d in found.daemons
        )
        return replace(found, daemons=tuple(told))

    return change(FlannelDaemons, edit)


def _service_says(line: str) -> Change:
    return change(FlanneldWords, lambda w: replace(w, lines=(line,)))


@check(
    "cni.flannel.backend",
    title="flannel's back end exists on Windows",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.restart-needed", CLUSTER),
        cause_of("cni.flannel.netconf-stale", CLUSTER),
        cause_of("cni.name-mismatch", CLUSTER),
        cause_of("cni.network-type", CLUSTER),
        *only(no_flanneld(CLUSTER), everywhere),
        *no_packets(CLUSTER),
    ],
    cases=[
        Case("wireguard", FLANNEL_2022, (of_net_conf(backend="wireguard"),), "kube-flannel/kube-flannel-cfg"),
        Case(
            "ipip in the classic cluster",
            CLASSIC_2019,
            (of_net_conf(backend="ipip"),),
            "kube-system/kube-flannel-cfg",
        ),
        Case(
            "flanneld of a classic node is too old for vxlan",
            CLASSIC_2019,
            (_service_says("Error fetching backend: unknown backend type: vxlan"),),
            "192.168.18.8",
        ),
        Case(
            "host-gw between nodes of different networks",
            FLANNEL_2022,
            (
                of_net_conf(backend="host-gw"),
                _linux_says(
                    "E0909 03:53:01.839493       1 route_network.go:114] Error adding route to 10.244.1.0/24 via "
                    "10.132.0.3 dev index 2: network is unreachable"
                ),
            ),
            "kube-flannel/kube-flannel-cfg",
        ),
        Case("host-gw is supported", FLANNEL_2022, (of_net_conf(backend="host-gw"),), quiet=True),
        Case("the type is compared without case", FLANNEL_2022, (of_net_conf(backend="VXLAN"),), quiet=True),
    ],
)
def backend(
    flannel: FlannelConfig,
    nodes: Nodes,
    daemons: FlannelDaemons | Failed | NotApplicable,
    words: Each[FlanneldWords],
) -> Iterator[Said]:
    """flanneld on Windows has two back ends, vxlan and host-gw; with any other it exits at its start.

    Rule: Backend.Type other than vxlan and host-gw (without regard to case) is an error. So is a flanneld
    that says it does not know vxlan (its Windows build is too old), and host-gw between nodes that are
    behind NAT, or that cannot reach each other without a router.
    Remedy: choose vxlan (VNI 4096, Port 4789) or host-gw for the whole cluster in kube-flannel-cfg, then
    kubectl -n kube-flannel rollout restart daemonset -l app=flannel. Where flanneld is too old, install 0.12 or
    newer. Nodes on different networks need vxlan.
    Confused with: an option inside a supported back end that Windows refuses (cni.flannel.options).
    Source: flannel backend.md and pkg/backend; https://github.com/flannel-io/flannel/issues/957.
    """
    if not nodes.windows:
        yield Skip("The cluster has no Windows node.")
        return
    kind = flannel.conf.backend.lower()
    about, remedy = config_map(flannel), remedy_in(flannel.namespace, backend)
    if flannel.conf.error:
        yield Skip(f"net-conf.json cannot be read: {flannel.conf.error}.")
        return
    if kind not in SUPPORTED:
        given = f"sets the back end {kind}" if kind else "names no back end, so that flannel takes udp"
        text = f"net-conf.json {given}, which has no Windows half: flanneld exits on every Windows node."
        yield Problem(text, about, proof={FlannelConfig: backend_text(flannel.raw)}, remedy=remedy)
        return
    proof: dict[type[Fact], str]
    told = daemons.daemons if isinstance(daemons, FlannelDaemons) else ()
    last: dict[str, tuple[type[Fact], str]] = {
        d.node: (FlannelDaemons, d.errors[-1]) for d in told if d.errors
    }
    for node, said in words:
        line = said.saying(TOO_OLD, BEHIND_NAT)
        if line:
            last[node] = (FlanneldWords, line)
    for node, (fact, line) in last.items():
        if kind == "vxlan" and TOO_OLD in line:
            text = f"flanneld on node {node} does not know vxlan and exits: its build is too old."
            yield Problem(text, node_object(node), proof={fact: line}, remedy=remedy)
        if kind == "host-gw" and BEHIND_NAT in line:
            text = (
                f"flanneld on node {node} exits: its public address is not its interface's, and host-gw does not "
                "work behind NAT."
            )
            yield Problem(text, node_object(node), proof={fact: line}, remedy=remedy)
    # The same line is repeated for ever: what stands among the last words is so now.
    far = {d.node: line for d in told for line in d.tail.splitlines() if NO_NEIGHBOUR.search(line)}
    if far and kind == "host-gw":
        text = (
            f"host-gw needs nodes that reach each other without a router, and {', '.join(list(far)[:5])} "
            "cannot set a route by way of another node: their networks are different ones."
        )
        proof = {FlannelDaemons: "\n".join(f"{node}: {line}" for node, line in list(far.items())[:5])}
        yield Problem(text, about, proof=proof, remedy=remedy)


def _refused(conf: NetConf) -> Iterator[tuple[bool, str]]:
    """(flanneld exits, what is wrong) for each option that Windows does not take."""
    if conf.direct_routing:
        yield True, "DirectRouting is true"
    if conf.gbp:
        yield True, "GBP is true"
    prefix = conf.mac_prefix
    if prefix is not None and (len(prefix) != 5 or prefix[2] != "-"):
        yield True, f'MacPrefix is "{prefix}", not of the form xx-xx'
    elif prefix and not re.fullmatch(r"[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}", prefix):
        yield False, f'MacPrefix is "{prefix}", which are no two hexadecimal bytes'


def _own_file(path: str) -> Change:
    """DirectRouting in that file of the node, for cases."""

    def edit(files: FlannelFiles) -> FlannelFiles:
        confs = (
            replace(f, conf=replace(f.conf, direct_routing=True)) if f.path == path else f
            for f in files.net_confs
        )
        return replace(files, net_confs=tuple(confs))

    return change(FlannelFiles, edit)


@check(
    "cni.flannel.options",
    title="flannel's vxlan options are ones that Windows takes",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.restart-needed", CLUSTER),
        *only(no_flanneld(SAME_NODE_OR_CLUSTER), everywhere),
        *no_packets(SAME_NODE_OR_CLUSTER),
    ],
    cases=[
        Case(
            "DirectRouting",
            FLANNEL_2022,
            (of_net_conf(direct_routing=True),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case("GBP", CLASSIC_2019, (of_net_conf(gbp=True),), "kube-system/kube-flannel-cfg", ERROR),
        Case(
            "a MAC prefix with a colon",
            FLANNEL_2022,
            (of_net_conf(mac_prefix="0E:2A"),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "an empty MAC prefix",
            FLANNEL_2022,
            (of_net_conf(mac_prefix=""),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "a MAC prefix that is no hexadecimal",
            FLANNEL_2022,
            (of_net_conf(mac_prefix="zz-zz"),),
            "kube-flannel/kube-flannel-cfg",
            WARN,
        ),
        Case(
            "in the file that flanneld of one node reads",
            CLASSIC_2019,
            (_own_file(r"C:\etc\kube-flannel\net-conf.json"),),
            "192.168.18.8",
            ERROR,
        ),
        Case(
            "in a template that flanneld does not read",
            CLASSIC_2019,
            (_own_file(r"C:\k\net-conf.json"),),
            quiet=True,
        ),
        Case("the file of a node was not seen", FLANNEL_2022, (fails(FlannelFiles),), unknown=True),
        Case("the default MAC prefix", FLANNEL_2022, (of_net_conf(mac_prefix="0E-2A"),), quiet=True),
    ],
)
def options(flannel: FlannelConfig, nodes: Nodes, files: Each[FlannelFiles]) -> Iterator[Said]:
    """DirectRouting, GBP and a wrong MacPrefix are fine on Linux and make flanneld on Windows exit.

    Rule: back end vxlan: DirectRouting or GBP true, or a MacPrefix (an empty one too) that has not five characters
    with "-" in the middle, is an error; a MacPrefix of other characters than two hexadecimal bytes is a warning. The
    ConfigMap is judged, and a node's own net-conf.json where it says something else.
    Remedy: remove the option from Backend in kube-flannel-cfg (or in the file that is named), then kubectl -n
    kube-flannel rollout restart daemonset -l app=flannel (classic: Restart-Service flanneld).
    Confused with: VNI and port, which have checks of their own.
    Source: flannel pkg/backend/vxlan/vxlan_windows.go.
    """
    if not nodes.windows or not is_vxlan(flannel.conf):
        yield Skip("flannel's vxlan back end is not in use with Windows nodes.")
        return
    found = list(_refused(flannel.conf))
    if found:
        fatal = any(f for f, _ in found)
        text = " and ".join(t for _, t in found) + (": flanneld on Windows exits." if fatal else ".")
        yield Problem(
            f"In net-conf.json {text}",
            config_map(flannel),
            ERROR if fatal else WARN,
            {FlannelConfig: backend_text(flannel.raw)},
            remedy_in(flannel.namespace, options),
        )
        return
    if files.failed:
        unread = ", ".join(list(files.failed)[:5])
        yield CannotTell(
            f"net-conf.json on {unread} could not be read", because=tuple(files.failed.values())[:1]
        )
    for node, answer in files:
        file = in_force(answer)
        own = [t for fatal, t in _refused(file.conf) if fatal] if file else []
        if file and own:
            text = f"In {file.path} on {node} {' and '.join(own)}: flanneld there exits."
            yield Problem(
                text,
                node_object(node),
                proof={FlannelFiles: f"{file.path}: {own[0]}"},
                remedy=remedy_in(flannel.namespace, options),
            )
