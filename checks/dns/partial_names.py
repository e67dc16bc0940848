"""Names with a dot that leave the cluster's domain off: SERVICE.NAMESPACE works on Linux, not on Windows."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Draft, fails, fields
from checks.causes import SAME_OBJECT, cause_of
from checks.check import check
from checks.dns.names import in_configuration
from checks.dns.symptoms import symptoms
from checks.finding import ERROR, INFO, WARN, CannotTell, Problem, Said
from checks.workload.configured import has_started, on_windows, pod_object, shared_network, workload_of
from checks.workload.edits import new_pod, pod_log
from facts.access import ThisNode
from facts.cluster.nodes import Nodes
from facts.cluster.objects import DnsConfig
from facts.cluster.pod_logs import PodTail, WindowsPodLogs
from facts.cluster.workloads import Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.fact import Fact, Failed
from facts.node.network import DnsClient

_DOTNET = "fail: GET http://api.shop:8080/health: No such host is known. (api.shop:8080)"
_GO = "E0102 dial tcp: lookup api.shop.svc on 10.96.0.10:53: no such host"


def _succeeded(draft: Draft) -> None:
    *rest, last = draft.get(Pods).items
    draft.put(Pods, Pods((*rest, replace(last, status=replace(last.status, phase="Succeeded")))))


def _denied(draft: Draft) -> None:
    """The API server does not give out the log of shop/app."""
    tail = PodTail("shop", "app", draft.node, "", "403 for get pods/log in shop.")
    draft.put(WindowsPodLogs, replace(draft.get(WindowsPodLogs), tails=(tail,)))


@check(
    "dns.suffix.partial-name",
    title="Windows pods find the Services they ask for by name",
    severity=ERROR,
    explains=[
        cause_of("dns.suffix.lint", SAME_OBJECT),
        cause_of("dns.suffix.list-passed", SAME_OBJECT),
        cause_of("dns.suffix.dnsconfig", SAME_OBJECT),
    ],
    cases=[
        Case(
            "SERVICE.NAMESPACE in a .NET log",
            FLANNEL_2022,
            (new_pod("app", ready=False, restarts=4), pod_log("app", _DOTNET)),
            finds="shop/app",
        ),
        Case(
            "SERVICE.NAMESPACE.svc in a Go log",
            CLASSIC_2019,
            (new_pod("app", ready=False, restarts=4), pod_log("app", _GO)),
            finds="shop/app",
        ),
        Case(
            "no log to read, but the name is configured and the pod not ready",
            FLANNEL_2022,
            (new_pod("app", env={"API": "http://api.shop:8080"}, ready=False, restarts=4),),
            finds="shop/app",
        ),
        Case(
            "a time-out is no answer about the name",
            FLANNEL_2022,
            (
                new_pod("app", env={"API": "http://api.shop:8080"}, ready=False, restarts=4),
                pod_log("app", "fail: GET http://api.shop:8080: the DNS request for 'api.shop' timed out"),
            ),
            quiet=True,
        ),
        Case(
            "the full name of a Service that is not there",
            FLANNEL_2022,
            (
                new_pod("app", ready=False, restarts=4),
                pod_log("app", "No such host is known. (nobody.shop.svc.cluster.local)"),
            ),
            quiet=True,
        ),
        Case(
            "a Job that has done its work is not ready either",
            FLANNEL_2022,
            (new_pod("app", env={"API": "http://api.shop:8080"}, ready=False), _succeeded),
            quiet=True,
        ),
        Case("logs may not be read", FLANNEL_2022, (fails(WindowsPodLogs, "403", "denied"),), unknown=True),
        Case("nor that of one pod", FLANNEL_2022, (new_pod("app", restarts=4), _denied), unknown=True),
        Case(
            "too many pods to read them all",
            FLANNEL_2022,
            (fields(WindowsPodLogs, left_out=7),),
            unknown=True,
        ),
        Case(
            "a pod that has not started has no log",
            FLANNEL_2022,
            (new_pod("app", waiting="ContainerCreating"), _denied),
            quiet=True,
        ),
    ],
)
def partial_name(
    pods: Pods, nodes: Nodes, services: ServiceObjects, network: ClusterNetwork, logs: WindowsPodLogs | Failed
) -> Iterator[Said]:
    """The Windows resolver takes a name with a dot in it for complete and appends no suffix. SERVICE and the full
    name work; SERVICE.NAMESPACE and SERVICE.NAMESPACE.svc, which work on Linux, do not.

    Rule: the log of a Windows pod shows that such a name of an existing Service was not found (a time-out does not
    count); or no log can be read, the pod is told such a name, has started and is not ready.
    Remedy: write the full name, SERVICE.NAMESPACE.svc.cluster.local, into the workload's configuration. Prove it in
    the pod: `Resolve-DnsName SERVICE.NAMESPACE.svc.cluster.local -DnsOnly` answers and `Resolve-DnsName
    SERVICE.NAMESPACE -DnsOnly` fails with 9003.
    Confused with: CoreDNS out of order (full names fail as well, on Linux too); a missing suffix (then single names
    fail).
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows;
    https://github.com/kubernetes/kubernetes/issues/65016.
    """
    for found in symptoms(pods.items, nodes, services, network.domain.value, logs):
        name = f"{found.pod.metadata.namespace}/{found.pod.metadata.name}"
        proof: dict[type[Fact], str] = (
            {WindowsPodLogs: found.line}
            if found.line
            else {Pods: f"{found.where}: {found.partial.written}; not ready"}
        )
        how = "did not find" if found.line else "is not ready and asks for"
        yield Problem(
            f"Pod {name} {how} {found.partial.written}: Windows takes a dotted name for complete; "
            f"{found.partial.full} works.",
            pod_object(found.pod),
            proof={**proof, ServiceObjects: f"the Service exists; its full name is {found.partial.full}"},
            node=found.pod.spec.node_name,
        )
    if isinstance(logs, Failed):
        yield CannotTell(f"The logs of Windows pods could not be read: {logs.why}", hint=logs.hint)
        return
    started = {(p.metadata.namespace, p.metadata.name) for p in pods.items if has_started(p)}
    lost = [t for t in logs.tails if t.error and (t.namespace, t.pod) in started]
    if lost:
        yield CannotTell(
            f"The logs of {len(lost)} Windows pods in trouble could not be read, first that of "
            f"{lost[0].namespace}/{lost[0].pod}: {lost[0].error}"
        )
    if logs.left_out:
        yield CannotTell(f"{logs.left_out} more Windows pods are in trouble, and their logs were not read.")


@check(
    "dns.suffix.lint",
    title="Windows workloads are told full names",
    severity=WARN,
    cases=[
        Case(
            "SERVICE.NAMESPACE in an environment variable",
            FLANNEL_2022,
            (new_pod("app", env={"API": "http://api.shop:8080"}),),
            finds="shop/app",
        ),
        Case(
            "in the arguments of a pod that has no node yet",
            CLASSIC_2019,
            (new_pod("app", where="", args=["--api", "api.shop.svc:8080"]),),
            finds="shop/app",
        ),
        Case(
            "the full name",
            FLANNEL_2022,
            (new_pod("app", env={"API": "http://api.shop.svc.cluster.local:8080"}),),
            quiet=True,
        ),
        Case(
            "a host elsewhere",
            FLANNEL_2022,
            (new_pod("app", env={"API": "https://api.example.com", "B": "x.api.shop"}),),
            quiet=True,
        ),
        Case(
            "a Linux pod may",
            FLANNEL_2022,
            (new_pod("app", where="linux", selector={}, os_name="", env={"API": "api.shop"}),),
            quiet=True,
        ),
    ],
)
def lint(pods: Pods, nodes: Nodes, services: ServiceObjects, network: ClusterNetwork) -> Iterator[Said]:
    """A partial name in the configuration works until the workload runs on Windows. This finds it before it hurts.

    Rule: environment, command, arguments or probe of a pod on (or bound for) Windows holds SERVICE.NAMESPACE or
    SERVICE.NAMESPACE.svc of a Service that exists, without the cluster's domain.
    Remedy: append `.svc.` and the cluster's domain.
    Confused with: host names of other systems: only names of existing Services count.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows.
    """
    seen: set[tuple[str, str]] = set()
    for pod in pods.items:
        if not on_windows(pod, nodes) or shared_network(pod):
            continue
        for words, partial in in_configuration(pod, services, network.domain.value):
            key = (workload_of(pod), partial.written)
            if key in seen:
                continue
            seen.add(key)
            yield Problem(
                f"{workload_of(pod)} is told {partial.written} ({words.where}), which does not resolve on "
                f"Windows; write {partial.full}.",
                pod_object(pod),
                proof={Pods: f"{words.where}: {partial.written}"},
                node=pod.spec.node_name,
            )


@check(
    "dns.suffix.dnsconfig",
    title="Windows pods do not count on dnsConfig.searches",
    severity=INFO,
    cases=[
        Case(
            "extra search domains",
            FLANNEL_2022,
            (new_pod("app", dns_config=DnsConfig(searches=("corp.example",))),),
            finds="shop/app",
            severity=INFO,
        ),
        Case(
            "and a name that would need them",
            FLANNEL_2022,
            (
                new_pod(
                    "app",
                    env={"A": "http://api.shop:80"},
                    dns_config=DnsConfig(searches=("svc.cluster.local",)),
                ),
            ),
            finds="shop/app",
            severity=WARN,
        ),
        Case(
            "name servers are fine",
            FLANNEL_2022,
            (new_pod("app", dns_config=DnsConfig(nameservers=("10.0.0.1",))),),
            quiet=True,
        ),
    ],
)
def dns_config(pods: Pods, nodes: Nodes, services: ServiceObjects, network: ClusterNetwork) -> Iterator[Said]:
    """Search domains of a pod's dnsConfig reach Windows, and help single names only; the option ndots does nothing
    there.

    Rule: a pod on (or bound for) Windows has dnsConfig.searches: info; warn if it is also told a partial name that
    such a domain would have to complete.
    Remedy: take `searches` out of Windows pods and write full names; `nameservers` works and may stay.
    Confused with: dnsConfig.nameservers.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows.
    """
    for pod in pods.items:
        searches = pod.spec.dns_config.searches if pod.spec.dns_config else ()
        if not searches or not on_windows(pod, nodes):
            continue
        relied = next(in_configuration(pod, services, network.domain.value), None)
        needs = f" and is told {relied[1].written}, which they do not complete" if relied else ""
        yield Problem(
            f"Pod {pod.metadata.namespace}/{pod.metadata.name} has dnsConfig.searches ({', '.join(searches)}){needs}; "
            "on Windows they serve names without a dot only.",
            pod_object(pod),
            severity=WARN if relied else INFO,
            proof={Pods: f"dnsConfig.searches: {', '.join(searches)}"},
            node=pod.spec.node_name,
        )


@check(
    "dns.suffix.append-multilabel",
    title="Nobody counts on the host's policy to append suffixes",
    severity=INFO,
    cases=[
        Case(
            "set on the host, and a pod is told a partial name",
            FLANNEL_2022,
            (
                fields(DnsClient, append_to_multi_label=True),
                new_pod("app", env={"API": "http://api.shop:8080"}),
            ),
            finds="node",
        ),
        Case(
            "set, and nobody needs it",
            FLANNEL_2022,
            (fields(DnsClient, append_to_multi_label=True),),
            quiet=True,
        ),
    ],
)
def append_multi_label(
    node: ThisNode, client: DnsClient, pods: Pods, services: ServiceObjects, network: ClusterNetwork
) -> Iterator[Said]:
    """Windows has a policy that appends suffixes to dotted names. It counts in the registry of the container, not
    of the host, and nobody documents it for Kubernetes.

    Rule: AppendToMultiLabelName is set on the host while a pod on it is told a partial name.
    Remedy: write full names. As an experiment that proves the diagnosis, set it in the image: `reg add
    "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\DNSClient" /v AppendToMultiLabelName /t REG_DWORD /d 1 /f`.
    Confused with: a feature of Kubernetes.
    Source: Microsoft's policy DNS_AppendToMultiLabelName; its effect in pods is untested.
    """
    if not client.append_to_multi_label:
        return
    for pod in pods.on(node.name):
        relied = (
            None if shared_network(pod) else next(in_configuration(pod, services, network.domain.value), None)
        )
        if relied is not None:
            yield Problem(
                f"The policy AppendToMultiLabelName is set on this host, where pods do not see it; "
                f"{pod.metadata.namespace}/{pod.metadata.name} is told {relied[1].written}.",
                proof={
                    DnsClient: "DNSClient!AppendToMultiLabelName = 1",
                    Pods: f"{relied[0].where}: {relied[1].written}",
                },
            )
            return
