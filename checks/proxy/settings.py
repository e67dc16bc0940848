"""How kube-proxy is set up on a node, whichever way it is run."""

from __future__ import annotations

from checks.causes import SAME_NODE, SAME_OBJECT, Link, Relation, cause_of
from checks.finding import Finding
from checks.image.compatibility import version_of
from facts.access import ThisNode
from facts.cluster.objects import PodObject
from facts.cluster.workloads import Pods
from facts.node.kubernetes import KubeProxy


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


_WORKS = ("Hns LoadBalancer resource created", "Policy successfully applied for service")


def lines_since_it_worked(lines: list[str]) -> list[str]:
    """The log after kube-proxy last programmed something: what it complained of before is mended."""
    last = max((at for at, line in enumerate(lines) if any(word in line for word in _WORKS)), default=-1)
    return lines[last + 1 :]


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
