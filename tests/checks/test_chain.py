"""The walk to NotReady: its order, its outcomes, and the first cause."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from checks.cases import Change, Draft, change, drafted, fields
from checks.chain import NOT_READY, STAGES, chain, first_cause, links, stage, unexplained
from checks.check import Case, graph, load
from checks.edits import condition, kubelet_flags, node_object, not_ready, service, silent, way_failed
from checks.engine import Report, judge
from checks.finding import Outcome, OutcomeKind
from checks.ids import CheckId
from facts.cluster.objects import NodeObject
from facts.examples import FLANNEL_2022
from facts.fact import QUESTIONS, Failed, Origin
from facts.node.kubernetes import LogTail, NodeLogs
from facts.node.windows import Processes


def report_after(*changes: Change) -> tuple[Report, str]:
    draft = drafted(Case("edited", FLANNEL_2022, changes))
    return judge(draft.session), draft.node


def no_kubelet(found: Processes) -> Processes:
    return replace(found, processes=tuple(p for p in found.processes if p.name != "kubelet.exe"))


def without_conditions(found: NodeObject) -> NodeObject:
    return replace(found, status=replace(found.status, conditions=()))


def of(outcomes: list[Outcome], check: CheckId) -> Outcome:
    return next(o for o in outcomes if o.id == check)


KUBELET_GONE: tuple[Change, ...] = (
    service("kubelet", state="Stopped", exit_code=0),
    change(Processes, no_kubelet),
    silent(),
)


def test_ready_node_says_so_and_is_walked() -> None:
    report, node = report_after()
    outcomes = chain(report, node)
    assert outcomes[0].id == NOT_READY
    assert outcomes[0].kind is OutcomeKind.PASSED
    assert outcomes[0].why == f"{node} is Ready."
    assert [o.id for o in outcomes] == links()
    assert first_cause(report, node) is None


def test_order_is_that_of_the_stages() -> None:
    places = [stage(i) for i in links()]
    assert places == sorted(places)
    assert max(places) < len(STAGES), "every link has a stage"
    order = links()
    wanted: tuple[CheckId, ...] = (
        "reach.api.unreachable",
        "reach.winrm.port",
        "reach.api.from-node",
        "time.skew",
        "kubelet.not-running",
        "certs.client-expired",
        "runtime.containerd.stopped",
    )
    assert [i for i in order if i in wanted] == list(wanted)


def test_every_cause_of_notready_is_walked() -> None:
    assert set(graph().causes(NOT_READY)) <= set(links())
    assert {i for i in load() if i.startswith("reach.")} <= set(links())


def test_stopped_kubelet_is_the_first_cause() -> None:
    report, node = report_after(*KUBELET_GONE)
    outcomes = chain(report, node)
    assert of(outcomes, "kubelet.not-running").kind is OutcomeKind.FOUND
    assert of(outcomes, "runtime.containerd.stopped").kind is OutcomeKind.PASSED
    cause = first_cause(report, node)
    assert cause is not None and cause.id == "kubelet.not-running"
    assert report.findings[0].key == cause.key


@pytest.mark.parametrize("heard", ["NodeStatusNeverUpdated", "no condition at all"])
def test_kubelet_that_never_reported_is_silent_too(heard: str) -> None:
    """A stopped kubelet accounts for a Node that it registered and never reported for."""
    unheard = condition("Ready", "Unknown", "Kubelet never posted node status.", heard)
    if heard == "no condition at all":
        unheard = without_conditions
    report, node = report_after(*KUBELET_GONE, node_object(unheard))
    cause = first_cause(report, node)
    assert cause is not None and cause.id == "kubelet.not-running"


@pytest.mark.parametrize(("who", "blamed"), [("flanneld", False), ("kubelet", True)])
def test_a_silent_kubelet_has_its_own_kubeconfig(who: str, blamed: bool) -> None:
    """flanneld without a kubeconfig is no reason for the kubelet to be silent."""
    line = "dial tcp [::1]:8080: connectex: No connection could be made."
    log = LogTail(who, rf"C:\k\{who}.log", None, line)
    report, node = report_after(silent(), fields(NodeLogs, logs=(log,)))
    causes = report.ranked.explained_by[f"{NOT_READY}:node/{node}"]
    assert (f"reach.api.loopback-8080:node/{node}" in causes) is blamed


def test_cause_behind_a_cause() -> None:
    """The flag is why the kubelet ends, and that is why the node is silent."""
    report, node = report_after(
        kubelet_flags(network_plugin="cni"), service("kubelet", state="Paused"), silent()
    )
    cause = first_cause(report, node)
    assert cause is not None and cause.id == "kubelet.flags-removed"
    assert f"kubelet.nssm-paused:node/{node}" in report.ranked.explains[cause.key]


def test_containerd_does_not_account_for_a_kubelet_that_somebody_stopped() -> None:
    stopped = service("containerd", state="Stopped", exit_code=1067)
    report, node = report_after(*KUBELET_GONE, stopped)
    roots = {f.id for f in report.ranked.causes if f.node == node}
    assert {"kubelet.not-running", "runtime.containerd.stopped"} <= roots


def test_other_nodes_findings_are_not_walked() -> None:
    report, node = report_after(*KUBELET_GONE)
    other = next(o.node for o in report.outcomes if o.id == NOT_READY and o.node != node)
    outcomes = chain(report, other)
    assert of(outcomes, "kubelet.not-running").kind is OutcomeKind.PASSED
    assert outcomes[0].why == f"{other} is Ready."


def nothing_known(draft: Draft) -> None:
    """No way in: every question to the first node has failed with the same reason."""
    why = "No connection."
    for fact, question in QUESTIONS.items():
        if question.origin is Origin.NODE:
            draft.put(fact, Failed("unreachable", why), draft.node)
    way_failed("connect", "unreachable", "filtered", why)(draft)


def test_unreachable_node_is_unknown_with_the_reason() -> None:
    report, node = report_after(nothing_known)
    outcomes = chain(report, node)
    assert of(outcomes, "reach.winrm.port").kind is OutcomeKind.FOUND
    for check in ("kubelet.not-running", "runtime.containerd.stopped", "certs.client-expired", "time.skew"):
        outcome = of(outcomes, check)
        assert (outcome.kind, outcome.why) == (OutcomeKind.UNKNOWN, "No connection."), check


def test_unexplained_condition_is_its_own_first_cause() -> None:
    report, node = report_after(silent(), nothing_known)
    cause, outcomes = first_cause(report, node), chain(report, node)
    assert cause is not None and cause.id == NOT_READY
    blind = sum(o.kind is OutcomeKind.UNKNOWN for o in outcomes)
    assert f"{blind} could not be told" in unexplained(cause, outcomes)
    seeing = [o for o in outcomes if o.kind is not OutcomeKind.UNKNOWN]
    assert "where kwinnow does not look" in unexplained(cause, seeing)
    assert unexplained(None, outcomes) == ""


def test_silent_kubelet_is_not_blamed_for_what_it_says_itself() -> None:
    """Ready=False comes from a kubelet that runs and reaches the API: an address that cannot be reached is no cause."""
    report, _node = report_after(
        not_ready("container runtime is down"), kubelet_flags(hostname_override="other")
    )
    effect = next(f for f in report.findings if f.id == NOT_READY)
    assert not any(
        key.startswith("kubelet.hostname-override") for key in report.ranked.explained_by[effect.key]
    )


@pytest.mark.parametrize(
    "check", ["kubelet.flags-removed", "node.podcidr.missing", "cni.flannel.vni", "cni.none"]
)
def test_longest_beginning_decides_the_stage(check: CheckId) -> None:
    names = {
        "kubelet.flags-removed": "the kubelet",
        "node.podcidr.missing": "the CNI",
        "cni.flannel.vni": "flannel",
        "cni.none": "the CNI",
    }
    assert STAGES[stage(check)][0] == names[check]
