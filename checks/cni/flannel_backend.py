"""flannel's back end and its options: what has no Windows half."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.causes import CLUSTER, cause_of
from checks.check import Case, check
from checks.cni.flannel_numbers import backend_text, is_vxlan
from checks.cni.flannel_vni import config_map, of_net_conf
from checks.cni.links import no_flanneld, no_packets
from checks.finding import ERROR, WARN, Problem, Said, Skip, node_object
from facts.cluster.flannel import FlannelConfig, FlannelDaemons
from facts.cluster.nodes import Nodes
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Each
from facts.node.cni import FlannelFiles, NetConf

SUPPORTED = ("vxlan", "host-gw")
TOO_OLD = "unknown backend type: vxlan"
BEHIND_NAT = "not supported by host-gw backend"


@check(
    "cni.flannel.backend",
    title="flannel's back end exists on Windows",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.restart-needed", CLUSTER),
        cause_of("cni.flannel.netconf-stale", CLUSTER),
        cause_of("cni.name-mismatch", CLUSTER),
        cause_of("cni.network-type", CLUSTER),
        *no_flanneld(CLUSTER),
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
        Case("host-gw is supported", FLANNEL_2022, (of_net_conf(backend="host-gw"),), quiet=True),
        Case("the type is compared without case", FLANNEL_2022, (of_net_conf(backend="VXLAN"),), quiet=True),
    ],
)
def backend(
    flannel: FlannelConfig, nodes: Nodes, daemons: FlannelDaemons | Failed | NotApplicable
) -> Iterator[Said]:
    """flanneld on Windows has two back ends, vxlan and host-gw; with any other it exits at its start.

    Rule: Backend.Type other than vxlan and host-gw (without regard to case) is an error. So is a flanneld
    that says it does not know vxlan (its Windows build is too old), and host-gw between nodes that are
    behind NAT.
    Remedy: choose vxlan (VNI 4096, Port 4789) or host-gw for the whole cluster in kube-flannel-cfg, then
    kubectl -n kube-flannel rollout restart daemonset. Where flanneld is too old, install 0.12 or newer.
    Confused with: an option inside a supported back end that Windows refuses (cni.flannel.options).
    Source: flannel backend.md and pkg/backend; https://github.com/flannel-io/flannel/issues/957.
    """
    if not nodes.windows:
        yield Skip("The cluster has no Windows node.")
        return
    kind = flannel.conf.backend.lower()
    if flannel.conf.error:
        yield Skip(f"net-conf.json cannot be read: {flannel.conf.error}.")
    elif kind not in SUPPORTED:
        text = (
            f"net-conf.json sets the back end {kind or 'to nothing'}, which has no Windows half: "
            "flanneld exits on every Windows node."
        )
        yield Problem(text, config_map(flannel), proof={FlannelConfig: backend_text(flannel.raw)})
    for daemon in daemons.daemons if isinstance(daemons, FlannelDaemons) else ():
        for line in daemon.errors[-1:]:
            proof: dict[type[Fact], str] = {FlannelDaemons: line}
            if TOO_OLD in line and kind == "vxlan":
                yield Problem(
                    f"flanneld on node {daemon.node} does not know vxlan: its build is too old.",
                    config_map(flannel),
                    proof=proof,
                )
            if BEHIND_NAT in line:
                text = (
                    f"Node {daemon.node} is behind NAT (its public address is not its interface's), "
                    "which host-gw cannot serve."
                )
                yield Problem(text, config_map(flannel), proof=proof)


def _refused(conf: NetConf) -> Iterator[tuple[bool, str]]:
    """(flanneld exits, what is wrong) for each option that Windows does not take."""
    if conf.direct_routing:
        yield True, "DirectRouting is true"
    if conf.gbp:
        yield True, "GBP is true"
    prefix = conf.mac_prefix
    if prefix and (len(prefix) != 5 or prefix[2] != "-"):
        yield True, f'MacPrefix is "{prefix}", not of the form xx-xx'
    elif prefix and not re.fullmatch(r"[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}", prefix):
        yield False, f'MacPrefix is "{prefix}", which are no two hexadecimal bytes'


@check(
    "cni.flannel.options",
    title="flannel's vxlan options are ones that Windows takes",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.restart-needed", CLUSTER),
        *no_flanneld(CLUSTER),
        *no_packets(CLUSTER),
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
            "a MAC prefix that is no hexadecimal",
            FLANNEL_2022,
            (of_net_conf(mac_prefix="zz-zz"),),
            "kube-flannel/kube-flannel-cfg",
            WARN,
        ),
        Case("the default MAC prefix", FLANNEL_2022, (of_net_conf(mac_prefix="0E-2A"),), quiet=True),
    ],
)
def options(flannel: FlannelConfig, nodes: Nodes, files: Each[FlannelFiles]) -> Iterator[Said]:
    """DirectRouting, GBP and a wrong MacPrefix are fine on Linux and make flanneld on Windows exit.

    Rule: back end vxlan: DirectRouting or GBP true, or a MacPrefix that has not five characters with "-" in
    the middle, is an error; a MacPrefix of other characters than two hexadecimal bytes is a warning. The
    ConfigMap is judged, and a node's own net-conf.json where it says something else.
    Remedy: remove the option from Backend in kube-flannel-cfg, then kubectl -n kube-flannel rollout restart
    daemonset.
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
        )
        return
    for node, answer in files:
        for file in answer.net_confs:
            own = [t for fatal, t in _refused(file.conf) if fatal]
            if own:
                text = f"In {file.path} on {node} {' and '.join(own)}: flanneld there exits."
                yield Problem(text, node_object(node), proof={FlannelFiles: f"{file.path}: {own[0]}"})
