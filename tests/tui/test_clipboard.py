"""Copying: OSC 52 over SSH, a native tool elsewhere, a file always; and what is copied."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from consolekit import session_with

from checks.edits import service
from checks.engine import judge
from tui.clipboard import copy, remote
from tui.markdown import fenced, finding_markdown


def tool(folder: Path, ends: int) -> Path:
    """A clipboard tool that keeps what it was given."""
    folder.mkdir(exist_ok=True)
    file = folder / "xclip"
    file.write_text(f"#!/bin/sh\n/bin/cat > {folder}/got\nexit {ends}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_over_ssh_the_terminal_is_asked_even_where_a_tool_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path / "bin", 0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    sent: list[str] = []
    done = copy("a\nb\n", sent.append, "x", {"SSH_TTY": "/dev/pts/1"})
    assert sent == ["a\nb\n"] and not (tmp_path / "bin" / "got").exists()
    assert str(done).startswith("Copied 2 lines by OSC 52") and str(done.file) in str(done)


def test_a_native_tool_is_taken_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "bin", 0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    sent: list[str] = []
    done = copy("one", sent.append, "x", {})
    assert sent == [] and (tmp_path / "bin" / "got").read_text() == "one"
    assert "1 line with xclip" in str(done)


def test_a_tool_that_fails_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "bin", 1)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    sent: list[str] = []
    assert "OSC 52" in str(copy("one", sent.append, "x", {}))
    assert sent == ["one"]


def test_the_file_is_there_for_its_owner_alone(state: Path) -> None:
    done = copy("text", lambda _: None, "a/../b:c", {})
    assert done.file is not None and done.file.parent == state / "copied"
    assert done.file.read_text() == "text" and done.file.stat().st_mode & 0o077 == 0


def test_without_a_writable_place_it_says_nothing_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KWINNOW_STATE", str(tmp_path / "file"))
    done = copy("text", lambda _: None, "x", {})
    assert done.file is None and "also in" not in str(done)


@pytest.mark.parametrize(
    ("environ", "far"), [({}, False), ({"SSH_CONNECTION": "1 2 3 4"}, True), ({"SSH_TTY": ""}, False)]
)
def test_ssh_is_told_by_its_variables(environ: dict[str, str], far: bool) -> None:
    assert remote(environ) is far


@pytest.mark.parametrize("text", ["plain", "```\nclose me\n```", "a ```` b"])
def test_a_code_block_cannot_be_closed_from_inside(text: str) -> None:
    first, *_, last = fenced(text).splitlines()
    assert first == last and set(first) == {"`"} and first not in text


def test_a_finding_as_markdown_has_all_that_a_ticket_needs() -> None:
    report = judge(session_with(service("containerd", state="Stopped", pid=0, node="win-1")))
    finding = next(f for f in report.findings if f.id == "runtime.containerd.stopped")
    text = finding_markdown(finding, report, "prod", "https://api:6443")
    for part in (finding.id, "win-1", "`prod`", "https://api:6443", finding.message, finding.remedy):
        assert part in text
    for evidence in finding.evidence:
        assert evidence.fact in text and evidence.source in text and evidence.excerpt in text


def test_what_is_copied_in_a_practice_cluster_outlives_it(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab.practice import Practice
    from tui.words.lab import _environment

    monkeypatch.delenv("KWINNOW_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of-the-person"))
    monkeypatch.setenv("HOME", str(tmp_path / "of-the-person"))
    practice = Practice()
    try:
        environment = _environment(practice)
        for name in ("KWINNOW_STATE", "KWINNOW_KEPT"):
            monkeypatch.setenv(name, environment[name])
        done = copy("text", lambda _: None, "x", {})
    finally:
        practice.stop()
    assert done.file is not None and done.file.read_text() == "text", "it is still there"
    assert str(done.file) in str(done), "and the person was told where"
