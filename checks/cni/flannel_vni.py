"""The two numbers that Linux and Windows flannel must share: VNI 4096 and UDP port 4789."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import CLUSTER, SAME_OBJECT, cause_of
from checks.check import Case, Judge, check, section
from checks.cni.flannel_numbers import (
    ABSENT,
    LARGEST_VNI,
    LINUX_PORT,
    LINUX_VNI,
    PORT,
    VNI,
    backend_text,
    is_vxlan,
)
from checks.cni.links import everywhere, no_flanneld, no_packets, only
from checks.finding import ERROR, WARN, Finding, Object, Problem, Said, Skip
from facts.cluster.flannel import FlannelConfig, FlannelDaemons
from facts.cluster.nodes import Nodes
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import NetConf


def config_map(flannel: FlannelConfig) -> Object:
    return Object("ConfigMap", "kube-flannel-cfg", flannel.namespace)


def of_net_conf(**values: object) -> Change:
    """An edit of the ConfigMap's net-conf.json, for cases."""
    return change(FlannelConfig, lambda f: replace(f, conf=replace(f.conf, **values)))


def remedy_in(namespace: str, judge: Judge) -> str:
    """The remedy of the help page, with flannel's namespace in this cluster in its commands."""
    page = section(inspect.getdoc(judge) or "", "Remedy")
    return page.replace("-n kube-flannel", f"-n {namespace}")


def _of_the_number(cause: Finding, effect: Finding) -> bool:
    """The lease is wrong in its VNI; one that is not there at all comes of a flanneld that exits."""
    return "VNI" in effect.message or everywhere(cause, effect)


_SILENT = ("cni.flannel.lease-annotations", "cni.flannel.remote-subnets")  # follow from an absent VNI, too


def _both_absent(cause: Finding, effect: Finding) -> bool:
    return ABSENT in cause.message and ABSENT in effect.message


def why_not(flannel: FlannelConfig, nodes: Nodes) -> Skip | None:
    """The reason why VNI and port do not matter here, if there is one."""
    if not nodes.windows:
        return Skip("The cluster has no Windows node.")
    if flannel.conf.error:
        return Skip(f"net-conf.json cannot be read: {flannel.conf.error}.")
    if not is_vxlan(flannel.conf):
        return Skip(f"flannel's back end is {flannel.conf.backend or 'not set'}, not vxlan.")
    return None


def _proof(
    flannel: FlannelConfig, nodes: Nodes, daemons: FlannelDaemons | Failed | NotApplicable, refusal: str
) -> dict[type[Fact], str]:
    """The back end as written, and what the daemons on both systems made of it."""
    proof: dict[type[Fact], str] = {FlannelConfig: backend_text(flannel.raw)}
    if isinstance(daemons, FlannelDaemons):
        names = {n.name: n.os for n in nodes.items}
        lines = [f"{names.get(d.node, '')} node {d.node}: {d.line}" for d in daemons.daemons if d.line][:3]
        lines += [
            f"node {d.node}: {line}" for d in daemons.daemons for line in d.errors[-1:] if refusal in line
        ][:2]
        if lines:
            proof[FlannelDaemons] = "\n".join(lines)
    return proof


@check(
    "cni.flannel.vni",
    title="flannel's VNI is 4096 on Linux and Windows",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.port", SAME_OBJECT, when=_both_absent),
        cause_of("cni.flannel.restart-needed", CLUSTER),
        cause_of("cni.flannel.linux-device", CLUSTER),
        cause_of("cni.flannel.netconf-stale", CLUSTER),
        cause_of("cni.flannel.vsid", CLUSTER),
        cause_of("cni.name-mismatch", CLUSTER),
        *only([link for link in no_flanneld(CLUSTER) if link.effect not in _SILENT], everywhere),
        cause_of("cni.flannel.lease-annotations", CLUSTER, when=_of_the_number),
        cause_of("cni.flannel.remote-subnets", CLUSTER),
        *no_packets(CLUSTER),
    ],
    cases=[
        Case(
            "VNI and port absent: no error line anywhere",
            FLANNEL_2022,
            (of_net_conf(vni=None, port=None),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "VNI 1 written out: Windows flanneld exits",
            FLANNEL_2022,
            (of_net_conf(vni=1),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "0 is no absent VNI: Windows flanneld refuses it",
            FLANNEL_2022,
            (of_net_conf(vni=0),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "the classic cluster keeps it in kube-system",
            CLASSIC_2019,
            (of_net_conf(vni=None),),
            "kube-system/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "too large for the lease on Windows",
            FLANNEL_2022,
            (of_net_conf(vni=70000),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "5000 works, but names are made for 4096",
            FLANNEL_2022,
            (of_net_conf(vni=5000),),
            "kube-flannel/kube-flannel-cfg",
            WARN,
        ),
        Case(
            "host-gw has no VNI",
            FLANNEL_2022,
            (change(FlannelConfig, lambda f: replace(f, conf=NetConf("10.244.0.0/16", "host-gw"))),),
            quiet=True,
        ),
    ],
)
def vni(
    flannel: FlannelConfig, nodes: Nodes, daemons: FlannelDaemons | Failed | NotApplicable
) -> Iterator[Said]:
    """Pods on Linux and on Windows reach each other only if both halves of flannel use one VNI, and Windows
    needs 4096 or more.

    There are two different faults. With no VNI in net-conf.json, Linux takes 1 and Windows takes 4096: both
    start, no line says "error", and no packet ever passes. With a VNI below 4096 written out, flanneld on
    Windows says so and exits.

    Rule: back end vxlan and at least one Windows node: VNI absent or below 4096 is an error, above 65535 too
    (Windows keeps it in 16 bits); any other value but 4096 is a warning, because manifests and the network
    name flannel.4096 are made for it.
    Remedy: kubectl -n kube-flannel edit configmap kube-flannel-cfg: set "Backend": {"Type": "vxlan", "VNI":
    4096, "Port": 4789} in net-conf.json (RKE2: in the HelmChartConfig rke2-flannel, which would undo the edit),
    then kubectl -n kube-flannel rollout restart daemonset -l app=flannel (Linux first); on each Linux node ip
    link del flannel.1. On a classic node put the same into C:\\etc\\kube-flannel\\net-conf.json and
    Restart-Service flanneld. Pods of different nodes do not reach each other until all nodes have the new VNI.
    Confused with: a firewall that drops UDP 4789. There the leases of all nodes show VNI 4096; here Linux
    leases show 1.
    Source: flannel pkg/backend/vxlan (defaults, and the refusal on Windows); Kubernetes, "Adding Windows
    nodes" with flannel; https://github.com/rancher/rke2/issues/5995.
    """
    reason = why_not(flannel, nodes)
    if reason:
        yield reason
        return
    value = flannel.conf.vni
    proof = _proof(flannel, nodes, daemons, "VNI [")
    remedy = remedy_in(flannel.namespace, vni)
    if value is None:
        text = (
            f"net-conf.json {ABSENT} VNI: Linux nodes take {LINUX_VNI}, Windows nodes take {VNI}, both "
            "start without an "
            "error, and no packet passes between their pods."
        )
        yield Problem(text, config_map(flannel), proof=proof, remedy=remedy)
    elif value < VNI:
        text = f"net-conf.json sets VNI {value}: flanneld on Windows refuses any VNI below {VNI} and exits."
        yield Problem(text, config_map(flannel), proof=proof, remedy=remedy)
    elif value > LARGEST_VNI:
        text = (
            f"net-conf.json sets VNI {value}, and Windows keeps the VNI of a lease in 16 bits (at "
            f"most {LARGEST_VNI})."
        )
        yield Problem(text, config_map(flannel), proof=proof, remedy=remedy)
    elif value != VNI:
        text = (
            f"net-conf.json sets VNI {value}: flannel accepts it, but manifests for Windows and the "
            f"name flannel.{VNI} expect {VNI}."
        )
        yield Problem(text, config_map(flannel), WARN, proof=proof, remedy=remedy)


@check(
    "cni.flannel.port",
    title="flannel's VXLAN port is UDP 4789 on Linux and Windows",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.restart-needed", CLUSTER),
        cause_of("cni.flannel.linux-device", CLUSTER),
        cause_of("cni.flannel.netconf-stale", CLUSTER),
        *only(no_flanneld(CLUSTER), everywhere),
        *no_packets(CLUSTER),
    ],
    cases=[
        Case(
            "absent: Linux sends to 8472",
            FLANNEL_2022,
            (of_net_conf(port=None),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case(
            "8472 written out: Windows flanneld exits",
            FLANNEL_2022,
            (of_net_conf(port=8472),),
            "kube-flannel/kube-flannel-cfg",
            ERROR,
        ),
        Case("host-gw has no port", FLANNEL_2022, (of_net_conf(backend="host-gw", port=None),), quiet=True),
    ],
)
def port(
    flannel: FlannelConfig, nodes: Nodes, daemons: FlannelDaemons | Failed | NotApplicable
) -> Iterator[Said]:
    """VXLAN packets must go to UDP 4789: flannel on Windows speaks no other port, flannel on Linux defaults
    to 8472.

    Rule: back end vxlan and at least one Windows node: Port absent is an error (Linux uses 8472, silently),
    any Port but 4789 is an error (flanneld on Windows exits).
    Remedy: kubectl -n kube-flannel edit configmap kube-flannel-cfg: add "Port": 4789 to the Backend of
    net-conf.json (RKE2: in the HelmChartConfig rke2-flannel, which would undo the edit), then kubectl -n
    kube-flannel rollout restart daemonset -l app=flannel, Linux first; on a classic node put the same into
    C:\\etc\\kube-flannel\\net-conf.json and Restart-Service flanneld.
    Confused with: the source port in a capture, and the TCP and UDP ports of Services. Windows itself can
    use another VXLAN port from HNS 10.3 on; flannel's Windows back end does not.
    Source: flannel pkg/backend/vxlan/vxlan_windows.go; microsoft/hcsshim hcn/hcnglobals.go.
    """
    reason = why_not(flannel, nodes)
    if reason:
        yield reason
        return
    value = flannel.conf.port
    proof = _proof(flannel, nodes, daemons, "Port [")
    remedy = remedy_in(flannel.namespace, port)
    if value is None:
        text = (
            f"net-conf.json {ABSENT} Port: Linux nodes send VXLAN to UDP {LINUX_PORT}, Windows nodes "
            f"listen on UDP {PORT}, "
            "and packets are lost without an error."
        )
        yield Problem(text, config_map(flannel), proof=proof, remedy=remedy)
    elif value != PORT:
        text = f"net-conf.json sets Port {value}: flanneld on Windows accepts only {PORT} and exits."
        yield Problem(text, config_map(flannel), proof=proof, remedy=remedy)
