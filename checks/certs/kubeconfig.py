"""The kubelet's kubeconfig: is it there, whose is it, where does it point, whom does it trust?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import kubelet_flags, silent
from checks.effects import NO_API
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Severity, Skip
from checks.kubelet.settings import worked_out
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import ClientCertificate, Kubeconfig, Kubeconfigs, Kubelet


def unread(found: Kubeconfig) -> str:
    """Why nothing is known of a kubeconfig that may be good all the same; empty where that is not so."""
    why = "is written as JSON: the kubelet reads that, but here only YAML is taken apart."
    return f"{found.path} {why}" if found.json else ""


def is_ready(node: ThisNode) -> bool:
    ready = node.object.condition("Ready")
    return ready is not None and ready.status == "True"


# Where the node is looked at besides the path in the arguments of a kubelet that runs.
_USUAL = (
    r"\etc\kubernetes\kubelet.conf",
    r"\k\config",
    r"\var\lib\rancher\rke2\agent\kubelet.kubeconfig",
    r"\var\lib\kubelet\kubeconfig",
)


def _file(path: str) -> str:
    return path.replace("/", "\\").lower().removeprefix("c:")


def _told(kubelet: Kubelet | Failed) -> str:
    """The kubeconfig in the kubelet's arguments; empty where there is none, or no path that can be followed."""
    path = kubelet.flags.get("kubeconfig", "").strip("\"'") if isinstance(kubelet, Kubelet) else ""
    followed = re.match(r"([a-z]:)?[\\/]", path, re.I) and not worked_out(path)
    return path if followed else ""


def kubelets_own(kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed) -> Kubeconfig | None:
    """The kubeconfig that the kubelet is told to use; where that is not known the one in the usual place."""
    told = _file(_told(kubelet))
    if not told:
        return kubeconfigs.kubelet
    return next((k for k in kubeconfigs.kubeconfigs if _file(k.path) == told), None)


def not_looked_at(kubelet: Kubelet | Failed, looked_at: str = "") -> str:
    """Why there may be a kubeconfig although none was found; empty where there is none.

    `looked_at`: where the node has looked because something there told it to.
    """
    told = _told(kubelet) or looked_at
    if not told:
        return "Which kubeconfig the kubelet is told to use is not known, and none is in the usual places."
    ran = isinstance(kubelet, Kubelet) and kubelet.found_in == "process"
    if ran or _file(told) in (*_USUAL, _file(looked_at)):
        return ""
    return f"The kubelet is told to use {told}, where nothing has looked."


def nothing_to_judge(kubelet: Kubelet | Failed, what: str, looked_at: str = "") -> Said:
    """What a check of the kubeconfig says where none was found."""
    why = not_looked_at(kubelet, looked_at)
    return CannotTell(why) if why else Skip(f"There is no kubeconfig whose {what} could be judged.")


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


_NONE = fields(Kubeconfigs, kubeconfigs=())
_NONE_TOLD = fields(Kubeconfigs, kubeconfigs=(), told="")
_IN_JSON = own(json=True, server="", ca_sha256="", certificate=None, certificate_path="")


_ELSEWHERE = r"C:\ProgramData\kubernetes\kubeconfig"


def _stopped_elsewhere(draft: Draft) -> None:
    """A kubelet that stands still, and whose service names another place."""
    line = f"kubelet.exe --kubeconfig={_ELSEWHERE}"
    fields(Kubelet, flags={"kubeconfig": _ELSEWHERE}, arguments=line, found_in="service")(draft)


def at(severity: Severity, name: str, *changes: Change, on: str = FLANNEL_2022) -> Case:
    """What is found on the node, and how bad it is."""
    return Case(name, on, changes, "node", severity)


@check(
    "certs.kubeconfig.missing",
    title="The kubelet has a kubeconfig",
    severity=ERROR,
    explains=[*NO_API, cause_of("kubelet.nssm-paused"), cause_of("kubelet.not-running")],
    cases=[
        Case("none at all", FLANNEL_2022, (_NONE, silent()), finds="node"),
        Case("classic, none", CLASSIC_2019, (_NONE, silent()), finds="node"),
        Case("EKS keeps it elsewhere", FLANNEL_2022, (_NONE, _stopped_elsewhere, silent()), unknown=True),
        Case(
            "EKS keeps it elsewhere, and it is not there",
            FLANNEL_2022,
            (_NONE, _stopped_elsewhere, fields(Kubeconfigs, told=_ELSEWHERE), silent()),
            finds="node",
        ),
        Case("its place is not known", FLANNEL_2022, (_NONE_TOLD, fails(Kubelet), silent()), unknown=True),
        Case(
            "its place depends on the service's folder",
            FLANNEL_2022,
            (_NONE_TOLD, kubelet_flags(kubeconfig="config"), silent()),
            unknown=True,
        ),
        Case("its certificate is gone", FLANNEL_2022, (own(certificate=None), silent()), finds="node"),
        Case(
            "only that of the bootstrap",
            FLANNEL_2022,
            (change(Kubeconfigs, _bootstrap_only), silent()),
            finds="node",
        ),
        Case("saved as UTF-16", FLANNEL_2022, (own(bom="utf-16"), silent()), finds="node"),
        Case("in JSON", FLANNEL_2022, (_IN_JSON, silent()), unknown=True),
        Case("in JSON, saved as UTF-16", FLANNEL_2022, (_IN_JSON, own(bom="utf-16"), silent()), finds="node"),
        Case("in JSON, and it reports", FLANNEL_2022, (_IN_JSON,), quiet=True),
        Case("it reports, so it has one elsewhere", FLANNEL_2019, (_NONE,), quiet=True),
        Case("not known", FLANNEL_2022, (fails(Kubeconfigs),), unknown=True),
    ],
)
def kubeconfig_missing(node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed) -> Iterator[Said]:
    """Without a kubeconfig the kubelet has no identity and does not know where the API server is.

    Rule: the file that the kubelet is told to use is not there, cannot be read, or names a client certificate that is
    not there, and the Node is not Ready. With bootstrap-kubelet.conf alone the TLS bootstrap has not come to its end.
    Looked at are C:\\etc\\kubernetes\\kubelet.conf (kubeadm), C:\\k\\config (classic), RKE2's place,
    C:\\var\\lib\\kubelet\\kubeconfig, and whatever --kubeconfig names in the process, the service, nssm or the start
    script.
    Remedy: kubeadm: make it anew on a Linux control-plane node, `kubeadm kubeconfig user --org system:nodes
    --client-name system:node:NODE > kubelet.conf`, and copy it to C:\\etc\\kubernetes; or join again. Classic: put the
    node's own kubeconfig into C:\\k\\config (never a copy of the administrator's), saved as UTF-8 without a byte order
    mark. Then `Restart-Service kubelet`.
    Confused with: KUBECONFIG that is not set in a shell (reach.api.loopback-8080).
    Source: the book chapter's scripts (C:\\k\\config); kubernetes-sigs/sig-windows-tools, PrepareNode.ps1.
    """
    found = kubelets_own(kubeconfigs, kubelet)
    why = _unusable(found) if found is not None else ""
    if found is not None and not why and not found.json:
        return
    if is_ready(node):
        yield Skip(
            "The kubelet reports: it has its kubeconfig in a place that is not looked at, or still in memory."
        )
        return
    if found is not None and not why:
        yield CannotTell(unread(found))
        return
    if found is not None:
        yield Problem(
            f"The kubelet's kubeconfig {found.path} on {node.name} cannot be used: {why}",
            proof={Kubeconfigs: why},
        )
        return
    if unseen := not_looked_at(kubelet, kubeconfigs.told):
        yield CannotTell(unseen)
        return
    bootstrap = next((k.path for k in kubeconfigs.kubeconfigs if "bootstrap" in k.path.lower()), "")
    only = f"; it has only {bootstrap}: the TLS bootstrap is not through" if bootstrap else ""
    listed = ", ".join(k.path for k in kubeconfigs.kubeconfigs) or "none"
    yield Problem(
        f"The kubelet on {node.name} has no kubeconfig{only}.",
        proof={Kubeconfigs: f"kubeconfigs found: {listed}"},
    )


def _unusable(found: Kubeconfig) -> str:
    """Why the kubelet can do nothing with its kubeconfig; empty where it can."""
    if found.error:
        return found.error
    if found.bom == "utf-16":
        return "it is saved as UTF-16."
    if found.certificate_path and found.certificate is None:
        return f"its client certificate {found.certificate_path} is not there, or cannot be read."
    return ""


_ADMINISTRATORS = (
    "system:masters",
    "kubeadm:cluster-admins",
)  # of kubeadm's admin.conf; the latter since 1.29


@check(
    "certs.kubeconfig.identity",
    title="The kubelet uses its own node's identity",
    severity=ERROR,
    explains=NO_API,
    cases=[
        at(ERROR, "another node's", _subject("system:node:master", "system:nodes"), on=CLASSIC_2019),
        at(WARN, "the administrator's", _subject("kubernetes-admin", "system:masters")),
        at(WARN, "the administrator's, since 1.29", _subject("kubernetes-admin", "kubeadm:cluster-admins")),
        Case("its own", FLANNEL_2022, (_subject("system:node:win-1", "system:nodes"),), quiet=True),
        Case("in JSON", FLANNEL_2022, (_IN_JSON,), unknown=True),
        Case("a token", CLASSIC_2019, (own(certificate=None, has_token=True),), quiet=True),
    ],
)
def kubeconfig_identity(
    node: ThisNode, kubeconfigs: Kubeconfigs, kubelet: Kubelet | Failed
) -> Iterator[Said]:
    """A copied kubelet's credential may not report for this node; a copied administrator's may do everything.

    Rule: the client certificate's common name is system:node: of another node (error), or one of its organizations is
    system:masters or kubeadm:cluster-admins (warn: every program on this Windows machine rules the cluster).
    Remedy: Give the node a credential of its own: TLS bootstrap or `kubeadm join`; then delete the copy.
    Confused with: the rights of add-ons: this is about the kubelet's credential alone.
    Source: Kubernetes documentation, "Using Node Authorization"; the book chapter copies the files from a Linux node.
    """
    found = kubelets_own(kubeconfigs, kubelet)
    certificate = found.certificate if found else None
    if found is None:
        yield nothing_to_judge(kubelet, "identity", kubeconfigs.told)
        return
    if found.json:
        yield CannotTell(unread(found))
        return
    if certificate is None:
        yield Skip("The kubelet's kubeconfig holds no client certificate.")
        return
    name = certificate.common_name
    group = next((g for g in _ADMINISTRATORS if g in certificate.organizations), "")
    proof = f"{found.path}: CN={name}, O={', '.join(certificate.organizations)}"
    if name.startswith("system:node:") and name != f"system:node:{node.name}":
        yield Problem(
            f"The kubelet on {node.name} uses the credential of {name}, which may not report for it.",
            proof={Kubeconfigs: proof},
        )
    elif group:
        yield Problem(
            f"The kubelet on {node.name} uses the credential of {name} in {group}: it may do everything.",
            severity=WARN,
            proof={Kubeconfigs: proof},
        )
