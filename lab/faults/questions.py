"""Questions: nothing is broken, but a workload or a person asks for what Windows does not do.

Each shows up where a person would find it: in a workload's environment, arguments or log.
"""

from __future__ import annotations

from typing import Any

from lab.faults import edits
from lab.faults.fault import MODERN, question
from lab.world.scenarios import workloads
from lab.world.scenarios.workloads import container, env
from lab.world.state import World

_DNS = "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows"
_NETWORK = "https://kubernetes.io/docs/concepts/services-networking/windows-networking/"
DNS_POLICY = r"HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\DNSClient"
AGENT_IMAGE = "registry.example.com/tools/node-agent:2.3.0"


def _web(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("apps/v1", "Deployment", "win-web", "shop")["spec"]["template"]["spec"]
    return found


def _renew(world: World) -> None:
    """A rollout: the pods are made anew from the changed template."""
    for machine in world.windows.values():
        edits.recreate_pods(world, machine)


def _url(world: World, url: str) -> None:
    edits.set_env(_web(world)["containers"][0], "API_URL", url)
    _renew(world)


@question(
    "dns.suffix.partial-name",
    "A Windows pod is configured with http://api.shop:8080, as its Linux twin is, and cannot resolve the name",
    _DNS,
)
def partial_name(world: World) -> None:
    _url(world, "http://api.shop:8080")


@question(
    "dns.suffix.partial-name:svc",
    "A Windows pod is configured with http://api.shop.svc:8080 and cannot resolve the name",
    "https://github.com/microsoft/Windows-Containers/issues/59",
)
def partial_name_svc(world: World) -> None:
    _url(world, "http://api.shop.svc:8080")


@question(
    "dns.suffix.dnsconfig",
    "Somebody adds dnsConfig.searches and ndots to a Windows pod so that api.shop resolves",
    _DNS,
)
def dns_config(world: World) -> None:
    searches = [f"svc.{world.plan.domain}"]
    _web(world)["dnsConfig"] = {"searches": searches, "options": [{"name": "ndots", "value": "5"}]}
    _renew(world)


@question(
    "dns.suffix.list-passed",
    "ipconfig /all in the pod shows svc.cluster.local among the suffixes: why does api.shop not resolve all the same?",
    "https://github.com/kubernetes/kubernetes/issues/65016",
)
def list_passed(world: World) -> None:
    web = _web(world)["containers"][0]
    web["command"] = ["powershell.exe", "-Command"]
    web["args"] = ["ipconfig /all; C:\\ServiceMonitor.exe w3svc"]
    _url(world, "http://api.shop:8080")


@question(
    "dns.suffix.append-multilabel",
    "Somebody sets the policy AppendToMultiLabelName on the nodes so that pods find api.shop",
    "https://admx.help/?Category=Windows_8.1_2012R2&Policy=Microsoft.Policies.DNSClient::DNS_AppendToMultiLabelName",
)
def append_multi_label(world: World) -> None:
    for machine in world.windows.values():
        machine.registry.setdefault(DNS_POLICY, {})["AppendToMultiLabelName"] = 1
    _url(world, "http://api.shop:8080")


@question(
    "dns.suffix.lint",
    "A Linux workload is moved to Windows with FALLBACK_URL=http://api.shop.svc:8080, which it has not called yet",
    "https://github.com/microsoft/Windows-Containers/issues/59",
)
def lint(world: World) -> None:
    edits.set_env(_web(world)["containers"][0], "FALLBACK_URL", "http://api.shop.svc:8080")
    _renew(world)


@question(
    "dns.resolver.choice",
    "A start script checks DNS with nslookup, which succeeds, and the application still does not find the name",
    _DNS,
)
def resolver_choice(world: World) -> None:
    web = _web(world)["containers"][0]
    web["command"] = ["powershell.exe", "-Command"]
    web["args"] = ["nslookup api.shop; C:\\ServiceMonitor.exe w3svc"]
    edits.set_env(web, "API_URL", "http://api.shop:8080")
    _renew(world)


def _agent(world: World, url: str) -> None:
    """A HostProcess agent on each Windows node that calls `url`."""
    item = workloads.daemon_set(
        "node-agent",
        "shop",
        {"app": "node-agent"},
        workloads.WINDOWS,
        [
            container(
                "agent",
                AGENT_IMAGE,
                # $(NODE_IP) is filled in only after a variable that stands before it.
                env=[workloads.from_field("NODE_IP", "status.hostIP"), *env(PROBE_URL=url)],
            )
        ],
        hostNetwork=True,
        securityContext={"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}},
    )
    world.put(item)
    for machine in world.windows.values():
        machine.tcp.setdefault("registry.example.com:443", "open")
        machine.names.setdefault("registry.example.com", ["203.0.113.40"])


@question(
    "service.nodeport.from-own-host",
    "A HostProcess agent on Server 2019 of July 2020 calls its own node's node port and gets no answer, while other "
    "machines do",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/common-problems",
    ("flannel-2019",),
)
def own_node_port(world: World) -> None:
    for machine in world.windows.values():
        machine.os.ubr = 1339  # the last month before KB4571748, which made it work
    _agent(world, "http://$(NODE_IP):30080/")


@question(
    "service.nodeport.loopback",
    "A HostProcess agent calls 127.0.0.1:30080 and is refused",
    _NETWORK,
    MODERN,
)
def loopback(world: World) -> None:
    _agent(world, "http://127.0.0.1:30080/")


@question(
    "service.nodeport.wrong-address",
    "A Windows workload calls the Service's ClusterIP on the node port",
    "https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport",
)
def wrong_address(world: World) -> None:
    address = world.get("v1", "Service", "win-web-public", "shop")["spec"]["clusterIP"]
    _url(world, f"http://{address}:30080")


@question(
    "cni.flannel.host-to-remote-pod",
    "A HostProcess agent scrapes a pod of another node at its own address and gets no answer; from pods it works",
    "https://github.com/flannel-io/flannel/pull/1096",
    MODERN,
)
def remote_pod(world: World) -> None:
    api = next(p for p in world.each("v1", "Pod", "shop") if p["metadata"]["labels"].get("app") == "api")
    _agent(world, f"http://{api['status']['podIP']}:8080/metrics")
