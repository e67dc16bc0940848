"""Bad input and bad luck on the command line: one clear sentence with the fix, the right exit code, no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wordkit import Kwinnow, kubeconfig_of, kwinnow

from facts.examples import FLANNEL_2022, path_of


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kwinnow:
    return Kwinnow(monkeypatch, capsys)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A good kubeconfig of a server that is not there."""
    return kubeconfig_of("https://127.0.0.1:1", tmp_path)


@pytest.mark.parametrize("content", [None, "", "just words", "contexts: []"])
def test_kubeconfig_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kc"
    if content is not None:
        path.write_text(content, "utf-8")
    done = kwinnow("check", "--kubeconfig", str(path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr and "Traceback" not in done.stderr


def test_unknown_context_names_the_nearest(kubeconfig: Path, tmp_path: Path) -> None:
    done = kwinnow("check", "--kubeconfig", str(kubeconfig), "--context", "prd", cwd=tmp_path)
    assert done.returncode == 2
    assert "prod" in done.stderr


def test_server_that_is_gone_is_a_finding_and_everything_else_is_unknown(
    kubeconfig: Path, tmp_path: Path
) -> None:
    done = kwinnow("check", "--kubeconfig", str(kubeconfig), cwd=tmp_path)
    assert done.returncode == 1
    assert "reach.api.unreachable" in done.stdout and "connection refused" in done.stdout
    listed = kwinnow("nodes", "--kubeconfig", str(kubeconfig), cwd=tmp_path)
    assert listed.returncode == 3
    assert "canary-token-value" not in done.stdout + done.stderr + listed.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[nodes]]\nmatch = "win-*"\nusr = "x"\n', "Did you mean “user”?"),
        ('[[nodes]]\nmatch = "win-*"\nport = "5986"\n', "port"),
        ('[[nodes]]\nmatch = "win-["\n', "win-["),
        ("[[nodes\n", "config.toml"),
        ('[[nodes]]\nmatch = "*"\npassword = "hunter2"\n', "password"),
    ],
)
def test_configuration_that_is_wrong(kubeconfig: Path, tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text, "utf-8")
    done = kwinnow("check", "--kubeconfig", str(kubeconfig), "--config", str(config), cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr and "hunter2" not in done.stderr


def test_output_that_nobody_reads(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = kwinnow("checks", cwd=tmp_path, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, ""), "neither healthy nor a finding"


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
RECORDING = str(path_of(FLANNEL_2022))


@needs_full
@pytest.mark.parametrize(
    "words",
    [
        ("checks",),
        ("check", "--open", RECORDING),
        ("check", "--json", "--open", RECORDING),
        ("nodes", "--json", "--open", RECORDING),
        ("lab", "--list", "--json"),
        ("--help",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with FULL.open("w") as full:
        done = kwinnow(*words, cwd=tmp_path, stdout=full)
    assert (done.returncode, done.stderr) == (
        74,
        "kwinnow: The output could not be written: no space left on device.\n",
    ), "neither healthy nor a finding"


@needs_full
def test_narration_that_finds_no_room(tmp_path: Path) -> None:
    with FULL.open("w") as full:
        done = kwinnow("check", "--kubeconfig", "nowhere", cwd=tmp_path, stderr=full)
    assert (done.returncode, done.stdout) == (74, "")


@needs_full
def test_a_recording_that_finds_no_room_does_not_take_the_report_with_it(
    kubeconfig: Path, tmp_path: Path
) -> None:
    done = kwinnow("check", "--save", str(FULL), "--kubeconfig", str(kubeconfig), cwd=tmp_path)
    assert done.returncode == 74
    assert "reach.api.unreachable" in done.stdout
    assert (
        done.stderr == f"kwinnow: The recording {FULL} could not be written whole: no space left on device.\n"
    )


@pytest.mark.parametrize("option", ["--save", "--open", "--kubeconfig"])
def test_a_file_name_that_is_empty(run: Kwinnow, option: str) -> None:
    done = run("check", option, "")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"kwinnow: {option} is given an empty name.\n         Name a file, or leave it out.\n"


def test_a_folder_is_no_recording(run: Kwinnow, kubeconfig: Path, tmp_path: Path) -> None:
    done = run("check", "--save", tmp_path, "--kubeconfig", kubeconfig)
    assert (done.code, done.out) == (2, "")
    assert f"{tmp_path} cannot be written: is a directory." in done.err and "Name a file in it." in done.err
    assert "Usage:" not in done.err


def test_a_kubeconfig_that_may_not_be_read(
    run: Kwinnow, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system tells it to one who is not root."""

    read = Path.read_text

    def denied(path: Path, encoding: str | None = None) -> str:
        if path == kubeconfig:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, encoding)

    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(Path, "read_text", denied)
    done = run("check", "--kubeconfig", kubeconfig)
    assert (done.code, done.out) == (2, "")
    assert f"{kubeconfig} cannot be read: permission denied." in done.err and "ls -l" in done.err
    assert "Usage:" not in done.err


@pytest.mark.parametrize(
    "words", [("--context", "prod"), ("--kubeconfig", "kc"), ("--save", "again.kwr")], ids=" ".join
)
def test_a_recording_and_a_cluster_are_one_too_many(run: Kwinnow, words: tuple[str, ...]) -> None:
    done = run("check", "--open", RECORDING, *words)
    assert (done.code, done.out) == (2, "")
    assert f"leave out {words[0]}, or --open" in done.err


def test_the_console_on_a_recording_takes_no_context(tmp_path: Path) -> None:
    """It is told apart before a terminal is looked for."""
    done = kwinnow("--open", RECORDING, "--context", "prod", cwd=tmp_path)
    assert done.returncode == 2 and "leave out --context, or --open" in done.stderr
