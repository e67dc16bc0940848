"""What remains where WinRM does not work."""

from __future__ import annotations

from collections.abc import Iterator

from checks.cases import Change, fails
from checks.check import Case, check
from checks.edits import way_failed
from checks.finding import ERROR, INFO, CannotTell, Problem, Said
from facts.access import Access, ThisNode
from facts.cluster.control_plane import Rights
from facts.examples import FLANNEL_2022
from facts.fact import Failed
from targets.rights import ResourceRule

_FILTERED = way_failed("connect", "unreachable", "filtered", "no answer")


def _may(*rules: ResourceRule, incomplete: bool = False) -> Change:
    return lambda draft: draft.put(Rights, Rights(rules, incomplete))


_READS = ResourceRule(("get", "list"), ("",), ("nodes", "pods"))
_PROXY = ResourceRule(("get",), ("",), ("nodes/proxy",))
_PODS = ResourceRule(("create",), ("",), ("pods", "pods/exec"))


@check(
    "reach.console.no-path",
    title="There is some way to look into the node",
    severity=ERROR,
    cases=[
        Case("nothing works", FLANNEL_2022, (_FILTERED, _may(_READS)), finds="node"),
        Case("a pod may be made", FLANNEL_2022, (_FILTERED, _may(_READS, _PODS)), quiet=True),
        Case("the kubelet may be asked", FLANNEL_2022, (_FILTERED, _may(_READS, _PROXY)), quiet=True),
        Case(
            "rights not known whole", FLANNEL_2022, (_FILTERED, _may(_READS, incomplete=True)), unknown=True
        ),
        Case("rights not known", FLANNEL_2022, (_FILTERED, fails(Rights)), unknown=True),
    ],
)
def no_path(node: ThisNode, access: Access, rights: Rights | Failed) -> Iterator[Said]:
    """Neither WinRM, nor the kubelet by way of the API server, nor a pod on the node can be used.

    Rule: no attempt of WinRM worked, and this user may neither `get nodes/proxy` nor `create pods` together with
    `create pods/exec` in kube-system.
    Remedy: Mend WinRM (reach.winrm.port, reach.winrm.auth), or ask for one of the two roles; until then run the
    collector by hand in an administrator's PowerShell on the node.
    Confused with: a broken node: one that runs well can still be closed to this console.
    Source: Kubernetes documentation, "Create a Windows HostProcess Pod" and "Using RBAC Authorization".
    """
    if access.way:
        return
    if isinstance(rights, Failed):
        yield CannotTell(f"What this user may do in the cluster is not known: {rights.why}", hint=rights.hint)
        return
    pod = rights.allows("create", "", "pods") and rights.allows("create", "", "pods/exec")
    if pod or rights.allows("get", "", "nodes/proxy"):
        return
    if rights.incomplete:
        yield CannotTell("The API server could not list all rights of this user.")
        return
    tried = (
        "; ".join(f"{a.way} {a.address}: {a.code or a.kind}" for a in access.attempts)
        or "no way is configured"
    )
    yield Problem(
        f"Nothing leads into {node.name}: {tried}, and this user may neither get nodes/proxy nor create pods.",
        proof={Access: tried, Rights: "neither get nodes/proxy nor create pods and pods/exec"},
    )


@check(
    "reach.nodes-proxy-rbac",
    title="The kubelet can be asked by way of the API server where WinRM fails",
    severity=INFO,
    cases=[
        Case("not allowed, and wanted", FLANNEL_2022, (_FILTERED, _may(_READS)), finds="node"),
        Case("not allowed, not wanted", FLANNEL_2022, (_may(_READS),), quiet=True),
        Case("allowed", FLANNEL_2022, (_FILTERED, _may(_PROXY)), quiet=True),
    ],
)
def nodes_proxy(node: ThisNode, access: Access, rights: Rights) -> Iterator[Said]:
    """`nodes/proxy` opens the kubelet's API: logs and health, but on most clusters also exec in every pod there.

    Rule: WinRM does not work on this node, and this user may not `get nodes/proxy`. What would be asked that way is
    unknown then, not wrong.
    Remedy: Only if you want it: a ClusterRole with verb get on nodes/proxy, bound to this user.
    Confused with: a broken kubelet.
    Source: https://github.com/kubernetes/website/pull/54718.
    """
    if access.way or rights.allows("get", "", "nodes/proxy"):
        return
    if rights.incomplete:
        yield CannotTell("The API server could not list all rights of this user.")
        return
    yield Problem(
        f"{node.name} is closed to WinRM, and this user may not get nodes/proxy: its kubelet cannot be asked either.",
        proof={Rights: "get nodes/proxy is not among the rules"},
    )
