"""`--probe` on the practice cluster: connections are tried, judged, recorded; without it there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from lab.practice import Practice
from tui.cli import main_group
from tui.exit_codes import ExitCode

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def run(*words: str) -> Result:
    return CliRunner().invoke(main_group, list(words), standalone_mode=False)


def document(done: Result, schema: str) -> Any:
    assert done.exception is None, done.exception
    told = json.loads(done.stdout)
    Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text("utf-8"))).validate(told)
    return told


def found(told: Any) -> list[tuple[str, str]]:
    return [(f["severity"], f["id"]) for f in told["findings"]]


@pytest.mark.pwsh
def test_healthy_nodes_show_only_what_is_so_by_design(practice: Practice, tmp_path: Path) -> None:
    record = tmp_path / "probed.kwr"
    done = run("check", "--json", "--probe", "--save", str(record))
    told = document(done, "check")
    assert done.return_value == ExitCode.HEALTHY
    assert {severity for severity, _ in found(told)} == {"info"}
    assert {"service.nodeport.loopback", "service.clusterip.from-host"} <= {i for _, i in found(told)}
    assert "service.nodeport.from-own-host" not in {i for _, i in found(told)}, "Server 2022 reaches its own"
    assert "24 connections tried from win-1, win-2" in done.stderr and "kube-dns port 9153" in done.stderr
    again = document(run("check", "--json", "--open", str(record)), "check")
    assert found(again) == found(told), "a recording holds what was tried"
    with pytest.raises(click.UsageError, match="nothing can be tried"):
        CliRunner().invoke(
            main_group,
            ["check", "--probe", "--open", str(record)],
            standalone_mode=False,
            catch_exceptions=False,
        )


@pytest.mark.pwsh
def test_a_filter_is_told_from_the_limit_of_windows(practice: Practice) -> None:
    practice.plant("service.nodeport.firewall")
    done = run("check", "--json", "--probe")
    told = document(done, "check")
    assert done.return_value == ExitCode.FOUND
    first = told["findings"][0]
    assert (first["severity"], first["id"], first["node"]) == ("warn", "service.nodeport.firewall", "win-1")
    assert "from other nodes: 10.0.1.21:30080 timeout" in json.dumps(first["evidence"])
    assert "service.nodeport.from-own-host" not in {i for _, i in found(told)}
    matrix = next(f for f in told["findings"] if f["id"] == "service.nodeport.matrix-seed")
    assert matrix["node"] == "win-2" and matrix["explained_by"] == [first["key"]]


@pytest.mark.pwsh
def test_facts_are_tried_only_where_somebody_asks(practice: Practice) -> None:
    told = document(run("facts", "flow_probes", "--json", "--node", "win-2"), "facts")["facts"]
    assert [(f["outcome"], f["value"]) for f in told] == [("not-applicable", None)]
    told = document(run("facts", "flow_probes", "--probe", "--json", "--node", "win-2"), "facts")["facts"]
    assert told[0]["source"] == "kwinnow facts flow_probes --node win-2 --probe", "what asks it again"
    own = next(f for f in told[0]["value"]["flows"] if f["purpose"] == "own-nodeport")
    assert (own["host"], own["outcome"], own["service"]) == ("10.0.1.22", "open", "shop/win-web-public")
