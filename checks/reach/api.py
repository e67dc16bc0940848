"""The ways to the API server: from the console, from the node, and the one that kubectl makes up."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from checks.cases import Change, change, fails, fields
from checks.check import Case, check
from checks.edits import service, silent
from checks.effects import NO_API, where
from checks.finding import ERROR, CannotTell, Finding, Object, Problem, Said, Skip
from checks.kubelet.settings import ended_now
from checks.relations import SILENT
from facts.access import ThisNode
from facts.cluster.control_plane import ApiServer
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import LogTail, NodeLogs
from facts.node.probes import Probe, TcpProbes
from facts.node.windows import Os, Services

API = Object("ApiServer", "kube-apiserver")
_ANSWERED = ("credentials", "permission-denied")
_BROKEN = ("unreachable", "deadline", "malformed", "api-error")


@check(
    "reach.api.unreachable",
    title="The API server answers the console",
    severity=ERROR,
    cases=[
        Case(
            "refused",
            FLANNEL_2022,
            (fails(ApiServer, "No connection.", "unreachable"),),
            finds="kube-apiserver",
        ),
        Case("too slow", FLANNEL_2022, (fails(ApiServer, "No answer.", "deadline"),), finds="kube-apiserver"),
        Case(
            "a 403 proves that it answers",
            FLANNEL_2022,
            (fails(ApiServer, "no", "permission-denied"),),
            quiet=True,
        ),
        Case("not asked", FLANNEL_2022, (fails(ApiServer, "not asked", "not-asked"),), unknown=True),
    ],
)
def api_unreachable(api: ApiServer | Failed) -> Iterator[Said]:
    """Without the API server nothing on the cluster's side can be judged.

    Rule: GET /version and /livez; no connection, an untrusted certificate, no answer in time, an answer that is no
    API server's, or a status other than 200, 401 and 403 is an error. 401 and 403 prove that it answers.
    Remedy: Check `clusters[].cluster.server` of the kubeconfig, the proxy variables and the VPN, and that TCP 6443
    is open: `kubectl --kubeconfig FILE get --raw /livez -v=6`.
    Confused with: a user without rights or with expired credentials (the server is there), and the Windows node's
    own way to the API server (reach.api.from-node).
    Source: Kubernetes documentation, "API health endpoints"; the certificate that does not name the address is the
    usual cause in Microsoft's "Troubleshooting Kubernetes".
    """
    if isinstance(api, Failed):
        if api.kind in _BROKEN:
            yield Problem(api.why, API, remedy=api.hint)
        elif api.kind not in _ANSWERED:
            yield CannotTell(api.why, hint=api.hint)
    elif api.alive and api.alive.lower() != "ok":
        said = " ".join(api.alive.split())[:120]
        yield Problem(f"The API server answers, but its own health check says: {said}", API)


_MEANING = {
    "refused": "it is refused: nothing listens there",
    "timeout": "it times out: a firewall or a missing route drops it",
    "name": "the name does not resolve on the node",
    "unreachable": "the node has no route to it",
}


def _api_probe(outcome: str) -> TcpProbes:
    return TcpProbes((Probe("api", "10.0.1.10", 6443, outcome),))


def _proxy(exceptions: str) -> Change:
    return fields(Os, environment={"HTTPS_PROXY": "http://proxy.corp.example:3128", "NO_PROXY": exceptions})


def _proxied(host: str, environment: dict[str, str]) -> str:
    """The proxy by which a Go program on the node goes to `host`; empty where it goes there itself."""
    values = {name.upper(): value for name, value in environment.items()}
    proxy = values.get("HTTPS_PROXY", "")
    exceptions = [e.strip().lower() for e in values.get("NO_PROXY", "").split(",") if e.strip()]
    return "" if host == "localhost" or any(_excepted(host.lower(), e) for e in exceptions) else proxy


def _excepted(host: str, exception: str) -> bool:
    """Whether an entry of NO_PROXY stands for this host, by the rules of Go's golang.org/x/net/http/httpproxy."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return exception == "*" or host == exception.lstrip(".") or host.endswith("." + exception.lstrip("."))
    try:
        return (
            exception == "*"
            or address.is_loopback
            or address in ipaddress.ip_network(exception, strict=False)
        )
    except ValueError:
        return False


# What Go says of a connection, before Windows says it in the language of the node.
_BREAKS = r"(wsarecv|wsasend|connectex|TLS handshake timeout|i/o timeout|\bEOF\b)"
_BROKEN_OFF = (
    "E0701 10:00:01.370231 6371 reflector.go:123] Failed to list *v1.Node: Get https://10.0.1.10:6443/api/v1/nodes: "
    "read tcp 10.0.1.21:63608->10.0.1.10:6443: wsarecv: An existing connection was forcibly closed by the remote host."
)


def _kubelet_says(line: str) -> Change:
    return fields(NodeLogs, logs=(LogTail("kubelet", r"C:\k\kubelet.log", None, line),))


@check(
    "reach.api.from-node",
    title="The node reaches the API server",
    severity=ERROR,
    explains=NO_API,
    cases=[
        Case(
            "a firewall between",
            FLANNEL_2022,
            (change(TcpProbes, lambda _: _api_probe("timeout")),),
            finds="node",
        ),
        Case("no such name", CLASSIC_2019, (change(TcpProbes, lambda _: _api_probe("name")),), finds="node"),
        Case(
            "the kubelet goes through a proxy",
            FLANNEL_2022,
            (change(TcpProbes, lambda _: _api_probe("timeout")), _proxy("10.9.0.0/16,.corp.example")),
            unknown=True,
        ),
        Case(
            "a proxy, but not for the API server",
            FLANNEL_2022,
            (change(TcpProbes, lambda _: _api_probe("timeout")), _proxy("10.0.0.0/8,.corp.example")),
            finds="node",
        ),
        Case(
            "it takes connections and breaks them off",
            FLANNEL_2022,
            (_kubelet_says(_BROKEN_OFF), silent()),
            finds="node",
        ),
        Case(
            "it broke one off, and the node is Ready", FLANNEL_2022, (_kubelet_says(_BROKEN_OFF),), quiet=True
        ),
        Case(
            "it broke one off, and then the kubelet was stopped",
            FLANNEL_2022,
            (_kubelet_says(_BROKEN_OFF), service("kubelet", state="Stopped"), silent()),
            quiet=True,
        ),
        Case("open", FLANNEL_2022, (change(TcpProbes, lambda _: _api_probe("open")),), quiet=True),
        Case("could not try", FLANNEL_2022, (fails(TcpProbes),), unknown=True),
    ],
)
def api_from_node(
    node: ThisNode, probes: TcpProbes, os: Os | Failed, services: Services | Failed, logs: NodeLogs | Failed
) -> Iterator[Said]:
    """kubelet, kube-proxy and flanneld on a node that cannot reach the API server do nothing.

    Rule: a TCP connection from the Windows host to the host and port in the kubelet's own kubeconfig fails within
    3 s, or its name does not resolve; or connections are taken, and the kubelet, which runs and of which the cluster
    hears nothing, says in its last 30 lines that they break off. Where HTTPS_PROXY of the machine or of the kubelet's
    nssm leads the kubelet through a proxy, a direct connection that fails proves nothing.
    Remedy: On the node: `Test-NetConnection HOST -Port 6443`; then mend the route, the firewall or the proxy on the
    way. Where the machine has an HTTP proxy, add the API server to NO_PROXY of the machine environment.
    Confused with: the ClusterIP of the Service `kubernetes` (10.96.0.1:443), which a Windows host need not reach.
    Source: kubernetes-sigs/sig-windows-tools, hostprocess/flannel (why flannel there gets the API server's address
    from the kubeconfig and not from the Service).
    """
    tried = probes.of("api")
    if not tried:
        yield Skip("The kubelet's kubeconfig names no server to try.")
    for probe in tried:
        proxy = _proxied(probe.host, _environment(os, services))
        if probe.outcome != "open" and proxy:
            yield CannotTell(
                f"The kubelet on {node.name} asks the API server through {proxy}; that {probe.host}:{probe.port} "
                "cannot be reached directly says nothing of it.",
                hint=f"On the node: `Test-NetConnection {urlsplit(proxy).hostname or proxy} -Port PORT`.",
            )
        elif probe.outcome != "open":
            why = _MEANING.get(probe.outcome, probe.outcome)
            where = f"{probe.host}:{probe.port}"
            yield Problem(
                f"{node.name} cannot open a TCP connection to the API server at {where}: {why}.",
                proof={TcpProbes: f"api {where}: {probe.outcome} after {probe.ms} ms"},
            )
        elif line := _broken_off(node, probe, services, logs):
            yield Problem(
                f"The API server at {probe.host}:{probe.port} takes connections from {node.name}, and they break off.",
                proof={NodeLogs: line[:300]},
                remedy="Look at what stands between, which may inspect or limit TLS: a firewall, a proxy on the node "
                "(RKE's on 127.0.0.1), a load balancer without a server behind it.",
            )


def _broken_off(node: ThisNode, probe: Probe, services: Services | Failed, logs: NodeLogs | Failed) -> str:
    """The kubelet's word for that, while it runs and does not report."""
    ready = node.object.condition("Ready")
    if isinstance(logs, Failed) or ended_now(services) or (ready is not None and ready.status != "Unknown"):
        return ""
    said = re.compile(rf"{re.escape(probe.host)}\]?:{probe.port}\b.*{_BREAKS}", re.I)
    return next((line for line in logs.lines("kubelet")[:-31:-1] if said.search(line)), "")


def _environment(os: Os | Failed, services: Services | Failed) -> dict[str, str]:
    """What a kubelet on this machine has in its environment, as far as it is known."""
    machine = os.environment if isinstance(os, Os) else {}
    kubelet = services.named("kubelet") if isinstance(services, Services) else None
    own = kubelet.nssm.environment if kubelet is not None and kubelet.nssm is not None else ()
    return machine | dict(line.partition("=")[::2] for line in own)


_LOOPBACK = re.compile(r"(\[::1\]|127\.0\.0\.1|localhost):8080\b.*connectex", re.I)
_LATEST = 200  # lines of each component: what it says now, not what it said before it was mended


def _says(line: str) -> NodeLogs:
    return NodeLogs((LogTail("flanneld", r"C:\k\flanneld.log", None, line),))


_REFUSED = (
    'E0102 03:04:05.000000 412 reflector.go:138] Failed to list *v1.Node: Get "http://localhost:8080/api/v1/nodes": '
    "dial tcp [::1]:8080: connectex: No connection could be made because the target machine actively refused it."
)


def _as_who_asks(cause: Finding, effect: Finding) -> bool:
    """A silent kubelet has its reason here only where it is the kubelet that has no kubeconfig."""
    return SILENT not in effect.message or "kubelet" in cause.message.partition(" on ")[0]


@check(
    "reach.api.loopback-8080",
    title="Programs on the node know where the API server is",
    severity=ERROR,
    explains=where(_as_who_asks, NO_API),
    cases=[
        Case(
            "flanneld without a kubeconfig",
            CLASSIC_2019,
            (change(NodeLogs, lambda _: _says(_REFUSED)),),
            finds="node",
        ),
        Case(
            "another port on localhost",
            CLASSIC_2019,
            (change(NodeLogs, lambda _: _says("dial tcp 127.0.0.1:10248: connectex: refused")),),
            quiet=True,
        ),
    ],
)
def loopback_8080(node: ThisNode, logs: NodeLogs) -> Iterator[Said]:
    """A client without a kubeconfig falls back to localhost:8080, where no API server listens on Windows.

    Rule: among the last 200 lines of a log on the node, one has `[::1]:8080`, `127.0.0.1:8080` or `localhost:8080`
    followed by `connectex`.
    Remedy: Give the program its kubeconfig: `--kubeconfig-file=C:\\k\\config` for flanneld, `--kubeconfig` for kubelet
    and kube-proxy; in a shell `$env:KUBECONFIG='C:\\k\\config'`. Then restart the service.
    Confused with: an API server that is down: here nobody asked it.
    Source: MicrosoftDocs/Virtualization-Documentation, "Joining Windows nodes".
    """
    if not logs.logs:
        yield Skip(f"Nothing on {node.name} has a log that is read.")
    told: dict[str, str] = {}
    for log in logs.logs:
        line = next((text for text in log.text.splitlines()[-_LATEST:] if _LOOPBACK.search(text)), "")
        if line:
            told.setdefault(log.component, f"{log.path}: {line[:300]}")
    if told:
        who, verb = " and ".join(told), "ask" if len(told) > 1 else "asks"
        yield Problem(
            f"{who} on {node.name} {verb} localhost:8080 for the API server, as a program without a kubeconfig does.",
            proof={NodeLogs: "\n".join(told.values())},
        )
