"""How kube-proxy is set up on a node, whichever way it is run."""

from __future__ import annotations

import re

from checks.cases import Change, change, fields
from checks.causes import SAME_NODE, SAME_OBJECT, Link, Relation, cause_of
from checks.finding import CannotTell, Finding, Said, Skip
from checks.image.compatibility import version_of
from facts.access import ThisNode
from facts.cluster.objects import PodObject
from facts.cluster.workloads import Pods
from facts.fact import Failed
from facts.node.kubernetes import KubeProxy, LogTail, NodeLogs

# For cases: kube-proxy runs, and without elevation nobody sees how it was started.
HIDDEN = fields(KubeProxy, arguments="", flags={}, found_in="process")


def says(text: str, header: str = "E0102 03:04:05.000000    4310 proxier.go:912]") -> Change:
    """For cases: the last line of kube-proxy's log."""
    tail = LogTail("kube-proxy", r"C:\k\kube-proxy.log", text=f"{header} {text}")
    return change(NodeLogs, lambda n: NodeLogs((*n.logs, tail)))


def both(*relations: Relation) -> Relation:
    """All of `relations` hold."""

    def related(cause: Finding, effect: Finding) -> bool:
        return all(r(cause, effect) for r in relations)

    return related


SAME_SERVICE_ON_NODE = both(SAME_NODE, SAME_OBJECT)

# A kube-proxy that does not work programs nothing: neither virtual addresses nor node ports.
NOTHING_PROGRAMMED: tuple[Link, ...] = (
    cause_of("proxy.lb-missing"),
    cause_of("dns.lb-rule"),
    cause_of("service.nodeport.lb-present"),
)
NOT_WORKING: tuple[Link, ...] = (cause_of("proxy.not-running"), *NOTHING_PROGRAMMED)


def proxy_pod(node: str, pods: Pods) -> PodObject | None:
    """The HostProcess pod of kube-proxy on the node. A Linux kube-proxy pod that was sent here is none."""
    return next((p for p in pods.on(node) if "kube-proxy" in p.metadata.name and p.spec.host_process), None)


def pod_setting(pod: PodObject | None, name: str) -> str:
    """A literal environment variable of the pod."""
    for container in pod.spec.containers if pod else ():
        for variable in container.env:
            if variable.name == name:
                return variable.value
    return ""


def network_name(proxy: KubeProxy, pod: PodObject | None) -> tuple[str, str]:
    """(HNS network that kube-proxy is told, where it is told); both empty where nobody says."""
    if proxy.flags.get("network-name"):
        return proxy.flags["network-name"], "--network-name"
    if pod_setting(pod, "KUBE_NETWORK"):
        return pod_setting(pod, "KUBE_NETWORK"), f"KUBE_NETWORK of pod {pod.metadata.name if pod else ''}"
    return (proxy.kube_network, "KUBE_NETWORK on the node") if proxy.kube_network else ("", "")


# Each is said of a Service or a backend, when Services have been read and the source VIP was accepted. The last two are
# written at the usual verbosity too.
_WORKS = (
    "Hns LoadBalancer resource created",
    "Policy successfully applied for service",
    "Hns endpoint resource",
    "Endpoint on overlay network",
)


_STAMP = re.compile(r"\s*[IWEF](\d\d)(\d\d \d\d:\d\d:\d\d)")


def lines_since_it_worked(logs: NodeLogs | Failed) -> list[str]:
    """What kube-proxy logged after it last programmed something: what it complained of before is mended.

    Lines of several files (standard error, INFO, ERROR) stand in the order of their time.
    """
    if isinstance(logs, Failed):
        return []
    stamped: list[tuple[str, str, str]] = []
    for log in reversed(logs.logs):  # the newest comes first
        month = rest = ""
        for line in log.text.splitlines() if log.component == "kube-proxy" else ():
            if (match := _STAMP.match(line)) is not None:
                month, rest = match.groups()
            stamped.append((month, rest, line))
    # The year is not told: in a log of December and January the latter is the later one.
    turned = {"12", "01"} <= {month for month, _, _ in stamped}
    stamped.sort(key=lambda s: (turned and "" < s[0] < "07", s[0], s[1]))
    lines = [line for _, _, line in stamped]
    last = max((at for at, line in enumerate(lines) if any(word in line for word in _WORKS)), default=-1)
    return lines[last + 1 :]


def creation_failed(logs: NodeLogs | Failed, what: str, service: str) -> str:
    """kube-proxy's last words on a policy that HNS refused. Released versions do not name the Service in them: then the
    last refusal of that kind (`what`: clusterip, nodeport) is worth showing for its code.
    """
    lines = logs.lines("kube-proxy") if isinstance(logs, NodeLogs) else []
    refused = [t for t in lines if "policy creation failed" in t.lower()]
    kinds = [t for t in refused if f"{what} policy creation failed" in t.lower()]
    # Old versions say neither the kind nor the Service.
    plain = [
        t
        for t in refused
        if '"policy creation failed' in t.lower() or "] policy creation failed" in t.lower()
    ]
    return next((t for t in reversed(kinds) if service in t), (plain + kinds or [""])[-1])


def unseen(proxy: KubeProxy) -> Said | None:
    """What to say where kube-proxy's command line is not known: its flags are neither right nor wrong."""
    if proxy.arguments:
        return None
    if proxy.found_in:
        return CannotTell(
            "kube-proxy runs, and its command line is not shown.",
            hint="Look with an account that is administrator on the node: Windows hides command lines from others.",
        )
    return Skip("No kube-proxy runs on this node.")


def told_elsewhere(proxy: KubeProxy) -> str:
    """Where kube-proxy may be told what its flags do not say, as a sentence's subject; empty where nowhere."""
    if proxy.flags.get("config"):
        return f"The file of --config ({proxy.flags['config']})"
    own = re.search(r"(?i)kube-?proxy(?:\.exe)?(?=[\"'\s]|$)", proxy.arguments)
    return "" if own else "The script that starts kube-proxy"


def gates(proxy: KubeProxy) -> dict[str, bool]:
    """Feature gates given on the command line."""
    found: dict[str, bool] = {}
    for item in proxy.flags.get("feature-gates", "").replace('"', "").split(","):
        name, _, value = item.partition("=")
        if name.strip():
            found[name.strip()] = value.strip().lower() == "true"
    return found


def minor(node: ThisNode) -> int:
    """kube-proxy's minor version as the node reports it (newer kubelets leave it out: then the kubelet's); 0
    unknown."""
    info = node.object.status.node_info
    version = version_of(info.kube_proxy_version) or version_of(info.kubelet_version)
    return version[1] if version else 0
