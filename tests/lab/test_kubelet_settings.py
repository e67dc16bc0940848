"""Settings of control groups in the practice cluster's kubelet: which ones end it depends on its version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.faults import edits
from lab.world.derive import derive
from lab.world.scenarios import build

NOW = 1_800_000_000.0
OFF, ON = "cgroupsPerQOS: false", "cgroupsPerQOS: true"
PODS, NONE = "enforceNodeAllocatable:\n- pods", "enforceNodeAllocatable:\n- none"


@pytest.mark.parametrize(
    ("version", "cgroups", "enforced", "says"),
    [
        ("v1.31.4", ON, PODS, ""),
        ("v1.31.4", OFF, NONE, ""),
        ("v1.31.4", OFF, PODS, "is not supported unless cgroupsPerQOS"),
        ("v1.30.8", ON, PODS, "CgroupsPerQOS (--cgroups-per-qos) true is not supported on Windows"),
        (
            "v1.30.8",
            OFF,
            PODS,
            "EnforceNodeAllocatable (--enforce-node-allocatable) [pods] is not supported on Windows",
        ),
    ],
)
def test_which_of_linux_values_end_the_kubelet(version: str, cgroups: str, enforced: str, says: str) -> None:
    world = build("flannel-2022", NOW)
    world.plan = replace(world.plan, version=version)
    machine = edits.first(world)
    edits.set_kubelet_config(
        machine, lambda t: t.replace(OFF, cgroups).replace("enforceNodeAllocatable: []", enforced)
    )
    edits.restart_service(world, machine, "kubelet")
    derive(world)
    logs = "".join(f.text for path, f in machine.files.items() if "kubelet" in path and path.endswith(".log"))
    assert (machine.services["kubelet"].state == "Running") is (not says), machine.services["kubelet"].state
    assert says in logs and (says != "" or "command failed" not in logs)
