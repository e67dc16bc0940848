"""A second shell finds the practice cluster that runs, and loses none that is only slow."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab import control
from lab.control import ControlError, plant_in_running, running
from tui.cli import main_group


def note(folder: Path, port: int, pid: int | None = None) -> Path:
    file = folder / f"lab-{pid or os.getpid()}.json"
    file.write_text(json.dumps({"port": port, "token": "t", "scenario": "flannel-2022"}), "utf-8")
    return file


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "SECONDS", 0.2)


class Stranger(BaseHTTPRequestHandler):
    """Another program that has got the port of a cluster that is gone."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        return child.pid


@pytest.mark.usefixtures("impatient")
def test_a_busy_cluster_keeps_its_note_and_is_named_busy(tmp_path: Path, silent: int) -> None:
    file = note(tmp_path, silent)
    for ask in (running, lambda folder: plant_in_running("cni.none", folder=folder)):
        with pytest.raises(ControlError, match=rf"process {os.getpid()} is busy.*Try again"):
            ask(tmp_path)
    assert file.exists()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("words", [("--plant", "cni.none"), ("--unplant", "cni.none")])
def test_planting_beside_a_busy_cluster_starts_no_second_one(
    tmp_path: Path, silent: int, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWINNOW_LAB_STATE", str(tmp_path))
    note(tmp_path, silent)
    done = CliRunner().invoke(main_group, ["lab", *words])
    assert done.exit_code != 0
    assert "is busy" in done.output


def test_the_note_of_a_cluster_that_is_gone_goes(tmp_path: Path, stranger: int) -> None:
    for port in (free_port(), stranger):
        file = note(tmp_path, port)
        assert running(tmp_path) is None
        assert not file.exists()


@pytest.mark.skipif(os.name == "nt", reason="a process's life is only looked at on POSIX")
@pytest.mark.usefixtures("impatient")
def test_a_dead_process_is_not_busy(tmp_path: Path, silent: int) -> None:
    file = note(tmp_path, silent, dead_process())
    assert running(tmp_path) is None
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"port": "x", "token": 1}'])
def test_a_file_that_is_no_note_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lab-1.json"
    file.write_text(text, "utf-8")
    assert running(tmp_path) is None
    assert file.exists()
