"""A practice cluster whose nodes run the steps' scripts for real, and desks in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desks import Desk

from lab.practice import Practice

Sit = Callable[[str], Desk]


@pytest.fixture(scope="module")
def running(pwsh: str) -> Iterator[Practice]:
    with Practice("flannel-2022") as made:
        yield made


@pytest.fixture
def practice(running: Practice) -> Iterator[Practice]:
    """The cluster as new: what a test has planted is taken out, and with it all that was done on the nodes."""
    yield running
    for name in list(running.planted):
        running.unplant(name)


@pytest.fixture
def sit(practice: Practice, tmp_path: Path) -> Sit:
    """A desk for a person."""
    return lambda who: Desk(practice, tmp_path / who, who)
