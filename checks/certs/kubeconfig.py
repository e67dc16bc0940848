"""The kubelet's kubeconfig: is it there, whose is it, where does it point, whom does it trust?"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import silent
from checks.effects import NO_API
from checks.finding import ERROR, WARN, Problem, Said, Skip
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import ClientCertificate, Kubeconfig, Kubeconfigs, Kubelet


def is_ready(node: ThisNode) -> bool:
    ready = node.object.condition("Ready")
    return ready is not None and ready.status == "True"


def _file(path: str) -> str:
    return path.replace("/", "\\").lower().removeprefix("c:")


def kubelets_own(kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed) -> Kubeconfig | None:
    """The kubeconfig that the kubelet is told to use, else the one in the usual place."""
    told = _file(kubelet.flags.get("kubeconfig", "").strip("\"'")) if isinstance(kubelet, Kubelet) else ""
    named = next((k for k in kubeconfigs.kubeconfigs if told and _file(k.path) == told), None)
    return named or kubeconfigs.kubelet


def _bootstrap_only(found: Kubeconfigs) -> Kubeconfigs:
    return replace(
        found, kubeconfigs=(Kubeconfig(r"C:\etc\kubernetes\bootstrap-kubelet.conf", has_token=True),)
    )


def own(**values: object) -> Change:
    """Set fields of the kubelet's kubeconfig."""

    def apply(draft: Draft) -> None:
        found = draft.get(Kubeconfigs)
        used = kubelets_own(found, draft.get(Kubelet))
        each = tuple(replace(k, **values) if k is used else k for k in found.kubeconfigs)
        draft.put(Kubeconfigs, replace(found, kubeconfigs=each))

    return apply


def _subject(name: str, group: str) -> Change:
    def apply(draft: Draft) -> None:
        used = kubelets_own(draft.get(Kubeconfigs), draft.get(Kubelet))
        old = used.certificate if used and used.certificate else ClientCertificate()
        new = replace(old, subject=f"O={group}, CN={name}", common_name=name, organizations=(group,))
        own(certificate=new)(draft)

    return apply


@check(
    "certs.kubeconfig.missing",
    title="The kubelet has a kubeconfig",
    severity=ERROR,
    explains=[*NO_API, cause_of("kubelet.nssm-paused"), cause_of("kubelet.not-running")],
    cases=[
        Case("none at all", FLANNEL_2022, (fields(Kubeconfigs, kubeconfigs=()), silent()), finds="node"),
        Case("classic, none", CLASSIC_2019, (fields(Kubeconfigs, kubeconfigs=()), silent()), finds="node"),
        Case(
            "only that of the bootstrap",
            FLANNEL_2022,
            (change(Kubeconfigs, _bootstrap_only), silent()),
            finds="node",
        ),
        Case("saved as UTF-16", FLANNEL_2022, (own(bom="utf-16"), silent()), finds="node"),
        Case(
            "it reports, so it has one elsewhere",
            FLANNEL_2019,
            (fields(Kubeconfigs, kubeconfigs=()),),
            quiet=True,
        ),
        Case("not known", FLANNEL_2022, (fails(Kubeconfigs),), unknown=True),
    ],
)
def kubeconfig_missing(node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed) -> Iterator[Said]:
    """Without a kubeconfig the kubelet has no identity and does not know where the API server is.

    Rule: neither the file that the kubelet is told to use, nor C:\\etc\\kubernetes\\kubelet.conf (kubeadm), nor
    C:\\k\\config (classic), nor RKE2's is there, or it cannot be read, and the Node is not Ready. With
    bootstrap-kubelet.conf alone the TLS bootstrap has not come to its end.
    Remedy: kubeadm: run the join command again. Classic: put the node's own kubeconfig into C:\\k\\config (never a
    copy of the administrator's), saved as UTF-8 without a byte order mark; then `Restart-Service kubelet`.
    Confused with: KUBECONFIG that is not set in a shell (reach.api.loopback-8080).
    Source: the book chapter's scripts (C:\\k\\config); kubernetes-sigs/sig-windows-tools, PrepareNode.ps1.
    """
    found = kubelets_own(kubeconfigs, kubelet)
    broken = found is not None and (bool(found.error) or found.bom == "utf-16")
    if found is not None and not broken:
        return
    if is_ready(node):
        yield Skip(
            "The kubelet reports: it has its kubeconfig in a place that is not looked at, or still in memory."
        )
        return
    if found is not None:
        why = found.error or "it is saved as UTF-16"
        yield Problem(
            f"The kubelet's kubeconfig {found.path} on {node.name} cannot be used: {why}",
            proof={Kubeconfigs: why},
        )
        return
    bootstrap = next((k.path for k in kubeconfigs.kubeconfigs if "bootstrap" in k.path.lower()), "")
    only = f"; it has only {bootstrap}: the TLS bootstrap is not through" if bootstrap else ""
    listed = ", ".join(k.path for k in kubeconfigs.kubeconfigs) or "none"
    yield Problem(
        f"The kubelet on {node.name} has no kubeconfig{only}.",
        proof={Kubeconfigs: f"kubeconfigs found: {listed}"},
    )


@check(
    "certs.kubeconfig.identity",
    title="The kubelet uses its own node's identity",
    severity=ERROR,
    explains=NO_API,
    cases=[
        Case(
            "another node's",
            CLASSIC_2019,
            (_subject("system:node:master", "system:nodes"),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "the administrator's",
            FLANNEL_2022,
            (_subject("kubernetes-admin", "system:masters"),),
            finds="node",
            severity=WARN,
        ),
        Case("its own", FLANNEL_2022, (_subject("system:node:win-1", "system:nodes"),), quiet=True),
        Case("a token", CLASSIC_2019, (own(certificate=None, has_token=True),), quiet=True),
    ],
)
def kubeconfig_identity(
    node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed
) -> Iterator[Said]:
    """A copied kubelet's credential may not report for this node; a copied administrator's may do everything.

    Rule: the client certificate's common name is system:node: of another node (error), or one of its organizations is
    system:masters (warn: every program on this Windows machine rules the cluster).
    Remedy: Give the node a credential of its own: TLS bootstrap or `kubeadm join`; then delete the copy.
    Confused with: the rights of add-ons: this is about the kubelet's credential alone.
    Source: Kubernetes documentation, "Using Node Authorization"; the book chapter copies the files from a Linux node.
    """
    found = kubelets_own(kubeconfigs, kubelet)
    certificate = found.certificate if found else None
    if found is None or certificate is None:
        yield Skip("The kubelet's kubeconfig holds no client certificate.")
        return
    name = certificate.common_name
    proof = f"{found.path}: CN={name}, O={', '.join(certificate.organizations)}"
    if name.startswith("system:node:") and name != f"system:node:{node.name}":
        yield Problem(
            f"The kubelet on {node.name} uses the credential of {name}, which may not report for it.",
            proof={Kubeconfigs: proof},
        )
    elif "system:masters" in certificate.organizations:
        yield Problem(
            f"The kubelet on {node.name} uses the credential of {name} in system:masters: the whole cluster's.",
            severity=WARN,
            proof={Kubeconfigs: proof},
        )
