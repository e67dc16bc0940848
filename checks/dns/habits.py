"""Ways of asking for names that come out differently on Windows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case
from checks.check import check
from checks.dns.names import partial_names, tail_of
from checks.finding import INFO, WARN, Problem, Said
from checks.workload.configured import Words, configured, on_windows, pod_object, shared_network, workload_of
from checks.workload.edits import new_pod, pod_log
from facts.cluster.nodes import Nodes
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.fact import Failed

_NSLOOKUP = re.compile(r"\bnslookup(?:\.exe)?\b(?:\s+-\S+)*\s*(?P<name>[\w.\-]*)", re.IGNORECASE)
_HOST_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?")
_SAID_BY_NSLOOKUP = re.compile(
    r"\*\*\* \S+ can't find (?P<name>[\w.\-]+): (?:Non-existent domain|No response from server)"
)


@check(
    "dns.resolver.choice",
    title="Windows pods are not judged by nslookup",
    severity=INFO,
    cases=[
        Case(
            "a readiness probe with nslookup",
            FLANNEL_2022,
            (new_pod("app", probe=["cmd", "/c", "nslookup api.shop"]),),
            finds="shop/app",
        ),
        Case(
            "its words in a log",
            CLASSIC_2019,
            (
                new_pod("app", restarts=2, ready=False),
                pod_log("app", "*** UnKnown can't find api.shop: Non-existent domain"),
            ),
            finds="shop/app",
        ),
        Case(
            "with a trailing dot",
            FLANNEL_2022,
            (new_pod("app", args=["nslookup", "api.shop.svc.cluster.local."]),),
            quiet=True,
        ),
        Case(
            "on Linux",
            FLANNEL_2022,
            (new_pod("app", where="linux", selector={}, os_name="", args=["nslookup", "api.shop"]),),
            quiet=True,
        ),
    ],
)
def resolver_choice(pods: Pods, nodes: Nodes, logs: WindowsPodLogs | Failed) -> Iterator[Said]:
    """nslookup does not use the resolver that applications use: it asks the server itself and appends suffixes even
    to dotted names. It may succeed where applications fail.

    Rule: command, arguments, probe or log of a Windows pod uses nslookup with a name that does not end in a dot.
    Remedy: use `Resolve-DnsName NAME -DnsOnly`; in Nano Server, which has none, `nslookup NAME.` with the trailing dot.
    Confused with: faults of the DNS server.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows; nslookup's own
    documentation.
    """
    seen: set[str] = set()
    for pod in pods.items:
        if not on_windows(pod, nodes) or workload_of(pod) in seen:
            continue
        tail = tail_of(logs.tails, pod) if isinstance(logs, WindowsPodLogs) else None
        found = next(
            (
                (w.where, m)
                for w in configured(pod)
                for m in _NSLOOKUP.finditer(w.text)
                if not m["name"].endswith(".")
            ),
            None,
        )
        if found is None and tail is not None:
            for pattern in (_SAID_BY_NSLOOKUP, _NSLOOKUP):
                match = next((m for m in pattern.finditer(tail.text) if not m["name"].endswith(".")), None)
                if match is not None:
                    found = ("log", match)
                    break
        if found is not None:
            seen.add(workload_of(pod))
            where, match = found
            yield Problem(
                f"Pod {pod.metadata.namespace}/{pod.metadata.name} tests names with nslookup ({where}), which "
                "answers otherwise than the "
                "resolver of Windows applications.",
                pod_object(pod),
                proof={(WindowsPodLogs if where == "log" else Pods): f"{where}: {match[0].strip()}"},
                node=pod.spec.node_name,
            )


@check(
    "dns.hostnet-policy",
    title="Windows pods on the host's network do not rely on cluster DNS",
    severity=WARN,
    cases=[
        Case(
            "ClusterFirstWithHostNet",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, dns_policy="ClusterFirstWithHostNet"),),
            finds="shop/agent",
        ),
        Case(
            "a HostProcess pod that is told a Service's name",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, env={"API": "http://api.shop.svc.cluster.local:8080"}),),
            finds="shop/agent",
        ),
        Case(
            "a name that only ends like a Service's",
            FLANNEL_2022,
            (new_pod("agent", host_process=True, env={"API": "http://my-api.shop.svc.cluster.local:8080"}),),
            quiet=True,
        ),
        Case(
            "a HostProcess pod that needs no names",
            FLANNEL_2022,
            (new_pod("agent", host_process=True),),
            quiet=True,
        ),
    ],
)
def host_network_policy(
    pods: Pods, nodes: Nodes, services: ServiceObjects, network: ClusterNetwork
) -> Iterator[Said]:
    """HostProcess pods resolve names as the host does, and the host does not know the cluster's domain.
    ClusterFirstWithHostNet changes nothing on Windows.

    Rule: a Windows pod has dnsPolicy ClusterFirstWithHostNet; or a HostProcess or hostNetwork pod is told a
    Service's cluster name.
    Remedy: give it addresses or names that the node resolves; or let the host send the cluster's domain to the
    cluster DNS, if it reaches that: `Add-DnsClientNrptRule -Namespace ".cluster.local" -NameServers DNS-ADDRESS`
    (test first with `Resolve-DnsName kubernetes.default.svc.cluster.local -Server DNS-ADDRESS`).
    Confused with: ordinary pods, which have their own resolver settings.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/;
    https://kubernetes.io/docs/concepts/windows/intro/.
    """
    domain = network.domain.value
    known = {f"{s.metadata.name}.{s.metadata.namespace}.svc.{domain}" for s in services.items}
    seen: set[str] = set()
    for pod in pods.items:
        # A DaemonSet has a pod on every node and is told the same everywhere.
        if not on_windows(pod, nodes) or workload_of(pod) in seen:
            continue
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        if pod.spec.dns_policy == "ClusterFirstWithHostNet":
            seen.add(workload_of(pod))
            yield Problem(
                f"Pod {name} has dnsPolicy ClusterFirstWithHostNet, which Windows does not support.",
                pod_object(pod),
                proof={Pods: "dnsPolicy: ClusterFirstWithHostNet"},
                node=pod.spec.node_name,
            )
        elif shared_network(pod):
            told = _cluster_name(pod_words=configured(pod), known=known, services=services, domain=domain)
            if told is not None:
                seen.add(workload_of(pod))
                yield Problem(
                    f"Pod {name} is on the host's network and is told {told.text}, a name that the host does not know.",
                    pod_object(pod),
                    proof={Pods: f"{told.where}: {told.text}"},
                    node=pod.spec.node_name,
                )


def _cluster_name(
    *, pod_words: Iterator[Words], known: set[str], services: ServiceObjects, domain: str
) -> Words | None:
    """The first Service name of the cluster that stands in the words."""
    for words in pod_words:
        full = next(
            (name for name in _HOST_NAME.findall(words.text) if name.rstrip(".") in known), ""
        ) or next((p.written for p in partial_names(words.text, services, domain)), "")
        if full:
            return Words(words.where, full)
    return None
