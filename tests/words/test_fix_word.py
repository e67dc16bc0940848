"""`kwinnow fix` on the practice cluster: what it prints, its exit codes, and that a dry run only looks."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from checks.check import load
from lab.practice import Practice
from playbooks.step import steps
from targets.errors import TargetError
from tui.cli import NOT_TOLD, main_group
from tui.exit_codes import ExitCode

STEP = "cni.flannel.firewall-4789"
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "fix.json"
needs_pwsh = pytest.mark.pwsh


def fix(*words: str, node: str = "win-1", step: str = STEP) -> Result:
    return CliRunner().invoke(main_group, ["fix", step, "--node", node, *words], standalone_mode=False)


def document(done: Result) -> Any:
    assert done.exception is None, done.exception
    told = json.loads(done.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(told)
    return told


def seen(practice: Practice) -> tuple[bytes, set[Any]]:
    """The nodes as they are once nothing runs on them, and which objects there are."""
    end = time.monotonic() + 60
    while running := [run for node in practice.nodes.values() for run in list(node._running)]:
        assert time.monotonic() < end, "a process on a node does not end"
        for run in running:
            run.wait(10)
    machines = {name: node.machine for name, node in practice.nodes.items()}
    return msgspec.json.encode(machines), set(practice.world.objects)


@needs_pwsh
def test_a_dry_run_shows_all_and_changes_nothing(practice: Practice, tmp_path: Path) -> None:
    practice.plant(STEP)
    before = seen(practice)
    done = fix("--dry-run", "--json")
    told = document(done)
    assert (done.return_value, told["mark"], told["plan"]["act"]) == (ExitCode.HEALTHY, "planned", "act")
    step = next(s for i, s in steps().items() if i == STEP)
    assert told["plan"]["script"] == step.text() and "function Save-Before" in told["plan"]["script"]
    parameters = told["plan"]["parameters"]
    assert parameters["port"] == 4789 and parameters["journal"]["run"] == told["run"] != ""
    for line in (*step.text().splitlines(), "win-1", step.blast_radius, step.undo_says):
        assert line in done.stderr
    assert seen(practice) == before and not (tmp_path / "state").exists()


@needs_pwsh
def test_done_nothing_left_to_do_and_undone(practice: Practice) -> None:
    practice.plant(STEP)
    done = fix("--yes", "--json")
    told = document(done)
    assert (done.return_value, told["mark"], told["outcome"]) == (ExitCode.HEALTHY, "done", "passed")
    again = fix("--yes", "--json")
    assert (again.return_value, document(again)["mark"]) == (ExitCode.HEALTHY, "nothing-to-do")
    looked = document(fix("--undo", "--dry-run", "--json"))
    assert (looked["mark"], looked["plan"]["act"], looked["run"]) == ("planned", "undo", told["run"])
    assert looked["plan"]["parameters"]["before"] == {"rule": "absent"}
    step = next(s for i, s in steps().items() if i == STEP)
    assert (looked["plan"]["does"], looked["plan"]["blast_radius"]) == (
        step.undo_says,
        step.undo_blast_radius,
    )
    assert f"kwinnow fix {STEP} --node win-1" in looked["plan"]["undo"]
    rows = {line[:14].strip(): line[14:] for line in fix("--undo", "--dry-run").stderr.splitlines()}
    assert rows["Does"] == step.undo_says and rows["Blast radius"].startswith(
        "Overlay traffic to this node stops"
    )
    assert "Run the step again" in rows["Go back"] and "Undo" not in rows
    undone = fix("--undo", "--yes", "--json")
    assert (undone.return_value, document(undone)["mark"]) == (ExitCode.HEALTHY, "undone")
    assert document(undone)["outcome"] == "found"
    nothing = fix("--undo", "--yes", "--json")
    assert (nothing.return_value, document(nothing)["mark"]) == (ExitCode.USAGE, "not-possible")


@needs_pwsh
def test_not_possible(practice: Practice) -> None:
    practice.plant(f"{STEP}:blocked")
    done = fix("--yes", "--json")
    told = document(done)
    assert (done.return_value, told["mark"]) == (ExitCode.FOUND, "not-possible")
    assert "a block wins" in told["why"]


@needs_pwsh
@pytest.mark.parametrize(("condition", "reason"), [("unreachable", "refuse"), ("clm", "Constrained")])
def test_a_node_that_cannot_tell(practice: Practice, condition: str, reason: str) -> None:
    practice.plant(condition)
    done = fix("--yes", "--json")
    told = document(done)
    assert (done.return_value, told["mark"]) == (ExitCode.UNKNOWN, "unknown")
    assert reason in told["why"]


@needs_pwsh
def test_an_undo_on_a_node_that_cannot_be_reached(practice: Practice) -> None:
    practice.plant("unreachable")
    error = fix("--undo", "--yes").exception
    assert isinstance(error, TargetError) and "win-1 cannot be reached" in str(error)
    assert error.kind in NOT_TOLD, "exit code 3"


@needs_pwsh
def test_a_wrong_node_and_a_read_only_context(practice: Practice) -> None:
    error = fix("--yes", node="win1").exception
    assert isinstance(error, TargetError) and "Did you mean win-1?" in str(error)
    config, text = practice.folder / "read-only.toml", practice.config.read_text()
    config.write_text(text.replace("read_only = false", "read_only = true"))
    practice.plant(STEP)
    before = seen(practice)
    for words in (("--yes",), ("--undo", "--yes")):
        error = fix(*words, "--config", str(config)).exception
        assert isinstance(error, TargetError) and "marked read_only" in str(error)
    assert fix("--dry-run", "--config", str(config)).return_value == ExitCode.HEALTHY
    assert seen(practice) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((STEP, "--node", "win-1"), "add --yes"),
        ((STEP, "--node", "win-1", "--undo"), "add --yes"),
        ((STEP, "--yes"), "exactly one node"),
        ((STEP, "--yes", "--node", "a", "--node", "b"), "exactly one node"),
        (("cni.flannel.firewall-4788", "--node", "a", "--yes"), f"Did you mean {STEP}?"),
        (
            ("cni.flannel.vnii", "--node", "a", "--yes"),
            "Did you mean cni.flannel.vni? No step mends that yet",
        ),
        (("zzz", "--node", "a", "--yes"), STEP),
    ],
)
def test_wrong_usage(words: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(main_group, ["fix", *words], standalone_mode=False)
    assert isinstance(done.exception, click.UsageError) and says in str(done.exception)


def test_a_check_without_a_step_is_not_led_to_the_step_of_another() -> None:
    """A step for another fault would be run on a node that does not have it."""
    words = ["fix", "cni.flannel.vni", "--node", "win-1", "--yes"]
    error = CliRunner().invoke(main_group, words, standalone_mode=False).exception
    assert isinstance(error, click.UsageError)
    remedy = next(c.remedy for i, c in load().items() if i == "cni.flannel.vni")
    assert "No step mends cni.flannel.vni yet" in str(error) and remedy and remedy in str(error)
    assert "kwinnow checks show cni.flannel.vni" in str(error)
    assert "Did you mean" not in str(error) and STEP not in str(error)
