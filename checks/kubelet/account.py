"""With whose rights the kubelet runs."""

from __future__ import annotations

from collections.abc import Iterator

from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import service
from checks.effects import where
from checks.finding import ERROR, WARN, Problem, Said, Skip
from checks.relations import serious
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.node.windows import Services

_SYSTEM = ("localsystem", r".\localsystem", r"nt authority\system", "system")
_LIMITED = ("networkservice", "localservice", "network service", "local service")


@check(
    "kubelet.runs-as",
    title="The kubelet runs with administrator's rights",
    severity=ERROR,
    explains=where(serious, [cause_of("node.notready")]),
    cases=[
        Case(
            "NetworkService",
            FLANNEL_2022,
            (service("kubelet", account=r"NT AUTHORITY\NetworkService"),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "an account that may be an administrator",
            FLANNEL_2019,
            (service("kubelet", account=r".\svc-kubelet"),),
            finds="node",
            severity=WARN,
        ),
        Case(
            "the built-in administrator",
            CLASSIC_2019,
            (service("kubelet", account=r".\Administrator"),),
            quiet=True,
        ),
        Case(
            "a local system by another name",
            FLANNEL_2022,
            (service("kubelet", account="SYSTEM"),),
            quiet=True,
        ),
    ],
)
def runs_as(node: ThisNode, services: Services) -> Iterator[Said]:
    """Calls to HNS and HCS, to the registry and to drivers are refused (access is denied).

    Rule: the account of the service kubelet is NetworkService or LocalService (error), or neither LocalSystem nor the
    built-in Administrator (warn: whether that account is an administrator is not asked).
    Remedy: `sc.exe config kubelet obj= LocalSystem`, then `Restart-Service kubelet`. Run scripts that start it by hand
    in an elevated shell.
    Confused with: this console's own session, which remote UAC may have cut down; and an account that is a member of
    Administrators, which is enough.
    Source: kubernetes/kubernetes, cmd/kubeadm (`user is not running as administrator`).
    """
    found = services.named("kubelet")
    if found is None or not found.account:
        yield Skip("There is no service kubelet whose account could be judged.")
        return
    account = found.account.lower()
    limited = account.rpartition("\\")[2] in _LIMITED
    if account not in _SYSTEM and not account.endswith("\\administrator"):
        then = "HNS, HCS and containerd refuse it"
        unless = "" if limited else ", unless that account is an administrator, which is not asked"
        yield Problem(
            f"The kubelet on {node.name} runs as {found.account} and not as LocalSystem: {then}{unless}.",
            severity=ERROR if limited else WARN,
            proof={Services: f"kubelet: account {found.account}"},
        )
