"""Where the kubelet's kubeconfig points, and whom it trusts."""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import Change, change, fails
from checks.causes import cause_of
from checks.certs.kubeconfig import at, is_ready, kubelets_own, nothing_to_judge, own, unread
from checks.check import Case, check
from checks.edits import silent
from checks.effects import NO_API
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from checks.relations import serious
from facts.access import ThisNode
from facts.cluster.control_plane import ClusterInfo, KubeadmConfig
from facts.cluster.nodes import Nodes
from facts.derived.probe_plan import server_of
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.kubernetes import Kubeconfigs, Kubelet
from facts.node.probes import Probe, TcpProbes

Endpoint = tuple[str, int]


def _endpoint(address: str) -> Endpoint | None:
    """Host and port; None where the address is mistyped."""
    return next(((t.host.lower(), t.port) for t in server_of(address)), None)


def _answers(host: str, port: int) -> Change:
    return change(TcpProbes, lambda _: TcpProbes((Probe("api", host, port, "open"),)))


def _absent(fact: type[Fact]) -> Change:
    return lambda draft: draft.put(fact, NotApplicable("kubeadm did not make this cluster."))


_MANAGED = (_absent(ClusterInfo), _absent(KubeadmConfig))


@check(
    "certs.kubeconfig.server",
    title="The kubelet's kubeconfig points at this cluster's API server",
    severity=ERROR,
    explains=[*NO_API, cause_of("reach.api.from-node", when=serious)],
    cases=[
        at(ERROR, "another address", own(server="https://10.0.1.99:6443"), silent()),
        at(ERROR, "another port", own(server="https://192.168.18.3:8443"), silent(), on=CLASSIC_2019),
        at(ERROR, "a port that no machine has", own(server="https://10.0.1.10:644333"), silent()),
        at(ERROR, "a bracket that is not closed", own(server="https://[fd00::1:6443"), silent()),
        Case("without https://", FLANNEL_2022, (own(server="10.0.1.10:6443"), silent()), quiet=True),
        Case(
            "a load balancer that works",
            FLANNEL_2022,
            (own(server="https://lb.example.com:6443"),),
            quiet=True,
        ),
        at(
            WARN,
            "a load balancer, and the kubelet is silent for another reason",
            own(server="https://lb.example.com:6443"),
            _answers("lb.example.com", 6443),
            silent(),
        ),
        Case(
            "a managed cluster, which has no cluster-info",
            FLANNEL_2022,
            (own(server="https://abc.eks.example.com"), *_MANAGED),
            quiet=True,
        ),
        Case(
            "a managed cluster, and the kubelet is silent",
            FLANNEL_2022,
            (own(server="https://abc.eks.example.com"), *_MANAGED, silent()),
            unknown=True,
        ),
        Case("in JSON", FLANNEL_2022, (own(json=True, server=""), silent()), unknown=True),
        Case("RKE2's own proxy", FLANNEL_2022, (own(server="https://127.0.0.1:6444"), silent()), quiet=True),
        Case("not known", FLANNEL_2022, (fails(Kubeconfigs),), unknown=True),
    ],
)
def kubeconfig_server(
    node: ThisNode,
    kubeconfigs: Kubeconfigs,
    kubelet: Kubelet | Failed,
    info: ClusterInfo | Failed | NotApplicable,
    kubeadm: KubeadmConfig | Failed | NotApplicable,
    nodes: Nodes,
    probes: TcpProbes | Failed | NotApplicable,
) -> Iterator[Said]:
    """The node talks to a wrong or a former API server.

    Rule: `server:` is no address, or its host and port are not those of cluster-info, of controlPlaneEndpoint, nor an
    address of a control-plane node with the same port, and the Node is not Ready. A warning where that server can be
    reached from the node and either the kubelet reports through it or the kubeconfig trusts this cluster's CA, since
    it may be a load balancer; else an error. 127.0.0.1 is normal for RKE2. Where the node is Ready through that
    address it is a load balancer, whose machines cannot be seen from here.
    Remedy: Correct `server:` in the kubeconfig (C:\\etc\\kubernetes\\kubelet.conf or C:\\k\\config) to what `kubectl -n
    kube-public get configmap cluster-info -o yaml` says, `Restart-Service kubelet`; or join again.
    Confused with: a load balancer that leads to the same machines.
    Source: MicrosoftDocs, "Troubleshooting Kubernetes"; rancher/rke2 (agents use a local proxy).
    """
    found = kubelets_own(kubeconfigs, kubelet)
    if is_ready(node):
        return
    if found is not None and found.json:
        yield CannotTell(unread(found))
        return
    if found is None or not found.server:
        yield (
            nothing_to_judge(kubelet, "server", kubeconfigs.told)
            if found is None
            else Skip("The kubeconfig names no server.")
        )
        return
    endpoint = _endpoint(found.server)
    if endpoint is None:
        yield Problem(
            f"The kubelet's kubeconfig on {node.name} names the server {found.server}, which is no address.",
            proof={Kubeconfigs: f"{found.path}: server {found.server}"},
        )
        return
    right = _told(info, kubeadm)
    if not right:
        yield CannotTell("Neither cluster-info nor kubeadm-config says where this cluster's API server is.")
        return
    host, port = endpoint
    machines = _machines(nodes, {p for _, p in right})
    if host in ("127.0.0.1", "localhost") or (host, port) in right | machines:
        return
    tried = probes.of("api") if isinstance(probes, TcpProbes) else ()
    reachable = any(p.outcome == "open" and (p.host.lower(), p.port) == (host, port) for p in tried)
    ready = node.object.condition("Ready")
    reports = ready is not None and ready.status == "False"
    known = isinstance(info, ClusterInfo) and bool(found.ca_sha256) and found.ca_sha256 == info.ca_sha256
    severity = WARN if reachable and (reports or known) else ERROR
    wanted = " or ".join(sorted({f"{h}:{p}" for h, p in right}))
    proof: dict[type[Fact], str] = {Kubeconfigs: f"{found.path}: server {found.server}"}
    proof[ClusterInfo if isinstance(info, ClusterInfo) else Nodes] = f"this cluster: {wanted}"
    yield Problem(
        f"The kubelet's kubeconfig on {node.name} points to {host}:{port}; this cluster's API server is {wanted}.",
        severity=severity,
        proof=proof,
    )


def _told(
    info: ClusterInfo | Failed | NotApplicable, kubeadm: KubeadmConfig | Failed | NotApplicable
) -> set[Endpoint]:
    """Where cluster-info and kubeadm-config say that this cluster's API server is."""
    urls = [info.server] if isinstance(info, ClusterInfo) and info.server else []
    if isinstance(kubeadm, KubeadmConfig) and kubeadm.endpoint:
        urls.append(f"https://{kubeadm.endpoint}")
    return {endpoint for u in urls if (endpoint := _endpoint(u))}


def _machines(nodes: Nodes, ports: set[int]) -> set[Endpoint]:
    """The control plane's machines, which may be named instead of the endpoint before them."""
    return {
        (address.address.lower(), port)
        for item in nodes.items
        if any(role in item.metadata.labels for role in _CONTROL)
        for address in item.status.addresses
        for port in ports
    }


_CONTROL = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@check(
    "certs.ca-mismatch",
    title="The node trusts this cluster's CA",
    severity=ERROR,
    explains=NO_API,
    cases=[
        at(ERROR, "another cluster's", own(ca_sha256="0" * 64), silent()),
        at(WARN, "another's, and it still reports", own(ca_sha256="0" * 64), on=CLASSIC_2019),
        Case("no CA in it", FLANNEL_2019, (own(ca_sha256=""),), unknown=True),
        Case("cluster-info not known", FLANNEL_2022, (fails(ClusterInfo),), unknown=True),
    ],
)
def ca_mismatch(
    node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed, info: ClusterInfo
) -> Iterator[Said]:
    """The node trusts another cluster: the control plane was installed anew, or the file is a wrong copy.

    Rule: SHA-256 of the first CA certificate in (or named by) the kubelet's kubeconfig differs from that in ConfigMap
    kube-public/cluster-info. A node that still reports gets a warning: its kubelet may hold an old connection, or
    the file a bundle in another order.
    Remedy: Take the CA from `kubectl -n kube-system get configmap kube-root-ca.crt -o yaml`, or join again; then
    `Restart-Service kubelet`.
    Confused with: a clock that is wrong: then the words are “expired or not yet valid”, and not “unknown authority”.
    Source: Go, crypto/x509 (`certificate signed by unknown authority`); the book chapter copies the CA by hand.
    """
    found = kubelets_own(kubeconfigs, kubelet)
    if found is None:
        yield nothing_to_judge(kubelet, "CA", kubeconfigs.told)
    elif not found.ca_sha256 or not info.ca_sha256:
        yield CannotTell(f"The CA in {found.path}, or that in cluster-info, cannot be read.")
    elif found.ca_sha256.lower() != info.ca_sha256.lower():
        yield Problem(
            f"The CA in {found.path} on {node.name} is not this cluster's.",
            severity=WARN if is_ready(node) else ERROR,
            proof={Kubeconfigs: f"CA SHA-256 {found.ca_sha256}", ClusterInfo: f"CA SHA-256 {info.ca_sha256}"},
        )
