"""Both sides of a node: each comparison agrees on the examples, and each difference is marked and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from consolekit import session_with
from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022, Change, Draft, change, fails, fields
from checks.edits import kubelet_flags, node_object, service
from facts.cluster.nodes import Nodes
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns, LoadBalancer, Network
from facts.node.kubernetes import Kubelet
from facts.node.network import Adapters
from facts.node.runtime import Containerd, Sandboxes
from facts.node.windows import Clock, Os, Services
from tui.screens.node import both_sides
from tui.sides import COMPARED, Side, Verdict

CLUSTER_FACTS = (Pods, ServiceObjects, EndpointSlices)


def sides(*changes: Change, stack: str = FLANNEL_2022) -> list[Side]:
    session = session_with(*changes, stack=stack)
    name = session.windows_nodes()[0]
    nodes = session.get(Nodes)
    assert isinstance(nodes, Nodes)
    node = next(n for n in nodes.items if n.name == name)
    return both_sides(node, lambda fact: session.get(fact, name))


def networks(edit: Callable[[Network], Network]) -> Change:
    return change(Hns, lambda hns: replace(hns, networks=tuple(edit(n) for n in hns.networks)))


@pytest.mark.parametrize("stack", [FLANNEL_2019, FLANNEL_2022, CLASSIC_2019])
def test_on_a_healthy_node_both_sides_agree(stack: str) -> None:
    wrong = [s for s in sides(stack=stack) if s.verdict in (Verdict.DIFFERS, Verdict.UNTOLD)]
    assert wrong == []


@pytest.mark.parametrize("stack", [FLANNEL_2019, FLANNEL_2022, CLASSIC_2019])
def test_everything_that_is_asked_for_is_compared(stack: str) -> None:
    groups = {s.group for s in sides(stack=stack)}
    assert groups == {"Ready", "Names", "Addresses", "Pod network", "Versions", "Pods", "Services", "Clock"}
    whats = " ".join(s.what for s in sides(stack=stack))
    assert "NodePort" in whats and "subnet.env" in whats and "HNS subnet" in whats and "build label" in whats


def balancers(edit: Callable[[LoadBalancer], LoadBalancer]) -> Change:
    return change(Hns, lambda hns: replace(hns, load_balancers=tuple(edit(b) for b in hns.load_balancers)))


def both(*changes: Change) -> Change:
    def apply(draft: Draft) -> None:
        for one in changes:
            one(draft)

    return apply


DIFFERENCES: dict[str, tuple[Change, str, str]] = {
    "the host is called otherwise": (
        both(fields(Os, hostname="OTHER"), kubelet_flags(hostname_override=None)),
        "Names/name",
        "other",
    ),
    "no adapter has the address": (
        change(Adapters, lambda a: replace(a, adapters=tuple(replace(x, addresses=()) for x in a.adapters))),
        "Addresses/InternalIP",
        "",
    ),
    "HNS is bound to another address": (
        networks(lambda n: replace(n, management_ip="10.9.9.9")),
        "Addresses/flannel",
        "10.9.9.9",
    ),
    "the HNS subnet is another": (
        networks(lambda n: replace(n, subnets=("10.244.77.0/24",))),
        "Pod network/podCIDR / HNS subnet",
        "10.244.77.0/24",
    ),
    "HNS has no pod network": (
        change(Hns, lambda hns: replace(hns, networks=())),
        "Pod network/podCIDR / HNS subnet",
        "no network",
    ),
    "flannel leased another subnet": (
        change(
            FlannelFiles, lambda f: replace(f, subnet_env=f.subnet_env | {"FLANNEL_SUBNET": "10.244.66.1/24"})
        ),
        "Pod network/podCIDR / subnet.env",
        "10.244.66.0/24",
    ),
    "the VNI is another": (networks(lambda n: replace(n, vsid=4097)), "Pod network/VNI", "4097"),
    "the kubelet was updated and did not report": (
        fields(Kubelet, version="v1.99.0"),
        "Versions/kubelet",
        "v1.99.0",
    ),
    "containerd was updated": (fields(Containerd, version="9.9.9"), "Versions/containerd", "9.9.9"),
    "Windows was updated": (fields(Os, ubr=1), "Versions/Windows", "20348.1"),
    "the build label is of another build": (fields(Os, build=17763), "Versions/build label", "17763"),
    "the kubelet stands still and the API has not noticed": (
        service("kubelet", state="Stopped"),
        "Ready/kubelet",
        "Stopped",
    ),
    "HNS stands still": (service("hns", state="Stopped"), "Ready/hns", "Stopped"),
    "the clock is ahead": (
        change(Clock, lambda c: replace(c, skew=timedelta(seconds=90))),
        "Clock/time",
        "+90.0 s",
    ),
    "no sandbox": (fields(Sandboxes, sandboxes=()), "Pods/shop/", "no sandbox"),
    "no endpoint": (change(Hns, lambda hns: replace(hns, endpoints=())), "Pods/shop/", "no endpoint"),
    "no load balancers": (fields(Hns, load_balancers=()), "Services/shop/", "no load balancer"),
    "a load balancer lost its endpoints": (
        balancers(lambda b: replace(b, endpoints=())),
        "Services/shop/",
        "0 endpoints",
    ),
    "a sandbox that no pod stands behind": (
        fields(Pods, items=()),
        "Pods/",
        "sandbox ",
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_marked_with_what_both_sides_say(name: str) -> None:
    edit, where, shown = DIFFERENCES[name]
    found = [
        s for s in sides(edit) if f"{s.group}/{s.what}".startswith(where) and s.verdict is Verdict.DIFFERS
    ]
    assert found, [s for s in sides(edit) if s.verdict is not Verdict.EQUAL]
    assert any(shown.lower() in s.node.lower() for s in found)
    assert all(s.note for s in found), "a difference says what it means"


@pytest.mark.parametrize("fact", [f for f in COMPARED if f.__name__ not in ("Docker", "Leases")])
def test_a_side_that_could_not_be_asked_is_neither_equal_nor_different(fact: type) -> None:
    healthy = {f"{s.group}/{s.what}" for s in sides()}
    told = sides(fails(fact, "the lab took it away"))
    untold = [s for s in told if s.verdict is Verdict.UNTOLD]
    assert untold and all("the lab took it away" in s.note for s in untold)
    lost = healthy - {f"{s.group}/{s.what}" for s in told}
    assert not lost or fact in (*CLUSTER_FACTS, Os, Hns, Services), lost
    assert not [s for s in told if s.verdict is Verdict.DIFFERS]


def test_a_service_without_endpoints_needs_no_load_balancer() -> None:
    told = sides(fields(EndpointSlices, items=()), fields(Hns, load_balancers=()))
    assert {s.verdict for s in told if s.group == "Services"} == {Verdict.EQUAL}


def test_a_local_node_port_counts_the_endpoints_of_this_node_alone() -> None:
    def local(services: ServiceObjects) -> ServiceObjects:
        edited = (
            replace(s, spec=replace(s.spec, external_traffic_policy="Local"))
            if s.spec.type == "NodePort"
            else s
            for s in services.items
        )
        return replace(services, items=tuple(edited))

    (line,) = [s for s in sides(change(ServiceObjects, local)) if "NodePort" in s.what]
    assert "→ 1 ready" in line.api and "→ 2 endpoints" in line.node


def test_a_service_of_both_families_is_compared_by_its_ipv4_address() -> None:
    def six_first(services: ServiceObjects) -> ServiceObjects:
        return replace(
            services,
            items=tuple(
                replace(
                    s,
                    spec=replace(
                        s.spec, cluster_ip="fd00:96::7", cluster_ips=("fd00:96::7", s.spec.cluster_ip)
                    ),
                )
                for s in services.items
            ),
        )

    def of_both(slices: EndpointSlices) -> EndpointSlices:
        added = (
            replace(p, endpoints=tuple(replace(e, addresses=("fd00:244::3",)) for e in p.endpoints))
            for p in slices.items
        )
        return replace(slices, items=(*slices.items, *added))

    told = sides(change(ServiceObjects, six_first), change(EndpointSlices, of_both))
    assert told == sides()


def test_a_hostname_override_counts_as_the_name() -> None:
    named = change(Kubelet, lambda k: replace(k, flags=k.flags | {"hostname-override": "win-1"}))
    told = sides(named, fields(Os, hostname="SOMETHING-ELSE"))
    (name,) = [s for s in told if s.what == "name"]
    assert name.verdict is Verdict.EQUAL and "--hostname-override" in name.node


def test_a_stopped_kubelet_that_the_api_knows_of_is_equal_and_still_marked() -> None:
    from checks.edits import silent

    (line,) = [
        s
        for s in sides(silent(), service("kubelet", state="Stopped"))
        if s.what == "kubelet" and s.group == "Ready"
    ]
    assert line.verdict is Verdict.EQUAL and line.bad


def test_the_pod_cidr_of_the_node_object_counts() -> None:
    moved = node_object(lambda n: replace(n, spec=replace(n.spec, pod_cidr="10.244.9.0/24")))
    found = {s.what for s in sides(moved) if s.verdict is Verdict.DIFFERS}
    assert found == {"podCIDR / HNS subnet", "podCIDR / subnet.env"}
