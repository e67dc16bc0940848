"""Which connections are planned when somebody wishes it, and that none is without a wish."""

from __future__ import annotations

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, drafted
from checks.workload.edits import new_service
from facts.access import ThisNode, Wishes
from facts.cluster.nodes import Nodes
from facts.cluster.workloads import EndpointSlices, ServiceObjects
from facts.derived.flow_plan import MOST_FLOWS, MOST_SERVICES, FlowPlan, FlowTarget
from facts.derived.probe_plan import ProbePlan
from facts.fact import Failed, NotApplicable
from facts.needs import closure
from facts.node.probes import FlowProbes, RawProbe, RawTcpProbes, TcpProbes

WEB = "shop/win-web-public"


def asked(*changes: Change, stack: str = FLANNEL_2022, node: str = "") -> Draft:
    draft = drafted(Case("plan", stack, changes))
    draft.node = node or draft.node
    draft.put(Wishes, Wishes(flows=True))
    return draft


def plan(draft: Draft) -> FlowPlan:
    value = draft.session.get(FlowPlan, draft.node)
    assert isinstance(value, FlowPlan), value
    return value


def test_without_a_wish_nothing_is_planned_and_nothing_asked() -> None:
    draft = drafted(Case("plan", FLANNEL_2022))
    for fact in (FlowPlan, FlowProbes):
        assert isinstance(draft.session.get(fact, draft.node), NotApplicable)
    assert isinstance(draft.session.get(TcpProbes, draft.node), TcpProbes)
    assert FlowPlan not in closure({ProbePlan, TcpProbes})


def test_a_wish_adds_the_ways_to_each_service() -> None:
    targets = plan(asked()).targets
    assert [(t.purpose, t.host, t.port, t.node) for t in targets if t.service == WEB] == [
        ("own-nodeport", "10.0.1.21", 30080, "win-1"),
        ("loopback-nodeport", "127.0.0.1", 30080, "win-1"),
        ("other-nodeport", "10.0.1.22", 30080, "win-2"),
        ("cluster-ip", "10.96.40.21", 80, ""),
        ("local-pod", "10.244.1.3", 80, "win-1"),
        ("remote-pod", "10.244.2.3", 80, "win-2"),
    ]
    assert FlowTarget("cluster-ip", "10.96.0.1", 443, "default/kubernetes") in targets
    assert FlowTarget("remote-pod", "10.244.0.4", 8080, "shop/api", "cp-1") in targets
    assert len({(t.host, t.port) for t in targets}) == len(targets), (
        "Services that share a pod share the connection"
    )


def test_slices_that_do_not_name_the_node() -> None:
    """Kubernetes 1.18: the pod with that address tells it."""

    def nameless(draft: Draft) -> None:
        slices = draft.get(EndpointSlices)
        draft.put(
            EndpointSlices,
            EndpointSlices(
                tuple(
                    replace(s, endpoints=tuple(replace(e, node_name="") for e in s.endpoints))
                    for s in slices.items
                )
            ),
        )

    targets = plan(asked(nameless, stack=CLASSIC_2019)).targets
    assert [t.node for t in targets if t.purpose == "local-pod"] == ["192.168.18.8"]


def test_each_windows_node_is_tried_by_another() -> None:
    assert [t.node for t in plan(asked(node="win-2")).targets if t.purpose == "other-nodeport"] == ["win-1"]


def test_the_other_node_is_one_that_is_ready_and_serves() -> None:
    def not_ready(draft: Draft) -> None:
        nodes = draft.get(Nodes)
        draft.put(
            Nodes,
            Nodes(
                tuple(
                    replace(n, status=replace(n.status, conditions=())) if n.name == "win-2" else n
                    for n in nodes.items
                )
            ),
        )

    assert [t.node for t in plan(asked(not_ready)).targets if t.purpose == "other-nodeport"] == ["cp-1"]
    edge = new_service("edge", "10.96.77.7", 80, node_port=30999, local=True, backend_on="windows")
    found = [t.purpose for t in plan(asked(edge)).targets if t.service == "shop/edge"]
    assert found[:3] == ["own-nodeport", "loopback-nodeport", "cluster-ip"], (
        "policy Local: nobody else serves it"
    )


def test_it_is_bounded_and_says_what_it_leaves_out() -> None:
    many = [new_service(f"s{n:02}", f"10.96.78.{n}", 80, node_port=31000 + n) for n in range(1, 30)]
    made = plan(asked(*many, new_service("idle", "10.96.77.7", 80, backend_on="")))
    assert len(made.targets) <= MOST_FLOWS
    assert len({t.service for t in made.targets}) <= MOST_SERVICES
    assert {t.service for t in made.targets} & {"default/kubernetes", "shop/api"} == set(), "node ports first"
    assert any("shop/idle" in out and "no ready backend" in out for out in made.left_out)
    assert any("more" in out and "at most" in out for out in made.left_out)


def test_services_that_cannot_be_read_fail_the_plan_only_where_somebody_wishes() -> None:
    def forbidden(draft: Draft) -> None:
        draft.put(ServiceObjects, Failed("forbidden", "may not list services"))

    value = asked(forbidden).session.get(FlowPlan, "win-1")
    assert isinstance(value, Failed) and value.why == "may not list services"
    draft = drafted(Case("plan", FLANNEL_2022, (forbidden,)))
    assert isinstance(draft.session.get(FlowPlan, draft.node), NotApplicable)


def test_an_answer_gets_service_and_node_from_the_plan() -> None:
    draft = asked()
    sent = FlowProbes.parameters(plan(draft))["targets"]
    answer = RawTcpProbes(
        tuple(RawProbe(**t, open=t["purpose"] == "local-pod", error="ConnectionRefused") for t in sent[:5])
    )
    flows = FlowProbes.read(answer, plan(draft)).flows
    assert [str(f) for f in flows][4] == "10.244.1.3:80 open"
    assert {(f.service, f.outcome) for f in flows[:4]} == {(WEB, "refused")}
    assert flows[2].node == "win-2" and not flows[2].open


def test_wishes_are_kept_when_everything_is_asked_anew() -> None:
    former = drafted(Case("plan", FLANNEL_2022)).session
    former.wish(Wishes(flows=True), "win-2")
    fresh = former.renewed()
    fresh.gather([ThisNode])
    assert [fresh.get(Wishes, n) for n in ("win-1", "win-2")] == [Wishes(), Wishes(flows=True)]
