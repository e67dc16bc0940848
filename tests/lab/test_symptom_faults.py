"""Faults that show in what programs write, derived from the cause and healed with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from practicekit import FixedClock, session_on

from checks.check import load
from checks.engine import judge
from checks.ids import FLAGSHIP
from lab.catalogue import resolve
from lab.faults import FAULTS, QUESTIONS
from lab.faults.fault import Fault, Question
from lab.practice import practice_for
from lab.world.derive import derive
from lab.world.scenarios import build, members
from lab.world.state import World

NOW = 1_800_000_000.0
FIRST = {"flannel-2022": "win-1", "flannel-2019": "win-1", "classic-2019": "192.168.18.8"}


# What no state of the practice cluster causes, each with its reason.
NOT_TO_PRACTISE = {
    "cni.flannel.mac-spoofing",  # needs a cluster on a bridged network; all scenarios are overlays
    "join.pre.flannel-vni",  # of a node that has not joined yet
    "image.pause.event-pattern",  # a consequence; first only where no node can be reached: see the last test
    "service.nodeport.matrix-seed",  # the outcome of connections that a person asks for
}


def planted(name: str, scenario: str) -> World:
    found = resolve(name, scenario)
    assert isinstance(found, Fault | Question)
    world = build(scenario, NOW)
    world.changed_at = NOW - 1500
    found.apply(world)
    derive(world)
    world.changed_at = 0.0
    return world


def program(world: World, app: str, node: str) -> tuple[bool, list[str]]:
    """Whether the pod of `app` on the node is ready, and its log."""
    pod = next(p for p in world.pods_on(node) if p["metadata"].get("labels", {}).get("app") == app)
    key = (pod["metadata"]["namespace"], pod["metadata"]["name"], pod["spec"]["containers"][0]["name"])
    ready = next(c["status"] for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return ready == "True", [line for _, line in world.logs[key]]


def node_log(world: World, name: str) -> list[str]:
    return world.windows[FIRST["classic-2019"]].files[rf"C:\k\{name}.log"].text.splitlines()


def warnings(world: World) -> list[str]:
    return [e["message"] for e in world.each("v1", "Event") if e["type"] == "Warning"]


def test_every_flagship_entry_can_be_practised() -> None:
    entries = {f.entry for f in FAULTS.values()} | {q.entry for q in QUESTIONS.values()}
    assert set(FLAGSHIP) - entries == NOT_TO_PRACTISE


@pytest.mark.parametrize("scenario", list(FIRST))
def test_the_members_are_content_on_a_healthy_cluster(scenario: str) -> None:
    world = build(scenario, NOW)
    members.install(world)
    derive(world)
    for node in world.windows:
        ready, lines = program(world, members.NAME, node)
        assert ready
        assert lines[-1] == f"members: all of {members.NAME} answer"
    assert warnings(world) == []


def _open(world: World) -> None:
    world.no_tunnel.clear()


def _upgrade(world: World) -> None:
    for machine in world.windows.values():
        machine.files[r"C:\k\kube-proxy.exe"].version = "1.18.20"
        machine.services["kube-proxy"].started += 1


@pytest.mark.parametrize(
    ("name", "scenario", "words", "repair"),
    [
        ("cni.flannel.underlay-4789", "flannel-2022", ":7946: i/o timeout", _open),
        ("cni.flannel.underlay-4789:nsx", "classic-2019", ":7946: i/o timeout", _open),
        ("cni.flannel.svc-to-node-backend", "classic-2019", "dial tcp 169.169.0.1:443: connectex:", _upgrade),
    ],
)
def test_a_member_tells_what_it_does_not_reach(
    name: str, scenario: str, words: str, repair: Callable[[World], None]
) -> None:
    world = planted(name, scenario)
    ready, lines = program(world, members.NAME, FIRST[scenario])
    assert not ready
    assert words in lines[-1]
    assert any("Readiness probe failed" in text for text in warnings(world))
    repair(world)
    world.now += 30
    derive(world)
    ready, lines = program(world, members.NAME, FIRST[scenario])
    assert ready and lines[-1].endswith("answer")
    assert warnings(world) == []


def test_nsx_cuts_off_the_moved_node_alone() -> None:
    group, moved = (
        planted(n, "flannel-2022") for n in ("cni.flannel.underlay-4789", "cni.flannel.underlay-4789:nsx")
    )
    assert "DNS request" in program(group, "win-web", "win-2")[1][-1]
    assert " 200 in " in program(moved, "win-web", "win-2")[1][-1]
    assert "DNS request" in program(moved, "win-web", "win-1")[1][-1]


def test_the_start_script_waits_while_flanneld_hangs() -> None:
    world = planted("cni.flannel.waiting-network", "classic-2019")
    lines = node_log(world, "flanneld")
    assert lines[-1] == lines[-50] == "Waiting for the Network to be created"
    machine = world.windows[FIRST["classic-2019"]]
    assert [n["Name"] for n in machine.hns.networks] == ["External"]
    assert any(
        p.name == "flanneld.exe" and f"--iface={machine.address}" in p.command_line for p in machine.processes
    )
    machine.files[r"C:\k\flanneld.exe"].version = ""
    for name in ("flanneld", "kube-proxy"):
        machine.services[name].state = "Running"
        machine.services[name].started += 1
    derive(world)
    assert "Waiting for the Network" not in "\n".join(node_log(world, "flanneld"))
    assert "vxlan0" in [n["Name"] for n in machine.hns.networks]


def test_the_kubelet_tells_of_a_port_that_it_could_not_forward() -> None:
    world = planted("image.pause.wincat", "classic-2019")
    assert node_log(world, "kubelet")[-1].endswith("uid : Error executing in Docker Container: 126")
    world.port_forwards.clear()
    derive(world)
    assert "forwarding port" not in "\n".join(node_log(world, "kubelet"))


def test_the_search_list_stands_in_the_log_of_a_pod_that_shows_it() -> None:
    world = planted("ask:dns.suffix.list-passed", "flannel-2022")
    _, lines = program(world, "win-web", "win-1")
    assert [line.split(": ")[-1].strip() for line in lines[2:5]] == [
        "shop.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
    ]
    assert lines[-1].endswith("No such host is known. (api.shop:8080)")


def test_where_no_node_can_be_reached_the_events_alone_name_the_pause_image() -> None:
    """image.pause.event-pattern is the first finding only then: on the node there is always a cause to be seen."""
    names = ["image.pause.os-match", "wrong-credentials"]
    with practice_for(names, "flannel-2022", clock=FixedClock(), use_engine=False) as practice:
        session = session_on(practice, seconds=60.0)
        session.gather({fact for check in load().values() for fact in check.facts})
        report = judge(session)
    first = report.findings[0]
    assert (first.id, first.object.name) == ("image.pause.event-pattern", "win-1"), [
        f.id for f in report.findings
    ]
    assert "the pause image could not" in first.message
