"""Several faults at once where there is no PowerShell engine: what is recorded, and what is said of the rest."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from practicekit import LateClock, session_on
from record_lab import CONDITIONS, FIRST
from winkit import PASSWORD, USER, a_machine

from checks.engine import judge
from checks.finding import OutcomeKind
from facts.catalogue import load
from facts.collector.wire import Asked, command, standard_input
from facts.fact import Failed
from facts.node.windows import Os
from lab.catalogue import DEFAULT
from lab.faults import FAULTS, QUESTIONS
from lab.practice import CAVEAT, Practice
from lab.windows import Credentials, WindowsNode
from lab.windows.clock import Clock
from lab.windows.commands import split
from lab.windows.recordings import Store, mix
from lab.windows.replay import NOT_RECORDED, ReplayRun, packaged
from lab.world.machine import Machine

ROOT = Path(__file__).parents[2]
ANEW = "run make recordings"
MINUTES = 600.0
README = set(re.findall(r"kwinnow lab --plant ([\w.:-]+)", (ROOT / "README.md").read_text("utf-8"))) - {FIRST}


def test_make_lab_plants_what_is_recorded_with_all_others() -> None:
    assert f"lab --scenario {DEFAULT} --plant {FIRST}\n" in (ROOT / "Makefile").read_text("utf-8")
    assert README, "the README plants something into the cluster that runs"


@pytest.mark.parametrize(
    "name",
    sorted(
        README
        | {
            "cni.flannel.firewall-4789",
            "hns.network.absent",
            "image.pause.os-match",
            "kubelet.not-running",
            "service.nodeport.firewall",
        }
    ),
)
def test_another_fault_beside_that_of_make_lab(name: str) -> None:
    """Both causes are found and nothing is unknown, though minutes lie between the plantings."""
    clock = LateClock(behind=MINUTES)
    with Practice(DEFAULT, clock, use_engine=False) as practice:
        practice.plant(FIRST)
        clock.behind = 0.0
        practice.tick()
        practice.plant(name)
        assert practice.caveat == "", ANEW
        session = session_on(practice, seconds=60.0)
        session.gather([question.fact for question in load()])
        report = judge(session)
    assert [(o.id, o.why) for o in report.of(OutcomeKind.UNKNOWN) if NOT_RECORDED in o.why] == [], ANEW
    assert {FIRST, name.split(":")[0]} <= {finding.id for finding in report.ranked.causes}


def test_all_that_make_lab_leads_to_is_recorded() -> None:
    first = next(f.id for f in FAULTS.values() if f.entry == FIRST and DEFAULT in f.scenarios)
    others = [f.id for f in FAULTS.values() if DEFAULT in f.scenarios and f.id != first]
    others += [q.id for q in QUESTIONS.values() if DEFAULT in q.scenarios]
    wanted = {mix(DEFAULT, (first, name)) for name in (*others, *CONDITIONS)}
    assert wanted - set(packaged().mixes) == set(), ANEW


def test_a_mix_that_is_not_recorded_is_owned_up_to() -> None:
    practice = Practice("flannel-2022", use_engine=False)
    try:
        practice.plant("time.w32time")
        practice.plant("slow")  # it stands between the console and the node
        assert practice.caveat == ""
        practice.plant("image.pause.pulled")
        assert practice.caveat == CAVEAT
        assert "pwsh" in CAVEAT
        practice.unplant("time.w32time")
        assert practice.caveat == ""
    finally:
        practice.stop()


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_with_an_engine_there_is_nothing_to_own_up_to() -> None:
    practice = Practice("flannel-2022")
    try:
        practice.plant("time.w32time")
        practice.plant("image.pause.pulled")
        assert practice.caveat == ""
    finally:
        practice.stop()


def _unrecorded(text: str, machine: Machine, clock: Clock, change: Callable[[Machine], None]) -> ReplayRun:
    return ReplayRun(text, machine, clock, change, Store())


def test_an_answer_that_is_not_recorded_says_what_would_answer() -> None:
    """The person can do something about it, and it is not the script's fault."""
    node = WindowsNode(
        a_machine(),
        Credentials(USER, PASSWORD),
        use_engine=False,
        replay=_unrecorded,
    )
    try:
        run = node.run(split(command()))
        run.write(standard_input([Asked("os", "'never recorded'")]))
        out = b""
        while b"~kw done" not in out:
            output = run.take(1 << 20, 20)
            assert output is not None, "the node says nothing more"
            out += b"".join(data for _, data in output.chunks)
    finally:
        node.stop()
    packed = "".join(re.findall(r"^~kw data os (\S+)$", out.decode(), re.M))
    error = json.loads(gzip.decompress(base64.b64decode(packed)))["error"]
    assert (error["type"], error["fqid"]) == (NOT_RECORDED, NOT_RECORDED)
    assert "no recording" in error["message"] and "PowerShell 7 (pwsh) on PATH" in error["message"]
    assert "kwinnow lab --unplant" in error["hint"]


def test_what_could_not_be_told_tells_the_way_out() -> None:
    """No script is at fault, so nobody is sent to ask it alone or to report it."""
    with Practice("flannel-2022", LateClock(), use_engine=False, replay=_unrecorded) as practice:
        session = session_on(practice, seconds=60.0)
        session.gather([Os])
    failed = [a.value for a in session.answers.by_key.values() if isinstance(a.value, Failed)]
    assert failed
    for one in failed:
        assert (one.code, "PowerShell 7 (pwsh) on PATH" in one.why) == (NOT_RECORDED, True)
        assert "kwinnow lab --unplant" in one.hint and "report it" not in one.hint
