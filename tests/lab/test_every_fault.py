"""Plant faults and look with the product: the true cause must be named first.

The product sees the practice cluster as it sees a real one: API over TLS, WinRM, the real engine. A run of the suite
plants the first fault of each family with the engine, and every fault with what the engine was recorded to answer
(test_without_engine.py); `make soak` plants every fault with the engine, and every condition.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from practicekit import Clusters

from checks.check import load
from checks.engine import Report, judge
from checks.finding import INFO, OutcomeKind
from lab.catalogue import catalogue
from lab.faults import CONDITIONS, FAULTS, QUESTIONS
from lab.faults.fault import Fault, Question
from lab.practice import Practice
from lab.windows.engine import find_pwsh
from tui.opening import Options, open_session

pytestmark = [
    pytest.mark.pwsh,
    pytest.mark.skipif(
        find_pwsh() is None, reason="needs the PowerShell engine: KWINNOW_PWSH or pwsh on PATH"
    ),
]
SOAK = bool(os.environ.get("KWINNOW_SOAK"))
SCENARIOS = [str(s) for s in catalogue()["scenarios"]]


def planted_here(plants: Mapping[str, Fault] | Mapping[str, Question]) -> list[str]:
    """All of them in a soak; else the first of each family."""
    families: dict[str, str] = {}
    for name, plant in plants.items():
        families.setdefault(plant.entry.split(".")[0], name)
    return list(plants) if SOAK else list(families.values())


@pytest.fixture(scope="module")
def running() -> Iterator[Clusters]:
    held = Clusters(Practice)
    yield held
    held.stop()


def look(practice: Practice, seconds: float = 60.0) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KWINNOW_PASSWORD", practice.password)
        held = open_session(Options(kubeconfig=Path(practice.kubeconfig), config=str(practice.config)))
        held.session.node_seconds = seconds
        held.session.gather({fact for check in load().values() for fact in check.facts})
        report = judge(held.session)
        held.close()
    broken = [(o.id, o.why) for o in report.of(OutcomeKind.BROKEN)]
    assert broken == []
    return report


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_healthy_scenario_has_no_warning(running: Clusters, scenario: str) -> None:
    report = look(running.get(scenario))
    assert [(f.id, f.message) for f in report.findings if f.severity > INFO] == []
    assert [(o.id, o.node, o.why) for o in report.of(OutcomeKind.UNKNOWN)] == []


@pytest.mark.parametrize("name", planted_here(FAULTS))
def test_fault_is_named_first(running: Clusters, name: str) -> None:
    fault = FAULTS[name]
    practice = running.get(fault.scenarios[0])
    practice.plant(name)
    try:
        report = look(practice)
    finally:
        practice.unplant(name)
    found = [f"{f.id} {f.object}" for f in report.findings]
    assert found and report.findings[0].id == fault.entry, found[:6]


@pytest.mark.parametrize("name", planted_here(QUESTIONS))
def test_question_is_answered(running: Clusters, name: str) -> None:
    question = QUESTIONS[name]
    practice = running.get(question.scenarios[0])
    planted = practice.plant(f"ask:{name}")
    try:
        report = look(practice)
    finally:
        practice.unplant(planted)
    assert question.entry in [f.id for f in report.findings]


# What the reason must say. One that is missing here fails: a new condition needs its words.
REASONS = {
    "unreachable": "refuses the connection",
    "filtered": "did not take the connection",
    "slow": "did not finish within",
    "silent": "did not finish within",
    "wrong-credentials": "rejects the credentials",
    "scheme-off": "switched off",
    "shell-quota": "quota",
    "truncated": "The node's answer ended early: its last line did not come.",
    "garbled": "The node's answer was damaged on its way: ",
    "dropped": "dropped the connection",
    "clm": "Constrained Language Mode",
    "not-elevated": "0x80070005",
    "hung-question": "did not come back within",
    "few-rights": "may not list pods",
    "token-expired": "does not accept the credentials",
    "api-throttled": "429",
    "api-errors": "500",
    "api-reset": "broke: connection reset",
    "api-down": "broke: connection reset",
    "basic-http": "would send the password in the clear",
    "no-way": "refuses the connection",
    "api-cut": "broke off",
}
ENDS_BY_DEADLINE = ("slow", "silent", "filtered")
# Those that an engine meets; the others lie between it and who asks, and it need not run for them.
OF_THE_ENGINE = ("clm", "not-elevated", "hung-question")


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_condition_is_unknown_with_its_reason(name: str) -> None:
    with Practice("flannel-2022", use_engine=SOAK or name in OF_THE_ENGINE) as practice:
        practice.plant(name)
        report = look(practice, seconds=12.0 if name in ENDS_BY_DEADLINE else 35.0)
    unknown = report.of(OutcomeKind.UNKNOWN)
    assert all(o.why for o in unknown)
    assert [o for o in unknown if REASONS[name] in o.why], {(o.node, o.why) for o in unknown}
    assert set(CONDITIONS[name].entries) <= {f.id for f in report.findings}
