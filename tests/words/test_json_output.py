"""`--json` on everything that prints, and what it prints keeps to the schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from facts.examples import FLANNEL_2022, path_of
from tui.cli import main_group

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
RECORDING = ("--open", str(path_of(FLANNEL_2022)))
# The schema, and the words whose output it describes.
WORDS = {
    "check": ("check", *RECORDING),
    "checks": ("checks",),
    "checks-show": ("checks", "show", "cni.flannel.vni"),
    "completion": ("completion", "fish"),
    "facts": ("facts", "os", *RECORDING),
    "facts-list": ("facts", "--list"),
    "facts-scripts": ("facts", "--scripts"),
    "lab-list": ("lab", "--list"),
    "nodes": ("nodes", *RECORDING),
    "version": ("version",),
    "where": ("where",),
    "why": ("why", "win-1", *RECORDING),
}
ELSEWHERE = {"fix", "lab-running"}  # test_fix_word.py, test_lab_word.py: they need a practice cluster


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield before + name, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")


def test_every_word_that_prints_takes_json() -> None:
    without = [
        name
        for name, command in commands(main_group)
        if "--json" not in {o for p in command.params for o in p.opts}
    ]
    assert without == ["console"]


def test_every_schema_is_held_against_real_output() -> None:
    assert {file.stem for file in SCHEMAS.glob("*.json")} == set(WORDS) | ELSEWHERE


@pytest.mark.parametrize("schema", WORDS)
def test_what_is_printed_keeps_to_its_schema(schema: str) -> None:
    done = CliRunner().invoke(main_group, [*WORDS[schema], "--json"], standalone_mode=False)
    assert done.exception is None, done.exception
    rules = json.loads((SCHEMAS / f"{schema}.json").read_text("utf-8"))
    document = json.loads(done.stdout)
    Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    assert document


@pytest.mark.parametrize("words", [(), ("--", "true")])
def test_json_of_a_cluster_that_prints_nothing_is_refused(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main_group, ["lab", "--json", *words])
    assert done.exit_code == 2
    assert "--json goes with" in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--context", "prod"), "needs a terminal"),  # as `kwinnow` alone: the console
        (("--context", "prod", "nodes"), "behind the command: kwinnow nodes --context"),
        (("--contxt", "prod"), "--context"),
    ],
)
def test_options_before_a_word(words: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(main_group, list(words))
    assert done.exit_code == 2
    assert says in done.output
