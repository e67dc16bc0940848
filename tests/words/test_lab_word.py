"""`kwinnow lab` as people type it: lists, a command in the cluster, planting from a second shell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lab.control import Control
from lab.practice import Practice

KWINNOW = [sys.executable, "-m", "tui.cli"]
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "docs" / "schemas" / "lab-running.json"


def kwinnow(
    *words: str, state: Path, timeout: float = 100, engine: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KWINNOW_LAB_STATE": str(state)}
    if not engine:
        environment |= {"KWINNOW_PWSH": "", "PATH": str(state)}
    return subprocess.run(
        [*KWINNOW, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_how_to_reach_the_cluster_as_json(tmp_path: Path) -> None:
    words = [*KWINNOW, "lab", "--no-console", "--json", "--plant", "runtime.containerd.stopped"]
    environment = os.environ | {"KWINNOW_LAB_STATE": str(tmp_path)}
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stdout is not None and lab.stderr is not None
        try:
            while "Ctrl-C" not in (line := lab.stderr.readline()):  # said last, when all is printed
                assert line
        finally:
            lab.send_signal(signal.SIGTERM)
        document = json.load(lab.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert document["planted"] == ["runtime.containerd.stopped"]


def test_lists(tmp_path: Path) -> None:
    lists = json.loads(kwinnow("lab", "--list", "--json", state=tmp_path).stdout)
    assert set(lists) == {"scenarios", "faults", "questions", "conditions"}
    assert {"flannel-2019", "flannel-2022", "classic-2019"} <= set(lists["scenarios"])
    assert all(f["id"] for f in lists["faults"]) and all(q["id"] and q["ask"] for q in lists["questions"])


def test_a_command_gets_the_cluster_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    program = (
        "import os, shutil, sys; "
        "ok = all(os.environ.get(n) for n in ('KUBECONFIG', 'KWINNOW_CONFIG', 'KWINNOW_PASSWORD')); "
        "sys.exit(7 if ok and shutil.which('kwinnow') else 1)"
    )
    done = kwinnow("lab", "--", sys.executable, "-c", program, state=tmp_path)
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--plant", "cni.flannel.vnii", "--", "true"), "Did you mean cni.flannel.vni"),
        (("--scenario", "flannel-2016", "--", "true"), "flannel-2016"),
        (("--unplant", "cni.flannel.vni"), "No practice cluster runs"),
        (("--", "no-such-program"), "There is no program no-such-program"),
    ],
)
def test_wrong_words_are_told(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = kwinnow("lab", *words, state=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr


_IN = r"(?m)^{} the practice cluster flannel-2022 at https://127\.0\.0\.1:\d+: {}$"


def test_planting_from_a_second_shell(tmp_path: Path) -> None:
    environment = os.environ | {"KWINNOW_LAB_STATE": str(tmp_path)}
    first = subprocess.Popen(
        [*KWINNOW, "lab", "--no-console"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert first.stdout is not None
        assert b"practice cluster flannel-2022" in first.stdout.readline()
        second = kwinnow("lab", "--plant", "runtime.containerd.stopped", state=tmp_path)
        assert second.returncode == 0, second.stderr
        assert re.search(_IN.format("planted in", "runtime.containerd.stopped"), second.stderr)
        third = kwinnow("lab", "--unplant", "runtime.containerd.stopped", state=tmp_path)
        assert third.returncode == 0, third.stderr
        assert re.search(_IN.format("taken out of", "runtime.containerd.stopped"), third.stderr)
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0


def test_a_mix_that_the_recordings_do_not_hold_is_owned_up_to(tmp_path: Path) -> None:
    """At the start, and when a second shell plants more; with one fault there is nothing to say."""
    says = "recordings, which know this mix only in part"
    plants = ("--plant", "time.w32time", "--plant", "image.pause.pulled")
    run = ("--", sys.executable, "-c", "print('ran')")
    done = kwinnow("lab", *plants, *run, state=tmp_path, engine=False)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    assert says in done.stderr and "PowerShell 7 (pwsh) on PATH" in done.stderr
    assert says not in kwinnow("lab", *plants[:2], *run, state=tmp_path, engine=False).stderr
    with Practice("flannel-2022", use_engine=False) as practice, Control(practice, tmp_path):
        assert says not in kwinnow("lab", *plants[:2], state=tmp_path).stderr
        assert says in kwinnow("lab", *plants[2:], state=tmp_path).stderr
        assert says not in kwinnow("lab", "--unplant", "time.w32time", state=tmp_path).stderr
