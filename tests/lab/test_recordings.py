"""Recordings: what was asked of the engine once is answered without it, dated for another day."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from winkit import PASSWORD, USER, a_machine

from facts.collector.wire import (
    Answered,
    Asked,
    Done,
    HelloLine,
    Reader,
    command,
    script_text,
    standard_input,
)
from lab.windows import Credentials, WindowsNode, recordings
from lab.windows.commands import parse, split
from lab.windows.recorder import record, record_text
from lab.windows.recordings import EPOCH, Recorded, Store, question_key, seen, text_key
from lab.windows.replay import NOT_RECORDED, ReplayRun
from lab.windows.times import levelled, shifted
from lab.world.machine import File, Machine

DAY = 86_400.0


class StillClock:
    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self.waited: list[float] = []

    def now(self) -> float:
        return self.epoch + 60

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waited.append(seconds)
        return stop.is_set()


def bootstrap() -> str:
    wanted = parse(split(command()))
    assert wanted is not None
    return wanted.text


def heard(
    machine: Machine, store: Store, questions: list[Asked], clock: StillClock, **more: Any
) -> dict[str, Any]:
    """Answers by id (value, or the error's type), from a node that has no engine."""
    node = WindowsNode(
        machine,
        Credentials(USER, PASSWORD),
        clock=clock,
        use_engine=False,
        replay=lambda text, state, time, change: ReplayRun(text, state, time, change, store),
        **more,
    )
    run = node.run(split(command()))
    for line in standard_input(questions).splitlines(keepends=True):
        run.write(line)  # standard input stays open: the marker line is the end
    reader, answers = Reader(), {}
    while (output := run.take(1 << 20, 20)) is not None:
        for _, data in output.chunks:
            for one in reader.feed(data):
                if isinstance(one, Answered):
                    error = one.answer.error
                    answers[one.id] = error.type if error else json.loads(bytes(one.answer.value))
                elif isinstance(one, HelloLine):
                    answers["hello"] = one
                elif isinstance(one, Done):
                    answers["done"] = one.count
        if output.exit_code is not None:
            break
    node.stop()
    return answers


# -- times


def test_times_near_the_moment_move_and_others_stay() -> None:
    text = json.dumps(
        "2025-12-31T23:59:58.5Z E1231 23:59:59.000001 1 x.go] a\nI0101 00:00:01.000001 "
        "1767225600000000000 notAfter 2049-01-01T00:00:00Z 12345678901234567890 F0F0101 00:00:00.000000"
    )
    moved = json.loads(shifted(text, EPOCH, 2 * DAY + 0.2))
    assert moved == (
        "2026-01-02T23:59:58.5Z E0102 23:59:59.000001 1 x.go] a\nI0103 00:00:01.000001 "
        "1767398400000000000 notAfter 2049-01-01T00:00:00Z 12345678901234567890 F0F0101 00:00:00.000000"
    )
    assert levelled(moved, EPOCH) == levelled(json.loads(text), EPOCH)


# -- what an answer depends on


def changed(machine: Machine, **fields: Any) -> Machine:
    for name, value in fields.items():
        setattr(machine, name, value)
    return machine


def test_an_answer_holds_where_what_it_looked_at_is_the_same(machine: Machine) -> None:
    looked = {look: seen(machine, look, EPOCH) for look in ("field hns", "path C:\\ETC\\cni\\net.d\\*.conf")}
    store = Store()
    store.add("q", Recorded(looked, store.text('{"value":1}')))
    other = changed(a_machine(), processes=[], dns_suffixes=[])
    other.services["hns"].started = 5.0
    assert store.find("q", other, EPOCH + DAY) is not None
    other.hns.networks[0]["Name"] = "flannel.1"
    assert store.find("q", other, EPOCH) is None
    other = a_machine()
    other.files["C:\\etc\\cni\\net.d\\20-other.conf"] = File("{}")
    assert store.find("q", other, EPOCH) is None


def test_file_times_are_not_compared(machine: Machine) -> None:
    later = a_machine()
    machine.files["C:\\k\\x.log"] = File("I0101 00:00:00.000000 1 main.go] started 2026-01-01T00:00:00Z\n")
    later.files["C:\\k\\x.log"] = File("I0201 00:00:00.000000 1 main.go] started 2026-02-01T00:00:00Z\n")
    look = "path C:\\k\\x.log"
    assert seen(machine, look, EPOCH) == seen(later, look, EPOCH + 31 * DAY)
    later.files["C:\\k\\x.log"].text += "more\n"
    assert seen(machine, look, EPOCH) != seen(later, look, EPOCH + 31 * DAY)


def test_a_clock_that_is_years_off_has_an_era_of_its_own(machine: Machine) -> None:
    later = a_machine()
    for one, day in ((machine, 1), (later, 3)):
        one.os.clock_offset = -10 * 365 * DAY
        one.files["C:\\k\\x.log"] = File(
            f"current time 2016-01-{day + 3:02}T12:00:00Z is before 2024-01-01T00:00:00Z"
        )
    look = "path C:\\k\\x.log"
    assert seen(machine, look, EPOCH) == seen(later, look, EPOCH + 2 * DAY)
    later.files["C:\\k\\x.log"] = File("current time 2016-01-04T12:00:00Z is before 2025-01-01T00:00:00Z")
    assert seen(machine, look, EPOCH) != seen(later, look, EPOCH)


def test_store_file(tmp_path: Path) -> None:
    store = Store()
    for key in ("a", "b"):
        store.add(key, Recorded({}, store.text("the same")))
    assert store.texts == ["the same"]
    store.save(tmp_path / "x" / "answers.xz")
    assert Store.load(tmp_path / "x" / "answers.xz") == store
    assert Store.load(tmp_path / "absent.xz") == Store()


# -- replay


def test_what_was_not_recorded_says_so(machine: Machine) -> None:
    answers = heard(machine, Store(), [Asked("one", "1 + 1")], StillClock(EPOCH))
    assert answers["one"] == NOT_RECORDED
    assert answers["done"] == 1
    hello = answers["hello"]
    assert (hello.language, hello.elevated, hello.version) == ("FullLanguage", True, "5.1.17763.5830")


def test_a_hanging_command_costs_its_question_the_deadline(machine: Machine) -> None:
    collector = script_text("collector.ps1", "facts.collector")
    store, asked = Store(), [Asked("slow", "Get-HnsNetwork", seconds=7.0), Asked("quick", "1")]
    for one in asked:
        looked = (
            {"hang get-hnsnetwork": "", "field hns": seen(machine, "field hns", EPOCH)}
            if one.id == "slow"
            else {}
        )
        key = question_key(recordings.Question(one.id, one.script), collector)
        store.add(key, Recorded(looked, store.text('{"value":"fine"}')))
    clock = StillClock(EPOCH)
    assert heard(machine, store, asked, clock)["slow"] == "fine"
    machine.hung_questions = ["Get-HnsNetwork"]
    answers = heard(machine, store, asked, clock)
    assert (answers["slow"], answers["quick"], answers["done"]) == ("kwinnow.deadline", "fine", 2)
    assert clock.waited == [7.0]
    machine.hung_questions, machine.hns.hangs = [], True
    assert heard(machine, store, asked, clock)["slow"] == "kwinnow.deadline"


def test_other_scripts_are_known_by_text_and_input(machine: Machine) -> None:
    store = Store()
    store.add(
        text_key("'x'", b"in"), Recorded({}, store.text('{"out":"x at 2026-01-01T00:00:00Z","code":3}'))
    )
    for data, out, code in ((b"in", b"x at 2026-01-02T00:00:00Z", 3), (b"other", b"", 1)):
        run = ReplayRun("'x'", machine, StillClock(EPOCH + DAY), lambda _: None, store)
        run.write(data)
        run.close_input()
        assert run.wait(10)
        output = run.take(1000, 1)
        assert output is not None
        assert b"".join(chunk for stream, chunk in output.chunks if stream == "stdout") == out
        assert output.exit_code == code


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_recorded_by_the_engine_and_replayed_on_another_day(machine: Machine) -> None:
    questions = [
        Asked("boot", "Format-Utc (Get-CimInstance Win32_OperatingSystem).LastBootUpTime"),
        Asked("hns", "@(HostNetworkingService\\Get-HnsNetwork | ForEach-Object { $_.Name })"),
        Asked("file", "Read-Text $p.path", {"path": "C:\\run\\flannel\\subnet.env"}),
        Asked("none", "Get-Item C:\\nope"),
        Asked("program", "Read-Native 'C:\\Program Files\\containerd\\containerd.exe' @('--version')"),
    ]
    said: list[str] = []
    store = record([machine], bootstrap(), [standard_input(questions)], Store(), said.append)
    assert len(said) == 1
    answers = heard(a_machine(), store, questions, StillClock(EPOCH + 10 * DAY))
    assert answers["boot"].startswith("2026-01-10T00:00:00")
    assert answers["hns"] == "flannel.4096"
    assert answers["file"] == "FLANNEL_MTU=1450\n"
    assert answers["none"] != NOT_RECORDED
    assert answers["program"] == "containerd github.com/containerd/containerd v1.7.1"
    other = a_machine()
    other.files["C:\\run\\flannel\\subnet.env"].text = "FLANNEL_MTU=1400\n"
    answers = heard(other, store, questions, StillClock(EPOCH))
    assert (answers["file"], answers["hns"]) == (NOT_RECORDED, "flannel.4096")
    store = record([machine, other], bootstrap(), [standard_input(questions)], store, said.append)
    assert said[1:] == ["win-1: file"]


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_a_recorded_act_changes_the_machine(machine: Machine) -> None:
    act = [Asked("act", "Stop-Service containerd -Force; Remove-Item C:\\run\\flannel\\subnet.env; "
                         "Set-Content -Path C:\\k\\note.txt -Value '2026-01-01T00:00:00Z'; 'done'")]  # fmt: skip
    store = record([machine], bootstrap(), [standard_input(act)], Store(), lambda _: None)
    told: list[Machine] = []
    assert heard(a_machine(), store, act, StillClock(EPOCH + DAY), on_change=told.append)["act"] == "done"
    assert told[0].services["containerd"].state == "Stopped"
    assert told[0].services["kubelet"].state == "Stopped"
    assert "C:\\run\\flannel\\subnet.env" not in told[0].files
    assert told[0].files["C:\\k\\note.txt"].text.strip() == "2026-01-02T00:00:00Z"


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_constrained_language_mode_is_recorded_as_plain_lines(machine: Machine) -> None:
    machine.os.language_mode = "ConstrainedLanguage"
    store = record([machine], bootstrap(), [standard_input([Asked("one", "1")])], Store(), lambda _: None)
    answers = heard(machine, store, [Asked("one", "1")], StillClock(EPOCH + DAY))
    assert answers["hello"].language == "ConstrainedLanguage"
    assert {service["name"] for service in answers["services"]["services"]} >= {"hns", "kubelet"}


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
def test_any_script_can_be_recorded(machine: Machine) -> None:
    store = Store()
    record_text(machine, "'got ' + [Console]::In.ReadLine(); exit 4", b"a line\n", store)
    run = ReplayRun(
        "'got ' + [Console]::In.ReadLine(); exit 4", machine, StillClock(EPOCH), lambda _: None, store
    )
    run.write(b"a line\n")
    run.close_input()
    assert run.wait(10)
    output = run.take(1000, 1)
    assert output is not None
    assert (output.chunks, output.exit_code) == ([("stdout", b"got a line\n")], 4)
