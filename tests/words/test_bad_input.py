"""Bad input and bad luck on the command line: one clear sentence with the fix, the right exit code, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def kwinnow(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: exit codes and stderr are what a script sees."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "tui.cli", *words]
    return subprocess.run(
        program, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A good kubeconfig of a server that is not there."""
    path = tmp_path / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "canary-token-value"}}],
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


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


def test_output_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", "checks"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, ""), "neither healthy nor a finding"
