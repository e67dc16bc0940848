"""Does HNS have what kube-proxy should have made of the Services?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, Problem, Said, Skip
from checks.proxy.settings import (
    NOTHING_PROGRAMMED,
    SAME_SERVICE_ON_NODE,
    creation_failed,
    lines_since_it_worked,
)
from checks.service.ports import PROXY_NAME, backends, has_cluster_ip, programmed, virtual_ports
from checks.workload.edits import new_service
from facts.access import ThisNode
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.derived.cluster_network import ClusterNetwork
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.hns import Hns
from facts.node.kubernetes import LogTail, NodeLogs


def _forget_shop(draft: Draft) -> None:
    services = draft.get(ServiceObjects)
    address = next(
        s.spec.cluster_ip
        for s in services.items
        if (s.metadata.namespace, s.metadata.name) == ("shop", "api")
    )
    hns = draft.get(Hns)
    draft.put(Hns, replace(hns, load_balancers=tuple(b for b in hns.load_balancers if address not in b.vips)))


@check(
    "proxy.lb-missing",
    title="Every Service with backends has its load balancer in HNS",
    severity=ERROR,
    explains=[cause_of("dns.lb-rule"), cause_of("service.nodeport.lb-present", same=SAME_SERVICE_ON_NODE)],
    cases=[
        Case("a policy list was deleted", FLANNEL_2022, (_forget_shop,), finds="shop/api"),
        Case(
            "a Service that was never programmed",
            CLASSIC_2019,
            (new_service("late", "169.169.77.7", 81),),
            finds="shop/late",
        ),
        Case(
            "IPv6 first, IPv4 second, and never programmed",
            FLANNEL_2022,
            (new_service("both", "fd00:96::7", 81, other_ip="10.96.77.7"),),
            finds="shop/both",
        ),
        Case(
            "IPv6 alone is not judged",
            FLANNEL_2022,
            (new_service("six", "fd00:96::7", 81),),
            quiet=True,
        ),
        Case(
            "a Service with two ports, of which the pods have one",
            FLANNEL_2022,
            (new_service("half", "10.96.77.7", 81, backend_port="metrics"),),
            quiet=True,
        ),
        Case(
            "a Service that another proxy serves",
            FLANNEL_2022,
            (new_service("mesh", "10.96.77.7", 81, labels={PROXY_NAME: "cilium"}),),
            quiet=True,
        ),
        Case(
            "a Service without backends",
            FLANNEL_2022,
            (new_service("idle", "10.96.77.7", 81, backend_on=""),),
            quiet=True,
        ),
    ],
)
def load_balancer_missing(
    node: ThisNode,
    hns: Hns,
    services: ServiceObjects,
    slices: EndpointSlices,
    pods: Pods,
    network: ClusterNetwork,
    stack: Stack,
    logs: NodeLogs | Failed,
) -> Iterator[Said]:
    """A ClusterIP exists only as a load-balancer policy in HNS. Without it the address answers nowhere from this node.

    Rule: a port of a Service has ready backends, and no HNS load balancer has its ClusterIP, port and protocol. The
    Service of the cluster's DNS is judged by dns.lb-rule.
    Remedy: restart kube-proxy (`Restart-Service kube-proxy`, or delete its pod on this node): it makes all policies
    anew; a policy that fails again leaves "ClusterIP policy creation failed" with a hex code in its log.
    Confused with: a Service without ready endpoints, for which kube-proxy makes nothing.
    Source: kubernetes pkg/proxy/winkernel/proxier.go.
    """
    if not hns.load_balancers and stack.cni == "":
        yield Skip("The CNI is not one that kwinnow knows, and HNS holds no load balancer of any Service.")
        return
    have = programmed(hns)
    for served in virtual_ports(services):
        if served.service.spec.ipv4 == network.dns_address.value or has_cluster_ip(served, have):
            continue
        ready = backends(served, slices, pods)
        if served.service.spec.internal_traffic_policy == "Local":
            ready = [b for b in ready if b.node == node.name]
        if not ready:
            continue
        address = f"{served.service.spec.ipv4}:{served.port.port}"
        proof: dict[type[Fact], str] = {
            Hns: f"{len(hns.load_balancers)} load balancers, none for {address}",
            EndpointSlices: f"{len(ready)} ready backends",
        }
        said = creation_failed(logs, "clusterip", served.name)
        yield Problem(
            f"Service {served.name} has {len(ready)} ready backends, and HNS on this node has no load "
            f"balancer for {address}.",
            served.object,
            proof={**proof, NodeLogs: said} if said else {**proof},
        )


_DENIED = re.compile(
    r"(?:Failed to list|Failed to watch|failed to list).*(?:forbidden|Forbidden|Unauthorized)"
)
_WAITS = "Not syncing hns until Services and Endpoints have been received from master"
_SYNCED = "Caches are synced"  # for service config, endpoint slice config: they have been read
_CLOCK = re.compile(r"^[IWEF]\d{4} (\d\d):(\d\d):(\d\d)")


def _log(*lines: str) -> Change:
    tail = LogTail("kube-proxy", r"C:\k\kube-proxy.log", text="\n".join(lines))
    return change(NodeLogs, lambda n: NodeLogs((*n.logs, tail)))


def _seconds(line: str) -> int | None:
    match = _CLOCK.match(line.strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) if match else None


@check(
    "proxy.kubeconfig",
    title="kube-proxy may read Services and endpoints",
    severity=ERROR,
    explains=[cause_of("proxy.not-running"), *NOTHING_PROGRAMMED],
    cases=[
        Case(
            "its account has no rights",
            FLANNEL_2022,
            (
                _log(
                    "E0102 03:04:05.000000 4310 reflector.go:150] Failed to watch *v1.Service: failed to "
                    "list *v1.Service: services is forbidden: "
                    'User "system:serviceaccount:kube-system:default" cannot list resource "services"'
                ),
            ),
            finds="node",
        ),
        Case(
            "it waits for two minutes",
            CLASSIC_2019,
            (
                _log(
                    f"I0102 03:04:05.000000 4310 proxier.go:9] {_WAITS}",
                    f"I0102 03:06:05.000000 4310 proxier.go:9] {_WAITS}",
                ),
            ),
            finds="node",
        ),
        Case(
            "refused once, and working since",
            FLANNEL_2022,
            (
                _log(
                    "E0102 03:04:05.000000 4310 reflector.go:150] failed to list *v1.Service: Unauthorized",
                    'I0102 03:05:05.000000 4310 proxier.go:1318] "Policy successfully applied for service"',
                ),
            ),
            quiet=True,
        ),
        Case(
            "refused once, and it has read them since",
            FLANNEL_2022,
            (
                _log(
                    "E0102 03:04:05.000000 4310 reflector.go:150] failed to list *v1.Service: Unauthorized",
                    "I0102 03:04:35.000000 4310 shared_informer.go:320] Caches are synced for service config",
                ),
            ),
            quiet=True,
        ),
        Case(
            "it waited at start",
            CLASSIC_2019,
            (_log(f"I0102 03:04:05.000000 4310 proxier.go:9] {_WAITS}"),),
            quiet=True,
        ),
    ],
)
def kubeconfig(logs: NodeLogs) -> Iterator[Said]:
    """kube-proxy programs nothing before it has read Services and endpoints once.

    Rule: its log says that listing or watching failed with Forbidden or Unauthorized; or that it does not sync
    because it has received nothing, for more than a minute.
    Remedy: check the ServiceAccount kube-proxy and its ClusterRoleBinding to system:node-proxier (`kubectl auth
    can-i list services -A --as=system:serviceaccount:kube-system:kube-proxy`), and the path of its kubeconfig on the
    node.
    Confused with: the seconds after its start.
    Source: kubernetes pkg/proxy/winkernel/proxier.go.
    """
    lines = lines_since_it_worked(logs)
    read = max((at for at, line in enumerate(lines) if _SYNCED in line), default=-1)
    lines = lines[read + 1 :]
    denied = next((line for line in reversed(lines) if _DENIED.search(line)), "")
    if denied:
        yield Problem(
            "The API server does not let kube-proxy read Services or endpoints.", proof={NodeLogs: denied}
        )
        return
    waits = [line for line in lines if _WAITS in line]
    times = [s for s in map(_seconds, waits) if s is not None]
    if len(times) > 1 and times[-1] - times[0] > 60 and lines and _WAITS in lines[-1]:
        yield Problem(
            f"kube-proxy has been waiting for Services and endpoints for {times[-1] - times[0]} s.",
            proof={NodeLogs: waits[-1]},
        )
