"""The command line on recordings: what it prints keeps to the schemas, and its exit codes mean what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from facts.examples import CLASSIC_2019, FLANNEL_2022, STACKS, path_of
from tui.cli import main_group
from tui.exit_codes import ExitCode

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def run(*words: str) -> Result:
    return CliRunner().invoke(main_group, list(words), standalone_mode=False)


def conforms(text: str, schema: str) -> Any:
    document = json.loads(text)
    rules = json.loads((SCHEMAS / f"{schema}.json").read_text("utf-8"))
    Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    return document


@pytest.mark.parametrize("stack", STACKS)
def test_check_of_a_healthy_recording(stack: str) -> None:
    done = run("check", "--json", "--open", str(path_of(stack)))
    document = conforms(done.stdout, "check")
    assert [f for f in document["findings"] if f["severity"] != "info"] == []
    assert done.return_value == ExitCode.HEALTHY
    assert document["counts"]["passed"] > 50


def test_nodes_facts_why_and_checks_keep_to_their_schemas() -> None:
    recording = str(path_of(FLANNEL_2022))
    nodes = conforms(run("nodes", "--json", "--open", recording).stdout, "nodes")["nodes"]
    windows = [n for n in nodes if n["os"] == "windows"]
    assert [n["way"] for n in windows] == ["winrm", "winrm"]
    facts = conforms(run("facts", "os", "hns", "--json", "--open", recording).stdout, "facts")["facts"]
    assert {(f["fact"], f["node"]) for f in facts} == {(f, n["name"]) for f in ("os", "hns") for n in windows}
    conforms(run("why", windows[0]["name"], "--json", "--open", recording).stdout, "why")
    conforms(run("checks", "--json").stdout, "checks")


def test_help_page_of_a_check() -> None:
    page = run("checks", "show", "cni.flannel.vni").stdout
    assert "Rule:" in page and "4096" in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("check", "--only", "cni.flannel.vnii"), "Did you mean cni.flannel.vni?"),
        (("check", "--only", "cnii"), "Did you mean cni?"),
        (("facts", "hnss"), "Did you mean hns?"),
        (("check", "--node", "win-x", "--open", str(path_of(CLASSIC_2019))), "no Windows node win-x"),
        (("check", "--open", "/nowhere/file"), "cannot be read"),
        (("check", "--open", __file__), "is not a recording"),
        (("fix", "cni.flannel.firewall-4789", "--node", "a", "--open", "x"), "cannot be mended"),
    ],
)
def test_wrong_usage_names_the_fix(words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.exception is not None
    assert says in str(done.exception), done.exception
