"""What connections from a Windows host meet in the practice cluster follows from its causes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.faults import FAULTS, QUESTIONS
from lab.windows.recordings import EPOCH
from lab.world.derive import derive
from lab.world.scenarios import build
from lab.world.state import World

FIRST, SECOND, LINUX = "10.0.1.21", "10.0.1.22", "10.0.1.10"


def world(change: Callable[[World], None] | None = None, scenario: str = "flannel-2022") -> World:
    made = build(scenario, EPOCH)
    if change is not None:
        change(made)
        derive(made)
    return made


def flows(made: World, node: str = "win-1") -> dict[str, str]:
    return made.windows[node].flows


def test_a_healthy_host_of_2022() -> None:
    found = flows(world())
    assert {found[f"{host}:30080"] for host in (FIRST, SECOND, LINUX)} == {"open"}
    assert found["127.0.0.1:30080"] == "refused", "no listener on loopback"
    assert (found["10.244.1.3:80"], found["10.244.2.3:80"]) == ("open", "timeout"), "own pods, on an overlay"
    assert found["10.96.40.21:80"] == "timeout", "without direct server return"


@pytest.mark.parametrize(
    ("plant", "own", "from_second"),
    [
        ("service.nodeport.lb-present", "timeout", "timeout"),
        ("service.nodeport.flags", "timeout", "open"),
        ("service.nodeport.firewall", "open", "timeout"),
        ("service.nodeport.port-taken:process", "open", "timeout"),
        ("hns.network.absent", "timeout", "timeout"),
    ],
)
def test_a_fault_of_the_first_node(plant: str, own: str, from_second: str) -> None:
    made = world(FAULTS[plant].apply)
    assert flows(made)[f"{FIRST}:30080"] == own
    assert flows(made, "win-2")[f"{FIRST}:30080"] == from_second
    assert flows(made, "win-2")[f"{SECOND}:30080"] == "open", "the other node serves its own"


def test_a_node_without_ordinary_pods_forwards_nothing() -> None:
    made = world(FAULTS["service.nodeport.no-local-pod"].apply)
    assert flows(made, "win-2")[f"{SECOND}:30080"] == flows(made)[f"{SECOND}:30080"] == "timeout"
    assert flows(made, "win-2")[f"{FIRST}:30080"] == "open"


def test_policy_local_is_served_where_the_backend_is() -> None:
    found = flows(world(FAULTS["service.nodeport.etp-local"].apply))
    assert [found[f"{host}:30080"] for host in (FIRST, SECOND, LINUX)] == ["open", "timeout", "refused"]


def test_the_tunnel_carries_a_linux_nodes_node_port() -> None:
    assert flows(world(FAULTS["cni.flannel.linux-device"].apply))[f"{LINUX}:30080"] == "timeout"


def test_server_2019_reaches_its_own_node_ports_from_an_update_on() -> None:
    own = "10.0.2.21:30080"
    assert flows(world(scenario="flannel-2019"))[own] == "open"
    assert flows(world(QUESTIONS["service.nodeport.from-own-host"].apply, "flannel-2019"))[own] == "timeout"


def test_a_pod_that_does_not_listen_refuses() -> None:
    def elsewhere(made: World) -> None:
        made.get("v1", "Service", "win-web", "shop")["spec"]["ports"][0]["targetPort"] = 8080

    assert flows(world(elsewhere))["10.244.1.3:8080"] == "refused"


def test_direct_server_return_and_a_bridge_open_the_way() -> None:
    def bridged(made: World) -> None:
        for machine in made.windows.values():
            for network in machine.hns.networks:
                network["Type"] = "L2Bridge"
            for item in machine.hns.policy_lists:
                item["Policies"][0]["DSR"] = True

    found = flows(world(bridged))
    assert (found["10.244.2.3:80"], found["10.96.40.21:80"]) == ("open", "open")
