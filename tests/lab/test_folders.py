"""What a practice cluster leaves in the folder for temporary files, and who may remove it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab import folders
from lab.practice import Practice

HOLDS = "from lab.folders import Folder; f = Folder(); print(f.path, flush=True); input()"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("starts", [folders.sweep, lambda: Practice(use_engine=False).start().stop()])
def test_a_killed_clusters_folder_goes_and_a_living_ones_stays(place: Path, starts: object) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        env=os.environ | {"TMPDIR": str(place), "TEMP": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and callable(starts)
    with child:
        folder = Path(child.stdout.readline().strip())
        (folder / "kubeconfig").write_text("secret", "utf-8")
        starts()
        assert (folder / "kubeconfig").exists()
        child.kill()
    assert folder.exists()
    starts()
    assert not folder.exists()


def test_what_is_not_surely_ours_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_lock = place / f"{folders.PREFIX}abc"
    without_lock.mkdir()
    other = place / "other"
    other.mkdir()
    (other / folders.LOCK).touch()
    if os.name != "nt":
        (place / f"{folders.PREFIX}link").symlink_to(other)
    assert folders.sweep() == []
    if os.name != "nt":
        (without_lock / folders.LOCK).touch()
        monkeypatch.setattr(os, "getuid", lambda: without_lock.stat().st_uid + 1)
        assert folders.sweep() == []
    assert without_lock.exists() and (other / folders.LOCK).exists()


def test_a_cluster_leaves_nothing(place: Path) -> None:
    practice = Practice("flannel-2022", use_engine=False)
    assert [entry.name for entry in place.iterdir()] == [practice.folder.name], "nodes' folders are in it"
    practice.start().stop()
    assert list(place.iterdir()) == []
