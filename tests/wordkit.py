"""What the tests of the command line share: a kubeconfig of any server, and the words run as a script runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tui.cli import main

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "canary-token-value"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def kubeconfig_of(url: str, folder: Path, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """The kubeconfig of a server: context prod, cluster c, user u. `cluster` adds to the cluster entry."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url} | cluster}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


class Kwinnow:
    """`kwinnow` in this process: exit code, stdout and stderr as a script would see them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["kwinnow", *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)


def kwinnow(*words: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """In a process of its own. `more` goes to subprocess.run (stdout: a file of the test's own)."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "tui.cli", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        program, cwd=cwd, env=environment, text=True, timeout=60, check=False, **(pipes | more)
    )
