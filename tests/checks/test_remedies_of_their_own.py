"""Findings whose remedy depends on what was found, not on the check alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, drafted, fields
from checks.edits import service
from checks.engine import judge
from checks.finding import Finding
from facts.access import Access, Attempt
from facts.node.kubernetes import Kubelet, LogTail, NodeLogs
from facts.node.windows import Clock


def found(check: str, stack: str, *changes: Change) -> Finding:
    draft = drafted(Case("", stack, changes))
    return next(f for f in judge(draft.session).findings if f.id == check and f.node == draft.node)


def off_by(seconds: int) -> Change:
    return fields(Clock, skew=timedelta(seconds=seconds), uncertainty=timedelta(seconds=0.4))


@pytest.mark.parametrize("seconds", [-315_576_000, -54_001, 54_001, 100_000])
def test_a_clock_far_off_is_set_first_and_by_what_it_is_off(seconds: int) -> None:
    finding = found("time.skew", FLANNEL_2022, off_by(seconds))
    told = re.search(r"Set-Date -Adjust \(New-TimeSpan -Days (-?\d+) -Seconds (-?\d+)\)", finding.remedy)
    assert told is not None
    assert timedelta(days=int(told[1]), seconds=int(told[2])) == timedelta(seconds=-seconds)
    assert finding.remedy.index("Set-Date") < finding.remedy.index("w32tm /resync")
    assert "battery" in finding.remedy


def test_a_clock_that_w32time_may_correct_is_left_to_it() -> None:
    remedy = found("time.skew", FLANNEL_2022, off_by(-900)).remedy
    assert "Set-Date -Adjust" not in remedy and "w32tm /resync" in remedy


@pytest.mark.parametrize(("seconds", "looks"), [(-900, "not yet valid"), (900, "expired")])
def test_it_says_why_a_wrong_clock_stops_the_kubelet(seconds: int, looks: str) -> None:
    assert f"certificates may look {looks} there" in found("time.skew", FLANNEL_2022, off_by(seconds)).message


def test_a_program_that_nssm_cannot_start_is_restored() -> None:
    ended = service("kubelet", state="Stopped", exit_code=1066, service_exit_code=3)
    finding = found("kubelet.nssm-paused", CLASSIC_2019, ended, fields(Kubelet, program=""))
    assert r"The program C:\k\kubelet.exe that nssm starts as kubelet is not there" in finding.message
    assert r"-ExclusionPath 'C:\k'" in finding.remedy and "Start-Service kubelet" in finding.remedy


def test_a_program_that_is_there_keeps_its_last_words() -> None:
    line = 'E0102 03:04:05.0 412 run.go:72] "command failed" err="open C:\\k\\kubelet.exe: no"'
    logs = NodeLogs((LogTail("kubelet", r"C:\k\kubelet.log", None, line),))
    paused = service("kubelet", state="Paused")
    finding = found(
        "kubelet.nssm-paused", FLANNEL_2022, paused, fields(NodeLogs, logs=logs.logs), fields(Kubelet)
    )
    assert "its last words" in finding.message and "AppStderr" in finding.remedy


def test_a_program_that_is_there_and_cannot_be_started_is_not_called_missing() -> None:
    ended = service("kubelet", state="Stopped", exit_code=1066, service_exit_code=3)
    finding = found("kubelet.nssm-paused", CLASSIC_2019, ended)
    assert "is not there" not in finding.message and "event 1010" in finding.message


@pytest.mark.parametrize(("port", "doubted"), [(5895, True), (5985, False), (5986, False)])
def test_a_port_with_its_digits_changed_is_doubted_before_the_firewall(port: int, doubted: bool) -> None:
    tried = Attempt(
        "winrm", f"http://10.0.1.21:{port}", "connect", "unreachable", "filtered", "No.", "Open it."
    )
    remedy = found("reach.winrm.port", FLANNEL_2022, fields(Access, attempts=(tried,), hello=None)).remedy
    assert remedy.endswith("Open it.")
    assert remedy.startswith(f"Port {port} is neither 5985 nor 5986") is doubted
