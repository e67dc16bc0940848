"""Recording by looking: what is asked for the first time goes to the engine, the rest comes from the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from facts.collector.wire import Asked, command, standard_input
from lab.windows.commands import parse, split
from lab.windows.learning import Learner
from lab.windows.recordings import (
    EPOCH,
    Question,
    Recorded,
    Store,
    parse_input,
    question_key,
    script_key,
    seen,
)
from lab.world.machine import Machine

HNS = "@(HostNetworkingService\\Get-HnsNetwork | ForEach-Object { $_.Name })"


class StillClock:
    epoch = EPOCH

    def now(self) -> float:
        return EPOCH

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.is_set()


@pytest.fixture
def data() -> bytes:
    return standard_input([Asked("hns", HNS)])


@pytest.fixture
def old(machine: Machine, data: bytes) -> Store:
    """A store that knows the question and the collector."""
    store = Store()
    looked = {"field hns": seen(machine, "field hns", EPOCH)}
    store.add(key(data), Recorded(looked, store.text('{"value": "from the store"}')))
    store.add("of a script that nobody sends any more", Recorded({}, 0))
    return store


def key(data: bytes) -> str:
    asked = parse_input(data)
    assert asked is not None and asked.payload is not None
    return question_key(asked.payload.questions[0], asked.payload.collector)


def answered(learner: Learner, machine: Machine, data: bytes) -> bytes:
    wanted = parse(split(command()))
    assert wanted is not None
    run = learner.replay(wanted.text, machine, StillClock(), lambda _: None)
    run.write(data)
    run.close_input()
    return b"".join(_chunks(run))


def _chunks(run: object) -> Iterator[bytes]:
    while (output := run.take(1 << 20, 100)) is not None:  # type: ignore[attr-defined]
        yield from (chunk for _, chunk in output.chunks)
        if output.exit_code is not None:
            return


def test_what_is_known_is_not_asked_and_what_is_not_asked_is_dropped(
    machine: Machine, data: bytes, old: Store
) -> None:
    learner = Learner(old, tell=lambda _: None)
    assert b"~kw end hns" in answered(learner, machine, data)
    assert learner.asked == 0
    assert list(learner.store.questions) == [key(data)]
    assert learner.store.scripts[script_key(HNS)] == "hns"
    assert len(learner.whole().questions) == 2


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_what_is_new_is_asked_once(machine: Machine, data: bytes) -> None:
    learner = Learner(Store(), tell=lambda _: None)
    for _ in range(2):
        assert b"~kw end hns" in answered(learner, machine, data)
    assert (learner.asked, learner.failures) == (1, [])
    assert learner.store.texts == ['{"value": "flannel.4096"}']


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_what_another_collector_answered_is_asked_again(machine: Machine, data: bytes) -> None:
    old = Store()
    old.add(
        question_key(Question("hns", HNS), "another collector"), Recorded({}, old.text('{"value": "old"}'))
    )
    learner = Learner(old, tell=lambda _: None)
    answered(learner, machine, data)
    assert learner.asked == 1
    assert '{"value": "old"}' not in learner.store.texts


COLLECTS = """function Read-File($path) {
    Read-Some $path
}
function Read-Some($path) { 1 }
function Read-Other { 2 }
function Write-Line { 3 }
Write-Line"""


@pytest.mark.parametrize(
    ("was", "becomes", "matters"),
    [
        ("{ 1 }", "{ 4 }", True),  # a helper of the helper that it uses
        ("{ 2 }", "{ 4 }", False),  # one that it does not use
        ("{ 3 }", "{ 4 }", True),  # one that the collector itself uses
        ("\nWrite-Line", "\nWrite-Line 5", True),  # the collector itself
    ],
)
def test_a_helper_counts_for_the_scripts_that_use_it(was: str, becomes: str, matters: bool) -> None:
    question = Question("hns", "read-file 'x'")
    other = COLLECTS.replace(was, becomes)
    assert other != COLLECTS
    assert (question_key(question, COLLECTS) != question_key(question, other)) is matters


def test_without_an_engine_nothing_is_learnt(
    machine: Machine, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.windows.engine.find_pwsh", lambda: None)
    learner = Learner(Store(), tell=lambda _: None)
    said = answered(learner, machine, data)
    assert said.startswith(b"win-1 gave no answer to hns") and len(learner.failures) == 1
