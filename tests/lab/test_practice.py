"""The engine behind the practice cluster: planting while it runs, healing by acts, the files for clients."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.control import Control, ControlError, plant_in_running, running
from lab.practice import Practice, practice_for


class StillClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.epoch = 1_800_000_000.0
        self.time = self.epoch

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait()


@pytest.fixture
def practice() -> Iterator[Practice]:
    with Practice("flannel-2022", StillClock(), use_engine=False) as made:
        yield made


def ready(practice: Practice, node: str) -> str:
    conditions = practice.world.get("v1", "Node", node)["status"]["conditions"]
    return next(str(c["status"]) for c in conditions if c["type"] == "Ready")


def test_the_files_that_a_client_needs(practice: Practice) -> None:
    config = yaml.safe_load(practice.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == practice.url
    settings = tomllib.loads(practice.config.read_text())
    assert [n["match"] for n in settings["nodes"]] == ["win-1", "win-2"]
    assert {n["port"] for n in settings["nodes"]} == {n.tls_port for n in practice.nodes.values()}
    assert practice.password not in practice.config.read_text()
    for file in (practice.kubeconfig, practice.config):
        assert os.name == "nt" or file.stat().st_mode & 0o077 == 0
    environment = practice.environment({"PATH": "/bin"})
    assert environment["KUBECONFIG"] == str(practice.kubeconfig)
    assert environment["KWINNOW_PASSWORD"] == practice.password


def test_plant_and_unplant_while_it_runs(practice: Practice) -> None:
    before = practice.world
    assert practice.plant("kubelet.not-running") == "kubelet.not-running"
    assert ready(practice, "win-1") == "Unknown"
    assert practice.nodes["win-1"].machine.services["kubelet"].state == "Stopped"
    practice.plant("cni.flannel.firewall-4789")
    assert practice.unplant("kubelet.not-running") == "kubelet.not-running"
    assert ready(practice, "win-1") == "True"
    assert "OverlayTraffic4789UDP" not in {r.name for r in practice.nodes["win-1"].machine.firewall.rules}
    practice.unplant("cni.flannel.firewall-4789")
    assert practice.world.objects == before.objects
    assert practice.world.windows == before.windows


def test_what_an_act_changes_on_a_node_heals_the_cluster(practice: Practice) -> None:
    practice.plant("kubelet.not-running")
    machine = practice.nodes["win-1"].machine
    machine.services["kubelet"].state = "Running"
    practice._changed("win-1", machine)
    assert ready(practice, "win-1") == "True"


def test_conditions_turn_the_servers_not_the_world(practice: Practice) -> None:
    before = practice.world.objects
    practice.plant("wrong-credentials")
    practice.plant("few-rights")
    assert all(n.conditions.rejected for n in practice.nodes.values())
    assert practice.api_state.directory.few
    practice.plant("clm")
    assert practice.nodes["win-1"].machine.os.language_mode == "ConstrainedLanguage"
    for name in ("wrong-credentials", "few-rights", "clm"):
        practice.unplant(name)
    assert not any(n.conditions.rejected for n in practice.nodes.values())
    assert practice.nodes["win-1"].machine.os.language_mode == "FullLanguage"
    assert practice.world.objects == before


def test_refusals_are_sentences(practice: Practice) -> None:
    with pytest.raises(KeyError, match="nothing called"):
        practice.plant("nope")
    with pytest.raises(ValueError, match="cannot be planted in flannel-2022"):
        practice.plant("runtime.docker.service-stopped")
    with pytest.raises(KeyError, match="is not planted"):
        practice.unplant("cni.none")


def test_the_scenario_follows_from_what_is_planted() -> None:
    made = practice_for(["runtime.docker.service-stopped"], clock=StillClock(), use_engine=False)
    try:
        assert made.scenario == "classic-2019"
    finally:
        made.stop()


def test_a_second_shell_plants_in_a_running_cluster(practice: Practice, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="No practice cluster runs"):
        plant_in_running("cni.none", folder=tmp_path)
    with Control(practice, tmp_path):
        state = plant_in_running("cni.none", folder=tmp_path)
        assert state["planted"] == ["cni.none"]
        assert ready(practice, "win-1") == "False"
        with pytest.raises(ControlError, match="nothing called"):
            plant_in_running("nope", folder=tmp_path)
        assert plant_in_running("cni.none", remove=True, folder=tmp_path)["planted"] == []
        assert all(f.stat().st_mode & 0o077 == 0 for f in tmp_path.glob("lab-*.json")) or os.name == "nt"
    assert running(tmp_path) is None


def test_time_goes_on_by_ticks(practice: Practice) -> None:
    clock = practice._clock
    assert isinstance(clock, StillClock)
    lease = ("coordination.k8s.io/v1", "Lease", "kube-node-lease", "win-1")
    before = practice.world.objects[lease]["spec"]["renewTime"]
    clock.time += 10
    practice.tick()
    assert practice.world.objects[lease]["spec"]["renewTime"] > before


@pytest.mark.parametrize(
    ("name", "expected"), [("unreachable", "refused"), ("filtered", "timeout"), ("silent", "open")]
)
def test_conditions_planted_before_the_start_hold_from_the_start(name: str, expected: str) -> None:
    made = Practice("flannel-2022", StillClock(), use_engine=False)
    made.plant(name)
    with made:
        node = made.nodes["win-1"]
        try:
            with socket.create_connection(("127.0.0.1", node.tls_port or 0), 0.5):
                met = "open"
        except ConnectionRefusedError:
            met = "refused"
        except TimeoutError:
            met = "timeout"
        assert met == expected
        assert str(node.tls_port) in made.config.read_text(), "the port is known although nothing listens"


def test_a_log_that_is_followed_does_not_stop_the_world(practice: Practice) -> None:
    """Whoever follows reads the world, whoever changes the world wakes the one who follows."""
    pod = next(key for key in practice.world.logs if key[1].startswith("win-web"))
    context = ssl.create_default_context(cafile=str(practice.folder / "ca.pem"))
    path = f"/api/v1/namespaces/{pod[0]}/pods/{pod[1]}/log?container={pod[2]}&follow=true&tailLines=1"
    request = urllib.request.Request(
        practice.url + path, headers={"Authorization": f"Bearer {practice.token}"}
    )
    with urllib.request.urlopen(request, context=context, timeout=30) as log:
        assert log.readline()

        def live() -> None:
            for _ in range(60):
                practice.tick()

        changing = threading.Thread(target=live, daemon=True)
        changing.start()
        changing.join(60)
        assert not changing.is_alive()
