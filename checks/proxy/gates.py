"""Feature gates of kube-proxy that a version needs, or no longer bears."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, change, fields
from checks.check import check
from checks.finding import ERROR, WARN, CannotTell, Problem, Said
from checks.proxy.settings import HIDDEN, NOT_WORKING, gates, lines_since_it_worked, minor, says, unseen
from facts.access import ThisNode
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.kubernetes import KubeProxy, NodeLogs

OVERLAY_ON_SINCE = 20  # beta
DSR_ON_SINCE = 33  # beta
LOCKED_SINCE = 34  # general availability
REMOVED_SINCE = 37  # three releases after


def _flags(**values: str) -> Change:
    new = {k.replace("_", "-"): v for k, v in values.items()}
    return change(KubeProxy, lambda p: replace(p, flags=p.flags | new))


_NOT_THERE = fields(KubeProxy, arguments="", flags={}, found_in="")


def _version(text: str) -> Change:
    def newer(node: ThisNode) -> ThisNode:
        info = replace(node.object.status.node_info, kube_proxy_version=text, kubelet_version=text)
        return ThisNode(replace(node.object, status=replace(node.object.status, node_info=info)))

    return change(ThisNode, newer)


def _refused(logs: NodeLogs | Failed, gate: str) -> str:
    """The last words of a kube-proxy that ended for this gate. A pod that restarts shows no command line meanwhile."""
    words = (
        f"{gate} feature gate not enabled",
        f"cannot set feature gate {gate} to",
        f"unrecognized feature gate: {gate}",
    )
    return next((t for t in reversed(lines_since_it_worked(logs)) if any(w in t for w in words)), "")


@check(
    "proxy.gate-overlay",
    title="The gate WinOverlay is as this version needs it",
    severity=ERROR,
    explains=[*NOT_WORKING],
    cases=[
        Case("1.18 without it", CLASSIC_2019, (_flags(feature_gates=""),), finds="node"),
        Case(
            "1.34 refuses false",
            FLANNEL_2022,
            (_version("v1.34.1"), _flags(feature_gates="WinOverlay=false")),
            finds="node",
        ),
        Case(
            "1.37 may not know it",
            FLANNEL_2022,
            (_version("v1.37.0"), _flags(feature_gates="WinOverlay=true")),
            finds="node",
            severity=WARN,
        ),
        Case(
            "a pod that restarts: only its log tells",
            FLANNEL_2022,
            (
                _NOT_THERE,
                says("cannot set feature gate WinOverlay to false, feature is locked to true"),
            ),
            finds="node",
        ),
        Case("its command line is hidden", FLANNEL_2022, (HIDDEN,), unknown=True),
        Case("1.31 needs none", FLANNEL_2022, (_flags(feature_gates=""),), quiet=True),
    ],
)
def overlay_gate(node: ThisNode, proxy: KubeProxy, stack: Stack, logs: NodeLogs | Failed) -> Iterator[Said]:
    """The gate WinOverlay had to be set in old versions; in new ones a left-over WinOverlay=false makes kube-proxy
    exit at start.

    Rule: kube-proxy's log ends with its refusal of the gate; or overlay and kube-proxy below 1.20 without
    WinOverlay=true: error. From 1.34 on WinOverlay=false: error,
    the gate is locked. From 1.37 on WinOverlay or WinDSR on the command line: warn, they are about to be unknown.
    Remedy: below 1.20 add `--feature-gates=WinOverlay=true`; from 1.34 on take the gate out of the start command.
    Confused with: proxy.gate-dsr.
    Source: https://github.com/kubernetes/kubernetes/pull/133042; https://github.com/Azure/AgentBaker/pull/6925;
    https://github.com/kubernetes/kubernetes/issues/141988.
    """
    if said := _refused(logs, "WinOverlay"):
        yield Problem("kube-proxy exits at start because of the gate WinOverlay.", proof={NodeLogs: said})
        return
    version = minor(node)
    if not version:
        yield CannotTell("The node reports no version of kube-proxy.")
        return
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    given = gates(proxy)
    proof: dict[type[Fact], str] = {
        KubeProxy: f"--feature-gates={proxy.flags.get('feature-gates', '')}",
        ThisNode: f"version 1.{version}",
    }
    if stack.mode == "overlay" and version < OVERLAY_ON_SINCE and not given.get("WinOverlay", False):
        yield Problem(
            f"kube-proxy 1.{version} needs --feature-gates=WinOverlay=true on an overlay.", proof=proof
        )
    elif version >= LOCKED_SINCE and given.get("WinOverlay") is False:
        yield Problem(
            f"kube-proxy 1.{version} exits at start: WinOverlay=false is given, and the gate is locked to true.",
            proof=proof,
        )
    elif version >= REMOVED_SINCE and {"WinOverlay", "WinDSR"} & set(given):
        named = ", ".join(sorted({"WinOverlay", "WinDSR"} & set(given)))
        yield Problem(
            f"kube-proxy 1.{version} may not know the gate {named} any more.", severity=WARN, proof=proof
        )


@check(
    "proxy.gate-dsr",
    title="Direct server return is asked for only where its gate allows it",
    severity=ERROR,
    explains=[*NOT_WORKING],
    cases=[
        Case(
            "1.31 without the gate",
            FLANNEL_2022,
            (_flags(enable_dsr="true", feature_gates="WinOverlay=true"),),
            finds="node",
        ),
        Case(
            "a pod that restarts: only its log tells",
            FLANNEL_2022,
            (_NOT_THERE, says("WinDSR feature gate not enabled")),
            finds="node",
        ),
        Case("its command line is hidden", FLANNEL_2022, (HIDDEN,), unknown=True),
        Case(
            "1.31 with it",
            FLANNEL_2022,
            (_flags(enable_dsr="true", feature_gates="WinOverlay=true,WinDSR=true"),),
            quiet=True,
        ),
        Case(
            "1.34 refuses false",
            FLANNEL_2022,
            (_version("v1.34.1"), _flags(feature_gates="WinDSR=false")),
            finds="node",
        ),
    ],
)
def dsr_gate(node: ThisNode, proxy: KubeProxy, logs: NodeLogs | Failed) -> Iterator[Said]:
    """`--enable-dsr=true` without its gate does not fall back: kube-proxy exits.

    Rule: kube-proxy's log ends with its refusal of the gate; or `--enable-dsr=true` on 1.32 or older without
    WinDSR=true: error (from 1.33 on the gate is on). From 1.34 on WinDSR=false: error, the gate is locked.
    Remedy: up to 1.32 add WinDSR=true to `--feature-gates`; from 1.34 on take the gate away.
    Confused with: a Windows too old for direct server return (os.ubr.dsr).
    Source: kubernetes pkg/proxy/winkernel/proxier.go and pkg/features/kube_features.go.
    """
    if said := _refused(logs, "WinDSR"):
        yield Problem("kube-proxy exits at start because of the gate WinDSR.", proof={NodeLogs: said})
        return
    version = minor(node)
    if not version:
        yield CannotTell("The node reports no version of kube-proxy.")
        return
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    given = gates(proxy)
    flags = f"--enable-dsr={proxy.flags.get('enable-dsr', '')} --feature-gates={proxy.flags.get('feature-gates', '')}"
    proof: dict[type[Fact], str] = {KubeProxy: flags, ThisNode: f"version 1.{version}"}
    asked = proxy.flags.get("enable-dsr", "").lower() == "true"
    if asked and version < DSR_ON_SINCE and not given.get("WinDSR", given.get("AllAlpha", False)):
        yield Problem(
            f"kube-proxy 1.{version} exits at start: --enable-dsr=true needs the gate WinDSR=true.",
            proof=proof,
        )
    elif version >= LOCKED_SINCE and given.get("WinDSR") is False:
        yield Problem(
            f"kube-proxy 1.{version} exits at start: WinDSR=false is given, and the gate is locked to true.",
            proof=proof,
        )
