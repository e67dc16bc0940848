"""A computer without a PowerShell engine: the lab answers from recordings of the engine, and answers the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import examples
import msgspec
import pytest
from practicekit import Clusters, LateClock, session_on

from checks.engine import Report, judge
from checks.finding import INFO, OutcomeKind
from checks.ids import CheckId
from facts.access import Wishes
from facts.catalogue import load
from facts.collector.wire import script_text
from facts.examples import path_of
from facts.fact import Fact, Failed, Origin
from facts.session import Session
from lab.catalogue import catalogue
from lab.faults import FAULTS, QUESTIONS
from lab.practice import Practice
from lab.windows.learning import COLLECTOR
from lab.windows.recordings import EPOCH, STORE, Store, script_key
from lab.windows.replay import packaged
from lab.windows.times import levelled
from playbooks.audit import Audit
from playbooks.engine import Ended, Plan, StepRunner
from playbooks.journal import Journal, Mark
from playbooks.lock import Locking
from playbooks.step import steps
from targets.recording import Line, Recording

SCENARIOS = [str(s) for s in catalogue()["scenarios"]]
HOURS = 3 * 3600.0
ANEW = "run make recordings"
EVERYTHING: list[type[Fact]] = [question.fact for question in load()]


@pytest.fixture(scope="module")
def running() -> Iterator[Clusters]:
    held = Clusters(lambda scenario: Practice(scenario, LateClock(), use_engine=False))
    yield held
    held.stop()


def look(practice: Practice, *, flows: bool = False) -> tuple[Session, Report]:
    session = session_on(practice, seconds=60.0)
    session.wish(Wishes(flows=flows))
    session.gather(EVERYTHING)
    return session, judge(session)


def failed(session: Session) -> list[str]:
    answers = session.answers.by_key.items()
    return [
        f"{fact.__name__} {node}: {a.value.why}" for (fact, node), a in answers if isinstance(a.value, Failed)
    ]


def not_recorded(session: Session) -> list[str]:
    return [line for line in failed(session) if "lab.not-recorded" in line]


def quiet(practice: Practice) -> None:
    session, report = look(practice)
    assert failed(session) == [], ANEW
    assert [(f.id, f.message) for f in report.findings if f.severity > INFO] == []
    assert [(o.id, o.why) for o in report.of(OutcomeKind.UNKNOWN)] == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_healthy_cluster_has_every_answer(running: Clusters, scenario: str) -> None:
    quiet(running.get(scenario))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_still_has_after_hours(scenario: str) -> None:
    clock = LateClock(behind=HOURS)
    with Practice(scenario, clock, use_engine=False) as practice:
        clock.behind = 0.0
        practice.tick()
        quiet(practice)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_answers_what_the_engine_answers(scenario: str) -> None:
    _, lines = examples.record(scenario, use_engine=False)
    assert examples.differences(Recording(path_of(scenario)).lines, lines) == [], ANEW


def timeless(lines: list[Line]) -> list[Line]:
    texts = (json.dumps(line.value, sort_keys=True) for line in lines)
    return [
        msgspec.structs.replace(line, value=json.loads(levelled(text, EPOCH)))
        for line, text in zip(lines, texts, strict=True)
    ]


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scenario", "plant"),
    [
        ("flannel-2019", "runtime.containerd.stopped"),
        ("flannel-2022", "cni.flannel.vni"),
        ("classic-2019", "kubelet.not-running"),
    ],
)
def test_it_answers_what_the_engine_answers_of_a_fault(scenario: str, plant: str) -> None:
    """A sample; if a stand-in has changed, `python tests/record_lab.py --anew` asks everything again.

    Times are left out: an answer holds for each moment at which a machine came into that state.
    """
    _, live = examples.record(scenario, plant)
    _, replayed = examples.record(scenario, plant, use_engine=False)
    assert examples.differences(timeless(live), timeless(replayed)) == [], ANEW


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_named_first(running: Clusters, name: str) -> None:
    """In every scenario that it fits: all of them have recordings of their own."""
    fault = FAULTS[name]
    for scenario in fault.scenarios:
        practice = running.get(scenario)
        practice.plant(name)
        try:
            session, report = look(practice)
        finally:
            practice.unplant(name)
        assert not_recorded(session) == [], ANEW
        found = [f"{f.id} {f.object}" for f in report.findings]
        assert found and report.findings[0].id == fault.entry, (scenario, found[:6])


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_a_question_is_answered(running: Clusters, name: str) -> None:
    question = QUESTIONS[name]
    practice = running.get(question.scenarios[0])
    planted = practice.plant(f"ask:{name}")
    try:
        session, report = look(practice)
    finally:
        practice.unplant(planted)
    assert not_recorded(session) == [], ANEW
    assert question.entry in [f.id for f in report.findings]


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        ("", "service.nodeport.loopback"),
        ("service.nodeport.firewall", "service.nodeport.firewall"),
        ("ask:service.nodeport.loopback", "service.nodeport.loopback"),
    ],
)
def test_connections_that_somebody_wishes_are_recorded_too(running: Clusters, plant: str, found: str) -> None:
    practice = running.get("flannel-2022")
    planted = practice.plant(plant) if plant else ""
    try:
        session, report = look(practice, flows=True)
    finally:
        if planted:
            practice.unplant(planted)
    assert not_recorded(session) == [], ANEW
    worst = report.findings[0].severity
    assert found in [f.id for f in report.findings if f.severity == worst]


@pytest.mark.parametrize(
    ("goal", "scenario"),
    [
        ("cni.flannel.firewall-4789", "flannel-2022"),
        ("kubelet.not-running", "flannel-2019"),
        ("runtime.docker.service-stopped", "classic-2019"),
    ],
)
def test_a_step_is_done_and_undone(running: Clusters, tmp_path: Path, goal: CheckId, scenario: str) -> None:
    practice, step = running.get(scenario), steps()[goal]
    planted = practice.plant(goal)
    try:
        session = session_on(practice, seconds=60.0)
        locking = cast(Locking, session.cluster)
        runner = StepRunner(session, locking, Journal(tmp_path), Audit(tmp_path))
        for _ in range(2):  # the dialog of an undo says to run the step again, if one likes
            plan = runner.plan(step, next(iter(practice.nodes)))
            assert isinstance(plan, Plan)
            ended: Ended = runner.run(plan)
            assert (ended.mark, ended.why) == (Mark.DONE, "")
            assert not_recorded(look(practice)[0]) == [], ANEW
            undone = runner.undo(step, plan.node)
            assert undone.mark is Mark.UNDONE, undone.why
            assert undone.outcome is not None and undone.outcome.kind is OutcomeKind.FOUND
    finally:
        practice.unplant(planted)


def test_every_script_that_may_be_sent_has_recordings() -> None:
    """A changed script without new recordings would leave those without an engine with nothing."""
    known = packaged().scripts
    sent = {q.name: script_text(q.script) for q in load() if q.origin is Origin.NODE}
    sent[COLLECTOR] = script_text("collector.ps1", "facts.collector")
    for step in steps().values():
        sent[step.script] = step.text()
        if step.undo:
            sent[step.undo] = step.undo_text()
    missing = sorted(name for name, text in sent.items() if script_key(text) not in known)
    assert missing == [], ANEW


def test_a_changed_script_is_noticed() -> None:
    known: Store = packaged()
    assert script_key(script_text("os.ps1")) in known.scripts
    assert script_key(script_text("os.ps1") + " ") not in known.scripts


def test_the_recordings_are_small() -> None:
    assert 20_000 < STORE.stat().st_size < 3_000_000


def test_the_command_says_where_its_answers_come_from(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "KWINNOW_PWSH"} | {"PATH": str(tmp_path)}
    words = [sys.executable, "-m", "tui.cli", "lab", "--", sys.executable, "-c", "print('ran')"]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "ran\n"), run.stderr
    assert "No PowerShell engine was found: the nodes answer from recordings" in run.stderr
    words[4:4] = ["--culture", "de-DE"]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2
    assert "en-US" in run.stderr
