"""Certificates that run out, and requests for new ones that nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec.structs import replace

from checks.cases import Change, Draft, fails, fields
from checks.causes import SAME_NODE_OR_CLUSTER, cause_of
from checks.certs.kubeconfig import at, kubelets_own, nothing_to_judge, own, unread
from checks.check import Case, check
from checks.edits import later
from checks.effects import NO_API
from checks.finding import ERROR, WARN, CannotTell, Finding, Object, Problem, Said, Skip
from checks.relations import kubelet_silent
from checks.versions import clock, span
from facts.access import Now, ThisNode
from facts.cluster.control_plane import Csrs
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Condition, Metadata
from facts.cluster.signing_request import CsrObject, CsrSpec, CsrStatus
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.kubernetes import ClientCertificate, Kubeconfigs, Kubelet

_SOON = timedelta(days=7)
_CLIENT, _SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"


def _ends_in(days: float) -> Change:
    """The kubelet's client certificate ends so many days from now."""

    def apply(draft: Draft) -> None:
        end = draft.get(Now).utc + timedelta(days=days)
        used = kubelets_own(draft.get(Kubeconfigs), draft.get(Kubelet))
        old = used.certificate if used and used.certificate else ClientCertificate()
        own(certificate=replace(old, not_after=end))(draft)

    return apply


def _left_over(draft: Draft) -> None:
    """The kubelet has a token, and the file of its former certificate, long expired, still lies there."""
    own(certificate=None, certificate_path="", has_token=True)(draft)
    end = draft.get(Now).utc - timedelta(days=400)
    files = tuple(replace(c, not_after=end) for c in draft.get(Kubeconfigs).certificates)
    fields(Kubeconfigs, certificates=files)(draft)


@check(
    "certs.client-expired",
    title="The kubelet's client certificate is valid",
    severity=ERROR,
    explains=NO_API,
    cases=[
        at(ERROR, "yesterday", _ends_in(-1)),
        at(ERROR, "classic, a year ago", _ends_in(-365), on=CLASSIC_2019),
        at(WARN, "in three days", _ends_in(3), on=FLANNEL_2019),
        Case("in three months", FLANNEL_2022, (_ends_in(90),), quiet=True),
        Case("a token instead", CLASSIC_2019, (_left_over,), quiet=True),
        Case(
            "in a kubeconfig in JSON",
            FLANNEL_2022,
            (own(json=True, certificate=None, certificate_path=""),),
            unknown=True,
        ),
        Case("its file cannot be read", FLANNEL_2022, (own(certificate=None),), unknown=True),
        Case("not known", FLANNEL_2022, (fails(Kubeconfigs),), unknown=True),
    ],
)
def client_expired(
    node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed, now: Now
) -> Iterator[Said]:
    """The API server answers 401 to everything, also to the request for a new certificate.

    Rule: NotAfter of the certificate in the kubelet's kubeconfig (kubeadm: kubelet-client-current.pem) is past by the
    console's clock (error), or less than 7 days away (warn: a kubelet that renews does so long before).
    Remedy: kubeadm: on a Linux control-plane node `kubeadm kubeconfig user --org system:nodes --client-name
    system:node:NODE > kubelet.conf`; on the node delete C:\\var\\lib\\kubelet\\pki\\kubelet-client-*, put that file in
    place of C:\\etc\\kubernetes\\kubelet.conf, `Restart-Service kubelet`, and once there is a new
    kubelet-client-current.pem let the file name it instead of the key inside. Classic: issue a new client.crt and
    client.key.
    Confused with: a node whose clock is wrong (time.skew), to which valid certificates look expired.
    Source: Kubernetes documentation, "Certificate Management with kubeadm" (kubelet client certificate rotation).
    """
    found = kubelets_own(kubeconfigs, kubelet)
    if found is None:
        yield nothing_to_judge(kubelet, "certificate", kubeconfigs.told)
        return
    if found.json:
        yield CannotTell(unread(found))
        return
    end = found.certificate.not_after if found.certificate else None
    if end is None:
        if found.certificate_path:
            yield CannotTell(
                f"The client certificate {found.certificate_path} on {node.name} cannot be read."
            )
        else:
            yield Skip("The kubelet has no client certificate that could run out.")
        return
    proof: dict[type[Fact], str] = {
        Kubeconfigs: f"{found.certificate_path or found.path}: NotAfter {clock(end)}"
    }
    if end < now.utc:
        yield Problem(
            f"The kubelet's client certificate on {node.name} expired {span(now.utc - end)} ago.",
            proof=proof,
        )
    elif end - now.utc < _SOON:
        yield Problem(
            f"The kubelet's client certificate on {node.name} expires in {span(end - now.utc)} and was not renewed.",
            severity=WARN,
            proof=proof,
        )


def _asks(
    username: str, seconds: float, signer: str = _CLIENT, approved: bool = False, name: str = "csr-new"
) -> Change:
    """One more request for a certificate, so many seconds old."""

    def apply(draft: Draft) -> None:
        created = draft.get(Now).utc - timedelta(seconds=seconds)
        conditions = (Condition("Approved", "True"),) if approved else ()
        item = CsrObject(
            Metadata(name=name, creation_timestamp=created), CsrSpec(signer, username), CsrStatus(conditions)
        )
        draft.put(Csrs, Csrs((*draft.get(Csrs).items, item)))

    return apply


def _for_client(cause: Finding, effect: Finding) -> bool:
    """Without a serving certificate logs and exec fail; only the client's keeps the kubelet out."""
    return "client certificate" in cause.message


@check(
    "certs.csr-pending",
    title="Requests for the kubelets' certificates are answered",
    severity=ERROR,
    explains=[
        cause_of("certs.kubeconfig.missing", same=SAME_NODE_OR_CLUSTER, when=_for_client),
        cause_of("certs.client-expired", when=_for_client),
        cause_of(
            "node.notready",
            when=lambda cause, effect: _for_client(cause, effect) and kubelet_silent(cause, effect),
        ),
    ],
    cases=[
        Case("a bootstrap", FLANNEL_2022, (_asks("system:bootstrap:abcdef", 300),), finds="csr-new"),
        Case("a renewal", FLANNEL_2022, (_asks("system:node:win-1", 300),), finds="csr-new"),
        Case(
            "a serving certificate",
            FLANNEL_2022,
            (_asks("system:node:win-1", 300, _SERVING),),
            finds="csr-new",
        ),
        Case(
            "asked again and again: the latest counts",
            FLANNEL_2022,
            (
                _asks("system:node:win-1", 9000, _SERVING, name="csr-old"),
                _asks("system:node:win-1", 300, _SERVING),
            ),
            finds="csr-new",
        ),
        Case("just now", FLANNEL_2022, (_asks("system:node:win-1", 20),), quiet=True),
        Case("approved", FLANNEL_2022, (_asks("system:node:win-1", 300, approved=True),), quiet=True),
        Case("of a Linux node", FLANNEL_2022, (_asks("system:node:cp-1", 300),), quiet=True),
        Case("later", FLANNEL_2022, (_asks("system:node:win-1", 20), later(600)), finds="csr-new"),
    ],
)
def csr_pending(csrs: Csrs, nodes: Nodes, now: Now) -> Iterator[Said]:
    """A node asked for a certificate, and nobody signed it.

    Rule: a CertificateSigningRequest of a kubelet (signer kube-apiserver-client-kubelet or kubelet-serving) that is not
    of a Linux node has no condition after 60 s; of several that one kubelet made the latest is named. First
    certificates come from system:bootstrap:TOKEN, renewals from system:node:NAME. Serving certificates are never
    approved by themselves.
    Remedy: `kubectl get csr`, then `kubectl certificate approve NAME`. For client certificates restore the
    ClusterRoleBinding kubeadm:node-autoapprove-bootstrap (and …-certificate-rotation).
    Confused with: a token that has expired: then there is no request at all.
    Source: Kubernetes documentation, "kubeadm join" (TLS bootstrap) and "Certificate Signing Requests".
    """
    linux = {n.name for n in nodes.linux}
    waiting: dict[tuple[str, str], list[tuple[timedelta, CsrObject]]] = {}
    for request in csrs.items:
        created, name, signer = (
            request.metadata.creation_timestamp,
            request.node_name,
            request.spec.signer_name,
        )
        if signer not in (_CLIENT, _SERVING) or request.status.conditions or created is None or name in linux:
            continue
        waiting.setdefault((name or request.metadata.name, signer), []).append((now.utc - created, request))
    for (_, signer), asked in waiting.items():
        asked.sort(key=lambda one: one[0])
        longest, (_, request) = asked[-1][0], asked[0]
        if longest <= timedelta(seconds=60):
            continue
        who, name = request.node_name or request.spec.username, request.metadata.name
        kind = "client" if signer == _CLIENT else "serving"
        why = "" if kind == "client" else " (these are never approved by themselves)"
        again = f"; {name} is the latest of {len(asked)} requests" if len(asked) > 1 else ""
        yield Problem(
            f"{who} has waited for its {kind} certificate for {span(longest)}: nobody has approved it{why}{again}.",
            Object("CertificateSigningRequest", name),
            proof={Csrs: f"{name}: {signer} by {request.spec.username}, no condition"},
            node=request.node_name,
        )
