"""Every fault edits a cause, its consequences follow, and repairing the cause heals them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from lab.catalogue import catalogue, fitting_scenario, resolve
from lab.faults import CONDITIONS, FAULTS, QUESTIONS
from lab.faults.fault import Fault
from lab.world.derive import derive
from lab.world.machine import File
from lab.world.models.logs import overlay_works
from lab.world.scenarios import build
from lab.world.state import World

NOW = 1_800_000_000.0
PLANTS = [(f, s) for f in FAULTS.values() for s in f.scenarios]


def planted(name: str, scenario: str = "", culture: str = "en-US") -> World:
    """The world of a fault or question, settled."""
    found = resolve(name, scenario)
    assert not hasattr(found, "expect")
    world = build(scenario or fitting_scenario([name]), NOW, culture=culture)
    world.changed_at = NOW - 1500
    found.apply(world)  # type: ignore[arg-type]
    derive(world)
    world.changed_at = 0.0
    return world


def ready(world: World, node: str) -> tuple[str, str]:
    conditions = world.get("v1", "Node", node)["status"]["conditions"]
    return next((c["status"], c["message"]) for c in conditions if c["type"] == "Ready")


def warnings(world: World) -> str:
    return "\n".join(e["message"] for e in world.each("v1", "Event") if e["type"] == "Warning")


@pytest.mark.parametrize(("fault", "scenario"), PLANTS, ids=[f"{f.id}-{s}" for f, s in PLANTS])
def test_a_fault_edits_a_cause_and_settles(fault: Fault, scenario: str) -> None:
    """`apply` alone touches no status, condition, event or log; afterwards the world has settled."""
    world = build(scenario, NOW)
    before = copy.deepcopy(world)
    world.changed_at = NOW - 1500
    fault.apply(world)
    for key, item in world.objects.items():
        old = before.objects.get(key)
        if old is not None and key[1] != "CertificateSigningRequest":
            assert item.get("status") == old.get("status"), key
    assert {k for k in world.objects if k[1] == "Event"} == {k for k in before.objects if k[1] == "Event"}
    edited = copy.deepcopy((world.objects, world.windows, world.linux, world.registries, world.memory))
    original = (before.objects, before.windows, before.linux, before.registries, before.memory)
    assert edited != original
    derive(world)
    settled = copy.deepcopy((world.objects, world.windows))
    derive(world)
    assert (world.objects, world.windows) == settled


def test_every_entry_of_the_flagship_families_that_a_state_can_cause_is_there() -> None:
    entries = {f.entry for f in FAULTS.values()}
    assert {
        "cni.flannel.vni",
        "cni.flannel.port",
        "cni.flannel.restart-needed",
        "image.pause.os-match",
        "image.pause.registry",
        "service.nodeport.lb-present",
        "dns.suffix.endpoint-empty",
        "kubelet.not-running",
        "hns.service",
        "certs.client-expired",
        "time.skew",
        "reach.api.from-node",
    } <= entries
    assert all(f.source.startswith("https://") for f in FAULTS.values())


def test_vni_absent_is_silent_and_breaks_the_overlay() -> None:
    world = planted("cni.flannel.vni:absent")
    assert all(ready(world, n)[0] == "True" for n in world.windows)
    assert warnings(world) == ""
    notes = world.get("v1", "Node", "cp-1")["metadata"]["annotations"]
    assert '"VNI":1' in notes["flannel.alpha.coreos.com/backend-data"]
    lines = [t for k, v in world.logs.items() if "windows" in k[1] for _, t in v]
    assert any("VNI=4096 Port=4789" in line for line in lines)
    assert not overlay_works(world, world.windows["win-1"], "cp-1")
    healthy = build("flannel-2022", NOW)
    assert overlay_works(healthy, healthy.windows["win-1"], "cp-1")


def test_vni_one_makes_windows_flanneld_exit() -> None:
    world = planted("cni.flannel.vni:one")
    text = "VNI [1] must be greater than or equal to 4096 on Windows"
    exits = [v[-1][1] for k, v in world.logs.items() if k[1].startswith("kube-flannel-ds-windows")]
    assert len(exits) == 2
    assert all(text in line for line in exits)
    assert all(not [n for n in m.hns.networks if n["Type"] == "Overlay"] for m in world.windows.values())
    assert "subnet.env" in warnings(world)


@pytest.mark.parametrize(
    ("name", "status", "part"),
    [
        ("kubelet.not-running", "Unknown", "Kubelet stopped posting node status."),
        ("runtime.containerd.stopped", "False", "container runtime is down"),
        ("cni.none", "False", "cni plugin not initialized"),
        ("cni.json-invalid:bom", "False", "cni plugin not initialized"),
        ("runtime.containerd.cni-dirs", "False", "cni plugin not initialized"),
        ("runtime.docker.service-stopped", "False", "docker daemon is not ready"),
        ("certs.client-expired", "Unknown", "Kubelet stopped posting node status."),
        ("reach.api.from-node", "Unknown", "Kubelet stopped posting node status."),
        ("time.skew:firmware", "Unknown", "Kubelet stopped posting node status."),
        ("runtime.containerd.version-cri", "Unknown", "Kubelet stopped posting node status."),
        ("runtime.containerd.config-version", "False", "container runtime is down"),
        ("node.notready.flannel-pulling", "False", "cni plugin not initialized"),
        ("time.lease", "True", ""),
    ],
)
def test_not_ready_follows(name: str, status: str, part: str) -> None:
    world = planted(name)
    first, second = list(world.windows)
    assert ready(world, first)[0] == status
    assert part in ready(world, first)[1]
    if resolve(name).node == "first":  # type: ignore[union-attr]
        assert ready(world, second)[0] == "True"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hns.service", "(0x6ba)"),
        ("hns.vfpext", "(0x803b0009)"),
        ("cni.api-version", "(0xc037010e)"),
        ("cni.ipam-exhausted", "no IP addresses available in range set"),
        ("os.ubr.overlay", "(0x803b0008)"),
        ("image.pause.os-match", "no match for platform in manifest"),
        ("image.pause.registry:unreachable", "connectex"),
        ("cni.binary-missing", 'failed to find plugin "sdnoverlay" in path [C:/opt/cni/bin]'),
        ("kubelet.resolvconf-invalid", "Unexpected resolver config value"),
    ],
)
def test_events_carry_the_code(name: str, code: str) -> None:
    assert code in warnings(planted(name))


def test_windows_speaks_german_and_chinese_but_codes_stay() -> None:
    found = {c: warnings(planted("hns.service", culture=c)) for c in ("en-US", "de-DE", "zh-CN")}
    assert "Der RPC-Server ist nicht verfügbar." in found["de-DE"]
    assert "RPC 服务器不可用。" in found["zh-CN"]
    assert all("(0x6ba)" in text for text in found.values())


def _start(world: World) -> None:
    service = next(iter(world.windows.values())).services["kubelet"]
    service.state, service.start_mode = "Running", "Auto"


def _rule(world: World) -> None:
    healthy = build("flannel-2022", NOW).windows["win-1"]
    world.windows["win-1"].firewall = healthy.firewall


def _unlock(world: World) -> None:
    service = world.windows["win-1"].services["hns"]
    service.state, service.start_mode, service.pid = "Running", "Manual", 7301


def _net_conf(world: World) -> None:
    healthy = build("flannel-2022", NOW)
    key = ("v1", "ConfigMap", "kube-flannel", "kube-flannel-cfg")
    world.objects[key] = healthy.objects[key]


def _exe(world: World) -> None:
    world.windows["win-1"].files[r"C:\opt\cni\bin\sdnoverlay.exe"] = File(size=7_900_000)


@pytest.mark.parametrize(
    ("name", "repair"),
    [
        ("kubelet.not-running", _start),
        ("hns.service", _unlock),
        ("cni.binary-missing", _exe),
        ("cni.flannel.vni:one", _net_conf),
        ("cni.flannel.firewall-4789", _rule),
    ],
)
def test_repairing_the_cause_heals(name: str, repair: Callable[[World], None]) -> None:
    world = planted(name)
    repair(world)
    derive(world)
    assert all(ready(world, n)[0] == "True" for n in world.windows)
    assert warnings(world) == ""
    assert all(p["status"]["phase"] == "Running" for p in world.each("v1", "Pod"))


def test_a_transition_made_by_a_repair_is_dated_now() -> None:
    world = planted("kubelet.not-running")
    _start(world)
    derive(world)
    conditions = world.get("v1", "Node", "win-1")["status"]["conditions"]
    stamp = next(c["lastTransitionTime"] for c in conditions if c["type"] == "Ready")
    assert stamp == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_question_leaves_the_cluster_healthy(name: str) -> None:
    for scenario in QUESTIONS[name].scenarios:
        world = build(scenario, NOW)
        world.changed_at = NOW - 1500
        QUESTIONS[name].apply(world)
        derive(world)
        assert all(ready(world, n)[0] == "True" for n in world.windows)
        assert warnings(world) == ""


def test_the_lists_have_what_a_client_needs() -> None:
    lists = catalogue()
    assert set(lists) == {"scenarios", "faults", "questions", "conditions"}
    assert all(resolve(f["id"]).id.split(":")[0] == f["id"] for f in lists["faults"])
    assert all(resolve(f["plant"]).id == f["plant"] for f in lists["faults"])
    assert all(resolve(q["plant"]).id == q["plant"].removeprefix("ask:") for q in lists["questions"])
    assert {c["id"] for c in lists["conditions"]} == set(CONDITIONS)
    assert all(q["ask"] for q in lists["questions"])


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"cni\.flannel\.vni"):
        resolve("cni.flanel.vni")
