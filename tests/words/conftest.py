"""A practice cluster that runs, named by the environment, for the words of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.practice import Practice


@pytest.fixture(scope="module")
def running(pwsh: str) -> Iterator[Practice]:
    with Practice("flannel-2022") as made:
        yield made


@pytest.fixture
def practice(running: Practice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Practice]:
    """The cluster as new, named by the environment; a state folder of the test's own."""
    given = running.environment({})
    for name in ("KUBECONFIG", "KWINNOW_CONFIG", "KWINNOW_PASSWORD"):
        monkeypatch.setenv(name, given[name])
    monkeypatch.setenv("KWINNOW_STATE", str(tmp_path / "state"))
    yield running
    for planted in list(running.planted):
        running.unplant(planted)
