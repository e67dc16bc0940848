"""Machines of the lab that can be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nodekit import NOW, Bench

from lab.world.machine import Machine
from lab.world.scenarios import build
from lab.world.state import World

BenchFactory = Callable[[Machine], Bench]


@pytest.fixture
def bench(pwsh: str, tmp_path: Path) -> Iterator[BenchFactory]:
    """Puts a machine on a bench; what runs on it ends with the test."""
    benches: list[Bench] = []

    def make(machine: Machine) -> Bench:
        made = Bench(machine, pwsh, tmp_path / f"node-{len(benches)}")
        benches.append(made)
        return made

    yield make
    for one in benches:
        one.stop()


@pytest.fixture
def overlay_world() -> World:
    return build("flannel-2022", NOW)


@pytest.fixture
def machine(overlay_world: World) -> Machine:
    """A healthy Server 2022 node with containerd and flannel overlay."""
    return overlay_world.windows["win-1"]
