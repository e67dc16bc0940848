"""A node from both sides: what the API says of it against what the node says of itself. Pure.

Each line names what is compared, what either side says, and whether that agrees. A side that could not be asked makes
the line UNTOLD, which is neither equal nor different.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any

import msgspec

from facts.access import Now
from facts.cluster.nodes import Leases
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet
from facts.node.network import Adapters
from facts.node.runtime import Containerd, Docker, Sandboxes
from facts.node.windows import Clock, Os, Services

FLANNEL_IP = "flannel.alpha.coreos.com/public-ip"
FLANNEL_DATA = "flannel.alpha.coreos.com/backend-data"
BUILD_LABEL = "node.kubernetes.io/windows-build"
SLACK = timedelta(seconds=2)  # clocks of healthy machines are closer than this
SILENT = timedelta(seconds=40)  # without a heartbeat for so long the control plane calls a node Unknown

COMPARED: tuple[type[Fact], ...] = (
    Leases,
    Pods,
    ServiceObjects,
    EndpointSlices,
    Os,
    Adapters,
    Hns,
    FlannelFiles,
    Kubelet,
    Containerd,
    Docker,
    Sandboxes,
    Services,
    Clock,
)


class Verdict(Enum):
    """Whether both sides agree."""

    EQUAL = "="
    DIFFERS = "≠"
    UNTOLD = "?"
    PLAIN = "·"  # only one side can say it: nothing to compare


class Side(msgspec.Struct, frozen=True):
    """One thing from both sides. `note` says what the difference means, or why it could not be told."""

    group: str
    what: str
    api: str
    node: str
    verdict: Verdict
    note: str = ""
    bad: bool = False  # ill whether or not the other side knows it


Answer = Any  # a fact, Failed or NotApplicable, told apart with isinstance


def why_not(*answers: Answer) -> str:
    """Why the first answer that is none is none; empty if all are there."""
    return next((a.why for a in answers if isinstance(a, Failed | NotApplicable)), "")


def compared(group: str, what: str, api: str, node: str, note: str = "") -> Side:
    """Both sides are there: equal or not. An empty side differs from one that says something."""
    equal = api.lower() == node.lower()
    return Side(group, what, api, node, Verdict.EQUAL if equal else Verdict.DIFFERS, "" if equal else note)


def untold(group: str, what: str, api: str, why: str) -> Side:
    return Side(group, what, api, "", Verdict.UNTOLD, why)


def names(node: NodeObject, system: Answer, kubelet: Answer) -> Iterator[Side]:
    """The Node's name is the host name in small letters, or what --hostname-override says."""
    if not isinstance(system, Os):
        yield untold("Names", "name", node.name, why_not(system))
        return
    override = kubelet.flags.get("hostname-override", "") if isinstance(kubelet, Kubelet) else ""
    own = override or system.hostname
    note = "The kubelet answers for another name: RBAC, certificates and the CNI look for the Node's own."
    side = compared("Names", "name", node.name, own.lower(), note)
    shown = f"{override} (--hostname-override; host {system.hostname})" if override else system.hostname
    yield msgspec.structs.replace(side, node=shown)
    reported = node.address("Hostname")
    if reported:
        yield compared("Names", "hostname address", reported, own.lower(), note)


def addresses(node: NodeObject, adapters: Answer, hns: Answer) -> Iterator[Side]:
    """Where the API reaches the node, against the adapters and the address that HNS networks are bound to."""
    for internal in (a.address for a in node.status.addresses if a.type == "InternalIP"):
        if not isinstance(adapters, Adapters):
            yield untold("Addresses", "InternalIP", internal, why_not(adapters))
            continue
        holder = adapters.holding(internal)
        if holder:
            yield Side("Addresses", "InternalIP", internal, f"{internal} on {holder.name}", Verdict.EQUAL)
        else:
            others = ", ".join(a for a in adapters.ipv4 if not a.startswith("127."))
            note = "No adapter holds the address that the API has."
            yield Side("Addresses", "InternalIP", internal, others, Verdict.DIFFERS, note)
    internal = node.metadata.annotations.get(FLANNEL_IP, "") or node.address("InternalIP")
    what = "flannel public-ip" if FLANNEL_IP in node.metadata.annotations else "InternalIP"
    if not isinstance(hns, Hns):
        yield untold("Addresses", f"{what} / ManagementIP", internal, why_not(hns))
        return
    for network in hns.pod_networks:
        bound = network.management_ip or "nothing"
        note = f"Other nodes send to {internal}, and HNS network {network.name} is bound to {bound}."
        yield compared("Addresses", f"{what} / {network.name}", internal, network.management_ip, note)


def _network(text: str) -> str:
    """An address with its prefix as the network that it lies in; other text as it is."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def pod_network(node: NodeObject, hns: Answer, flannel: Answer) -> Iterator[Side]:
    """podCIDR against the HNS subnets and flannel's subnet.env; the VNI that flannel announced against HNS's."""
    group, cidr = "Pod network", node.spec.pod_cidr
    if not isinstance(hns, Hns):
        yield untold(group, "podCIDR / HNS subnet", cidr, why_not(hns))
    elif not hns.pod_networks:
        note = "HNS has no network that can carry pods."
        yield Side(group, "podCIDR / HNS subnet", cidr, "no network", Verdict.DIFFERS, note)
    else:
        subnets = {_network(s): n.name for n in hns.pod_networks for s in n.subnets}
        if _network(cidr) in subnets:
            shown = f"{_network(cidr)} in {subnets[_network(cidr)]}"
            yield Side(group, "podCIDR / HNS subnet", cidr, shown, Verdict.EQUAL)
        else:
            shown = ", ".join(f"{s} in {n}" for s, n in subnets.items())
            note = "Pods get addresses that no other node sends here."
            yield Side(group, "podCIDR / HNS subnet", cidr, shown, Verdict.DIFFERS, note)
        yield from _vni(node, hns)
    if isinstance(flannel, Failed):
        yield untold(group, "podCIDR / subnet.env", cidr, flannel.why)
    elif isinstance(flannel, FlannelFiles) and (
        flannel.subnet_env_path or FLANNEL_IP in node.metadata.annotations
    ):
        subnet = flannel.subnet_env.get("FLANNEL_SUBNET", "")
        note = (
            f"flanneld's lease and the Node object disagree ({flannel.subnet_env_path or 'no subnet.env'})."
        )
        yield compared(group, "podCIDR / subnet.env", _network(cidr), _network(subnet), note)


def _vni(node: NodeObject, hns: Hns) -> Iterator[Side]:
    overlay = next((n for n in hns.pod_networks if n.type.lower() == "overlay"), None)
    try:
        data = msgspec.json.decode(node.metadata.annotations.get(FLANNEL_DATA, "null"))
    except msgspec.DecodeError:
        data = None
    vni = data.get("VNI") if isinstance(data, dict) else None
    if overlay is not None and vni is not None:
        note = "What this node announced and what HNS encapsulates with are two different VNIs."
        yield compared("Pod network", f"VNI / {overlay.name}", str(vni), str(overlay.vsid), note)


def _plain(version: str) -> str:
    """Without leading zeros: the kubelet reports Docker 19.03.18 as 19.3.18, a semantic version."""
    return re.sub(r"(?<=\.)0+(?=\d)", "", version)


def versions(
    node: NodeObject, system: Answer, kubelet: Answer, containerd: Answer, docker: Answer
) -> Iterator[Side]:
    """What the kubelet reported at its start, against what is on disk and runs now."""
    info, group = node.status.node_info, "Versions"
    note = "The kubelet has not reported since this changed."
    if isinstance(kubelet, Kubelet):
        yield compared(group, "kubelet", info.kubelet_version, kubelet.version, note)
    else:
        yield untold(group, "kubelet", info.kubelet_version, why_not(kubelet))
    kind, _, version = info.container_runtime_version.partition("://")
    runtime = docker if kind == "docker" else containerd
    if isinstance(runtime, Containerd | Docker) and runtime.version:
        side = compared(group, kind or "runtime", version, _plain(runtime.version), note)
        yield msgspec.structs.replace(side, node=runtime.version)
    else:
        why = why_not(runtime) or "The runtime on the node does not say its version."
        yield untold(group, kind or "runtime", version, why)
    if not isinstance(system, Os):
        yield untold(group, "Windows", info.kernel_version, why_not(system))
        return
    yield compared(group, "Windows", info.kernel_version, system.version, note)
    label = node.metadata.labels.get(BUILD_LABEL, "")
    if label:
        note = "Pods that select by build go to the wrong nodes."
        yield compared(group, "build label", label, f"10.0.{system.build}", note)


def clock(now: Answer, found: Answer) -> Iterator[Side]:
    """The node's clock against the console's."""
    here = f"{now.utc:%H:%M:%S} UTC" if isinstance(now, Now) else ""
    if not isinstance(found, Clock):
        yield untold("Clock", "time", here, why_not(found))
        return
    off = abs(found.skew) > found.uncertainty + SLACK
    seconds, sure = found.skew.total_seconds(), found.uncertainty.total_seconds()
    shown = f"{seconds:+.1f} s (± {sure:.1f} s)"
    note = "Certificates, tokens and log times are judged by a wrong clock." if off else ""
    yield Side("Clock", "time", here, shown, Verdict.DIFFERS if off else Verdict.EQUAL, note)


def ready(node: NodeObject, services: Answer, leases: Answer, now: Answer) -> Iterator[Side]:
    """The Ready condition and the heartbeat against the services that make them."""
    condition = node.condition("Ready")
    status = condition.status if condition else "absent"
    said = f"Ready={status}"
    lease = leases.of(node.name) if isinstance(leases, Leases) else None
    if lease is not None and lease.spec.renew_time is not None and isinstance(now, Now):
        age = now.utc - lease.spec.renew_time
        said += f", heartbeat {max(0, int(age.total_seconds()))} s ago"
    if not isinstance(services, Services):
        yield untold("Ready", "kubelet", said, why_not(services))
        return
    for names_, wanted in (
        (("kubelet",), said),
        (("containerd", "docker"), node.status.node_info.container_runtime_version),
        (("hns",), ""),
        (("kube-proxy", "kubeproxy"), ""),
        (("flanneld",), ""),
    ):
        service = services.named(*names_)
        if service is None:
            if names_[0] in ("kube-proxy", "flanneld"):
                continue  # they may run in a HostProcess pod
            note = "It is not installed as a service."
            yield Side("Ready", names_[0], wanted, "no such service", Verdict.DIFFERS, note, bad=True)
            continue
        runs = service.state == "Running"
        good = runs == (status == "True") if names_ == ("kubelet",) else runs
        note = "" if good and runs else _service_note(service.name, runs, status)
        shown = f"{service.state} ({service.start_mode})"
        verdict = Verdict.EQUAL if good else Verdict.DIFFERS
        yield Side("Ready", service.name, wanted or "should run", shown, verdict, note, bad=not runs)


def _service_note(name: str, runs: bool, status: str) -> str:
    if not runs:
        return f"The service {name} does not run."
    return f"The kubelet runs, and the node is Ready={status}: it reports a problem, or its reports do not arrive."
