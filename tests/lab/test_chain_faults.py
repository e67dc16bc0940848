"""Every link of the walk from NotReady to its first cause can be practised."""

from __future__ import annotations

import pytest

from checks.chain import NOT_READY, links
from checks.ids import CHECK_IDS
from lab.faults import CONDITIONS, FAULTS, QUESTIONS
from lab.world.derive import derive
from lab.world.scenarios import build
from lab.world.state import World

NOW = 1_800_000_000.0

# Links that nothing plants, each with its reason.
NOT_TO_PRACTISE = {
    NOT_READY: "the condition whose causes the walk looks for: nearly every fault brings it about"
}


def planted() -> set[str]:
    """The catalogue entries that faults, questions and conditions bring out."""
    by_condition = {entry for condition in CONDITIONS.values() for entry in condition.entries}
    return {f.entry for f in FAULTS.values()} | {q.entry for q in QUESTIONS.values()} | by_condition


@pytest.mark.parametrize("link", links())
def test_every_link_can_be_practised(link: str) -> None:
    assert (link in planted()) is not (link in NOT_TO_PRACTISE), NOT_TO_PRACTISE.get(
        link, "nothing plants it"
    )


def test_conditions_name_entries_of_the_catalogue() -> None:
    assert {entry for condition in CONDITIONS.values() for entry in condition.entries} <= set(CHECK_IDS)


def planted_in(name: str, scenario: str) -> World:
    world = build(scenario, NOW)
    world.changed_at = NOW - 1500
    FAULTS[name].apply(world)
    derive(world)
    world.changed_at = 0.0
    return world


def test_a_slow_pull_ends_and_the_node_becomes_ready() -> None:
    world = planted_in("node.notready.flannel-pulling", "flannel-2022")
    pulling = [e["message"] for e in world.each("v1", "Event") if e["reason"] == "Pulling"]
    assert any("flannel" in text for text in pulling)
    world.now += 1_200
    derive(world)
    ready = next(c for c in world.get("v1", "Node", "win-1")["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"
    assert not [
        e for e in world.each("v1", "Event") if e["reason"] == "Pulling" and "flannel" in e["message"]
    ]


def test_a_limit_gives_the_kubelet_its_cpu_back() -> None:
    world = planted_in("time.lease", "flannel-2022")
    late = world.get("coordination.k8s.io/v1", "Lease", "win-1", "kube-node-lease")["spec"]["renewTime"]
    for pod in world.pods_on("win-1"):
        pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}
    derive(world)
    lease = world.get("coordination.k8s.io/v1", "Lease", "win-1", "kube-node-lease")
    assert lease["spec"]["renewTime"] > late


def test_kubectl_with_a_kubeconfig_lets_flanneld_start() -> None:
    world = planted_in("reach.api.loopback-8080", "classic-2019")
    machine = next(iter(world.windows.values()))
    assert "[::1]:8080: connectex" in machine.files[r"C:\k\flanneld.log"].text
    assert "flanneld.exe" not in {p.name for p in machine.processes}
    machine.environment["KUBECONFIG"] = r"C:\k\config"
    machine.services["flanneld"].started = -60.0
    derive(world)
    assert "flanneld.exe" in {p.name for p in machine.processes}
    assert "Running backend." in machine.files[r"C:\k\flanneld.log"].text
