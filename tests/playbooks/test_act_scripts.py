"""What the acts' scripts may contain, and that what is sent is whole."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from facts.collector.wire import script_text
from playbooks.node_side import noted
from playbooks.step import steps

PLAYBOOKS = Path(str(resources.files("playbooks")))
SCRIPTS = sorted(PLAYBOOKS.rglob("*.ps1"))
FACTS_ALLOWED = resources.files("facts.collector").joinpath("allowed_members.txt").read_text("ascii")
ALLOWED = resources.files("playbooks").joinpath("allowed_members.txt").read_text("ascii")


def listed(text: str) -> set[str]:
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def test_every_script_belongs_to_a_step_or_to_the_journal() -> None:
    used = {name for s in steps().values() for name in (s.script, s.undo) if name}
    assert {p.name for p in SCRIPTS} == used | {
        "node_folder.ps1",
        "node_journal.ps1",
        "node_journal_read.ps1",
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_script_is_ascii(path: Path) -> None:
    assert path.read_bytes().isascii()


@pytest.mark.pwsh
def test_scripts_are_windows_powershell_5_1_alone_and_as_they_are_sent(pwsh: str, tmp_path: Path) -> None:
    sent = []
    for step in steps().values():
        for name, text in ((step.script, step.text()), (step.undo, step.undo_text())):
            if text:
                sent.append(tmp_path / name)
                sent[-1].write_text(text, "ascii")
    line = [pwsh, "-Syntax", *map(str, SCRIPTS), *map(str, sorted(set(sent)))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.pwsh
def test_scripts_use_only_listed_members_and_the_list_has_no_more(pwsh: str, tmp_path: Path) -> None:
    probe = Path(__file__).parents[1] / "facts" / "members.ps1"
    runner = tmp_path / "run.ps1"
    runner.write_text(f"& '{probe}' -paths {','.join(f'{chr(39)}{p}{chr(39)}' for p in SCRIPTS)}\n")
    line = [pwsh, "-NoProfile", "-File", str(runner)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    used = {member for text in done.stdout.splitlines() for member in json.loads(text)["members"]}
    own = listed(ALLOWED)
    assert used - own - listed(FACTS_ALLOWED) == set(), "not on the lists of .NET Framework 4.7.2 members"
    assert own - used == set(), "on the list and used by nobody"


def test_an_act_writes_down_what_there_was_before_its_first_change() -> None:
    for name in {s.script for s in steps().values()}:
        text = script_text(name, "playbooks.remedies")
        before, _, after = text.partition("Save-Before")
        changes = ("Set-", "New-", "Enable-", "Disable-", "Start-", "Stop-", "Remove-", "Add-")
        assert after and not any(word in before for word in changes), name


def test_the_act_is_sent_within_the_journal_and_undo_of_nothing_is_nothing() -> None:
    text = noted("'the act'")
    assert text.endswith("Invoke-Noted {\n'the act'\n}") and "function Save-Before" in text
