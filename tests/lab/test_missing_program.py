"""A kubelet.exe that is gone: what its starter leaves on the node."""

from __future__ import annotations

import pytest

from lab.catalogue import resolve
from lab.faults.fault import Fault
from lab.world.derive import derive
from lab.world.machine import Machine
from lab.world.scenarios import build
from lab.world.state import World

NOW = 1_800_000_000.0
FAULT = "kubelet.nssm-paused"
PROGRAM = r"C:\k\kubelet.exe"


def without_kubelet(scenario: str, culture: str) -> tuple[World, Machine]:
    found = resolve(FAULT, scenario)
    assert isinstance(found, Fault)
    world = build(scenario, NOW)
    machine = next(iter(world.windows.values()))
    machine.os.ui_culture = culture
    found.apply(world)
    derive(world)
    return world, machine


@pytest.mark.parametrize(
    ("culture", "reason"),
    [
        ("en-US", "The system cannot find the file specified."),
        ("de-DE", "Das System kann die angegebene Datei nicht finden."),
        ("zh-CN", "系统找不到指定的文件。"),
    ],
)
def test_nssm_ends_the_service_and_says_so_in_the_application_log(culture: str, reason: str) -> None:
    _, machine = without_kubelet("classic-2019", culture)
    service = machine.services["kubelet"]
    assert (service.state, service.exit_code, service.service_exit_code) == ("Stopped", 1066, 3)
    told = {(e.log, e.provider, e.id): e.message for e in machine.events}
    assert told["Application", "nssm", 1010].splitlines() == [
        f"Failed to start service kubelet.  Program {PROGRAM} couldn't be launched.",
        "CreateProcess() failed:",
        reason,
    ]
    assert ("Application", "nssm", 1006) in told
    assert ("System", "Service Control Manager", 7024) in told
    assert "failed" not in machine.files[r"C:\k\kubelet.log"].text  # what does not run writes nothing


@pytest.mark.parametrize(
    ("culture", "words"),
    [
        ("en-US", "is not recognized"),
        ("de-DE", "ist entweder falsch geschrieben"),
        ("zh-CN", "不是内部或外部命令"),
    ],
)
def test_a_start_script_says_it_in_its_own_words(culture: str, words: str) -> None:
    _, machine = without_kubelet("flannel-2022", culture)
    assert machine.services["kubelet"].state == "Paused"
    assert not [e for e in machine.events if e.provider == "nssm"]
    first, _ = machine.files[r"C:\var\log\kubelet\kubelet.err.log"].text.splitlines()[-2:]
    assert PROGRAM in first and words in first


def test_a_program_that_is_back_is_not_reported_by_events_of_before() -> None:
    world, machine = without_kubelet("classic-2019", "en-US")
    machine.files[PROGRAM] = build("classic-2019", NOW).windows[machine.name].files[PROGRAM]
    service = machine.services["kubelet"]
    service.state, service.exit_code, service.service_exit_code, service.pid = "Running", 0, 0, 4711
    derive(world)
    assert service.state == "Running"
    assert not [e for e in machine.events if e.provider == "nssm"]
