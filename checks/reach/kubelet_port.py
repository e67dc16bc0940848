"""TCP 10250: by it the API server fetches logs and runs commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fails
from checks.check import Case, check
from checks.finding import WARN, CannotTell, Problem, Said
from facts.access import ThisNode
from facts.cluster.pod_logs import PodTail, WindowsPodLogs
from facts.examples import FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.network import Adapters, Firewall, FirewallRule

PORT = 10250
_REFUSED = re.compile(rf":{PORT}\b.*(connection refused|actively refused)", re.I)
_SYMPTOM = re.compile(
    rf"{_REFUSED.pattern}|:{PORT}\b.*(i/o timeout|timed out|no route to host|connectex|deadline)| with 50[24]:",
    re.I,
)


def _covers(ports: tuple[str, ...], port: int) -> bool:
    """Whether a rule's port list, as Windows writes it, holds `port`."""
    for text in ports:
        first, dash, last = text.partition("-")
        if text.lower() == "any" or text == str(port):
            return True
        if dash and first.isdigit() and last.isdigit() and int(first) <= port <= int(last):
            return True
    return False


def _applies(rule: FirewallRule, profile: str) -> bool:
    meant = {p.lower() for p in rule.profiles} or {"any"}
    return (
        rule.protocol.upper() in ("TCP", "ANY")
        and _covers(rule.ports, PORT)
        and bool({"any", profile.lower()} & meant)
    )


def _closed(firewall: Firewall, profile: str) -> bool:
    """Whether the firewall drops inbound TCP 10250 on interfaces with this profile."""
    if not firewall.profiles.get(profile, False):
        return False
    rules = [r for r in firewall.rules if _applies(r, profile)]
    if any(not r.allow for r in rules):
        return True
    return firewall.default_inbound.get(profile, "Block") != "Allow" and not any(r.allow for r in rules)


def _profiles(firewall: Firewall, adapters: Adapters | Failed, address: str) -> list[str]:
    """The profile of the interface that holds the node's address; all of them where that is not known."""
    card = adapters.holding(address) if isinstance(adapters, Adapters) else None
    category = {"DomainAuthenticated": "Domain"}.get(card.category, card.category) if card else ""
    return [category] if category in firewall.profiles else list(firewall.profiles)


def _without_rule(on: bool = True) -> Change:
    def edit(found: Firewall) -> Firewall:
        rules = tuple(r for r in found.rules if not _covers(r.ports, PORT))
        return replace(found, rules=rules, profiles=dict.fromkeys(("Domain", "Private", "Public"), on))

    return change(Firewall, edit)


_TIMED_OUT = 'Get "https://10.0.1.21:10250/containerLogs/shop/web/web": dial tcp 10.0.1.21:10250: i/o timeout'


_TIMED_OUT_1_8 = _TIMED_OUT.replace("i/o timeout", "getsockopt: connection timed out")


def _log_error(text: str, said: str = "") -> Change:
    def edit(found: WindowsPodLogs) -> WindowsPodLogs:
        return replace(found, tails=(PodTail("shop", "win-web-502", "win-1", said, text),))

    return change(WindowsPodLogs, edit)


@check(
    "reach.kubelet.port10250",
    title="The API server may reach the kubelet",
    severity=WARN,
    cases=[
        Case("the rule is gone", FLANNEL_2022, (_without_rule(),), finds="node"),
        Case("no rule, but no firewall", FLANNEL_2019, (_without_rule(on=False),), quiet=True),
        Case("the firewall is not known", FLANNEL_2022, (fails(Firewall),), unknown=True),
        Case("logs time out", FLANNEL_2022, (fails(Firewall), _log_error(_TIMED_OUT)), finds="node"),
        Case("in the words of 1.8", FLANNEL_2022, (_log_error(_TIMED_OUT_1_8),), finds="node"),
        Case(
            "a container that waits",
            FLANNEL_2022,
            (_log_error("… pods/win-web-502/log with 400: waiting"),),
            quiet=True,
        ),
        Case(
            "no rule, and logs come", FLANNEL_2022, (_without_rule(), _log_error("", "started")), quiet=True
        ),
    ],
)
def port_10250(
    node: ThisNode, firewall: Firewall | Failed, adapters: Adapters | Failed, logs: WindowsPodLogs | Failed
) -> Iterator[Said]:
    """`kubectl logs`, `exec`, `port-forward` and `top` fail for this node although it is Ready.

    Rule: the API server says 502, 504 or a timeout for port 10250 of this node while it is Ready; or the Windows
    firewall is on for the interface with the node's address and has no inbound rule that admits TCP 10250, while no
    log was read from this node (a rule for a program alone is not seen).
    Remedy: On the node, as administrator: `New-NetFirewallRule -Name kubelet -DisplayName kubelet -Enabled True
    -Direction Inbound -Protocol TCP -Action Allow -LocalPort 10250`.
    Confused with: a runtime that fails: then the kubelet answers, with an error of its own.
    Source: kubernetes-sigs/sig-windows-tools, PrepareNode.ps1 (which adds exactly this rule).
    """
    said = _complaint(node, logs)
    if said is None and isinstance(logs, WindowsPodLogs) and any(_came(t, node.name) for t in logs.tails):
        return
    if isinstance(firewall, Failed):
        if said is None:
            yield CannotTell(f"The firewall of {node.name} is not known: {firewall.why}", hint=firewall.hint)
        else:
            yield Problem(
                f"The API server does not reach the kubelet of {node.name} on port {PORT}, so that logs and exec fail.",
                proof={WindowsPodLogs: said.error[:300]},
            )
        return
    shut = [p for p in _profiles(firewall, adapters, node.object.address()) if _closed(firewall, p)]
    if shut or said is not None:
        why = (
            f"the firewall profile {' and '.join(shut)} has no rule that admits it"
            if shut
            else "it is refused: nothing listens there"
            if said is not None and _REFUSED.search(said.error)
            else "it times out"
        )
        proof: dict[type[Fact], str] = {
            Firewall: f"profiles in the way: {', '.join(shut) or 'none'}; inbound rules that admit TCP {PORT}: none"
        }
        if said is not None:
            proof[WindowsPodLogs] = said.error[:300]
        yield Problem(
            f"The API server cannot reach the kubelet of {node.name} on TCP {PORT}: {why}.",
            proof=proof,
        )


def _came(tail: PodTail, node: str) -> bool:
    """Whether the API server has got a log from the kubelet of this node."""
    return tail.node == node and not tail.error


def _complaint(node: ThisNode, logs: WindowsPodLogs | Failed) -> PodTail | None:
    ready = node.object.condition("Ready")
    if isinstance(logs, Failed) or ready is None or ready.status != "True":
        return None
    return next((t for t in logs.tails if t.node == node.name and _SYMPTOM.search(t.error)), None)
