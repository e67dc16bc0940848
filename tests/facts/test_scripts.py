"""What the scripts may contain, read from their text and their syntax trees."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
from importlib import resources
from pathlib import Path

import pytest
from nodekit import node_questions

from facts.collector.hashes import script_hashes
from facts.collector.wire import COMMAND_LIMIT, LINE, Asked, command, script_text, standard_input

FACT_SCRIPTS = sorted(Path(str(resources.files("facts.node.scripts"))).glob("*.ps1"))
COLLECTOR = sorted(Path(str(resources.files("facts.collector"))).glob("*.ps1"))
SCRIPTS = FACT_SCRIPTS + COLLECTOR
ALLOWED = resources.files("facts.collector").joinpath("allowed_members.txt").read_text("ascii")
READING = {
    "Add",
    "Find",
    "ForEach",
    "Format",
    "Get",
    "Hide",
    "Out",
    "Read",
    "Select",
    "Sort",
    "Test",
    "Where",
}
READING |= {"ConvertFrom", "ConvertTo", "New"}  # New-Object alone, see below
NOT_VERBS = {"", "chcp.com", "whoami.exe", "netsh.exe"}


def test_every_node_fact_has_its_script_and_every_script_its_fact() -> None:
    assert {q.script for q in node_questions()} == {p.name for p in FACT_SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_script_is_ascii(path: Path) -> None:
    assert path.read_bytes().isascii()


@pytest.mark.pwsh
def test_every_script_is_windows_powershell_5_1(pwsh: str) -> None:
    done = subprocess.run([pwsh, "-Syntax", *map(str, SCRIPTS)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def trees(pwsh: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """Script name → members, commands, functions."""
    probe = Path(__file__).with_name("members.ps1")
    runner = tmp_path_factory.mktemp("trees") / "run.ps1"
    listed = ",".join(f"'{p}'" for p in SCRIPTS)
    runner.write_text(f"& '{probe}' -paths {listed}\n")
    line = [pwsh, "-NoProfile", "-File", str(runner)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    found = [json.loads(text) for text in done.stdout.splitlines()]
    return {Path(tree["path"]).name: tree for tree in found}


@pytest.mark.pwsh
def test_scripts_use_only_listed_members_and_the_list_has_no_more(
    trees: dict[str, dict[str, list[str]]],
) -> None:
    used = {member for tree in trees.values() for member in tree["members"]}
    allowed = {line for line in ALLOWED.splitlines() if line and not line.startswith("#")}
    assert used - allowed == set(), "not on the list of .NET Framework 4.7.2 members"
    assert allowed - used == set(), "on the list and used by nobody"


@pytest.mark.pwsh
def test_fact_scripts_change_nothing(trees: dict[str, dict[str, list[str]]]) -> None:
    for path in FACT_SCRIPTS:
        tree = trees[path.name]
        for name in set(tree["commands"]) - set(tree["functions"]) - NOT_VERBS:
            verb = name.partition("-")[0]
            assert verb in READING, f"{path.name} calls {name}"
            assert verb != "New" or name == "New-Object", f"{path.name} calls {name}"
            assert verb != "Add", f"{path.name} calls {name}"


@pytest.mark.pwsh
def test_a_firewall_rule_is_asked_for_only_by_its_port_filter(trees: dict[str, dict[str, list[str]]]) -> None:
    text = script_text("firewall.ps1")
    assert len(re.findall("Get-NetFirewallRule", text)) == 1
    assert "$filter | Get-NetFirewallRule" in text


def test_the_bootstrap_fits_a_command_line_and_the_rest_its_lines() -> None:
    assert len(script_text("bootstrap.ps1", "facts.collector")) <= COMMAND_LIMIT
    assert len(command()) < 8191
    assert max(map(len, standard_input([]).decode("ascii").splitlines())) <= LINE


def test_hashes_are_of_what_is_sent() -> None:
    hashes = script_hashes()
    assert set(hashes) == {p.name for p in SCRIPTS}
    sent = script_text("hns.ps1")
    assert sent.encode() in sent_bytes(sent)
    assert hashes["hns.ps1"] == hashlib.sha256(sent.encode()).hexdigest()


def sent_bytes(script: str) -> bytes:
    """The payload's JSON of one question, as it is packed."""
    lines = standard_input([Asked("x", script)]).decode("ascii").splitlines()
    packed = base64.b64decode("".join(lines[lines.index("#payload") + 1 : -1]))
    document = json.loads(gzip.decompress(packed))
    return str(document["questions"][0]["script"]).encode()
