"""The way by which a second shell reaches a practice cluster that runs: JSON over HTTP on the loopback.

Each running cluster leaves a file `lab-PID.json` (port and token, readable by its user alone) in the user's cache
folder. A file whose cluster is gone is removed by whoever notices; one whose cluster is only slow to answer stays.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import platformdirs

from lab.practice import Practice
from lab.practice_files import write_private

SECONDS = 5.0  # for the state
PLANTING_SECONDS = 60.0  # every model derives anew


def state_folder() -> Path:
    """Where running clusters are noted down."""
    return Path(os.environ.get("KWINNOW_LAB_STATE", "") or platformdirs.user_cache_path("kwinnow") / "lab")


class ControlError(Exception):
    """A sentence for people: no cluster runs, it refused, or it is busy."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, practice: Practice, token: str) -> None:
        self.practice = practice
        self.token = token
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the lab's terminal belongs to the console."""

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _allowed(self) -> bool:
        given = self.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            return True
        self._answer(403, {"error": "The token is wrong."})
        return False

    def _state(self) -> dict[str, Any]:
        practice = self.server.practice
        return {
            "scenario": practice.scenario,
            "planted": list(practice.planted),
            "server": practice.url,
            "caveat": practice.caveat,
            "environment": {
                k: v
                for k, v in practice.environment({}).items()
                if k in ("KUBECONFIG", "KWINNOW_CONFIG", "KWINNOW_PASSWORD")
            },
        }

    def do_GET(self) -> None:
        if self._allowed():
            self._answer(200, self._state())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self._allowed():
            return
        acts = {"/plant": self.server.practice.plant, "/unplant": self.server.practice.unplant}
        act = acts.get(self.path)
        try:
            name = json.loads(body)["name"]
        except (ValueError, KeyError, TypeError):
            name = None
        if act is None or not isinstance(name, str):
            self._answer(400, {"error": "Say what to plant."})
            return
        try:
            done = act(name)
        except (KeyError, ValueError) as error:
            self._answer(422, {"error": str(error.args[0])})
        else:
            self._answer(200, {"name": done, **self._state()})


class Control:
    """Listens for a practice cluster's second shells while it runs."""

    def __init__(self, practice: Practice, folder: Path | None = None) -> None:
        token = secrets.token_urlsafe(24)
        self._server = _Server(practice, token)
        self._file = (folder or state_folder()) / f"lab-{os.getpid()}.json"
        note = {"port": self._server.server_address[1], "token": token, "scenario": practice.scenario}
        self._note = json.dumps(note)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="lab-control", daemon=True
        )

    def __enter__(self) -> Control:
        write_private(self._file, self._note)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass(frozen=True)
class Remote:
    """A practice cluster that runs in another process, as its note tells."""

    port: int
    token: str
    note: Path

    def call(self, path: str, name: str = "") -> dict[str, Any]:
        """GET the state, or POST a name to /plant or /unplant. ControlError with the cluster's sentence."""
        seconds = PLANTING_SECONDS if name else SECONDS
        try:
            return self._call(path, name, seconds)
        except urllib.error.HTTPError as error:
            raise ControlError(_sentence(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if _refused(error):
                raise ControlError("The practice cluster has ended: start one with `kwinnow lab`.") from None
            raise ControlError(self._busy(seconds)) from None

    def lives(self) -> bool:
        """Whether the cluster is there at all. ControlError if it is and does not answer."""
        try:
            self._call("/state", "", SECONDS)
        except (urllib.error.HTTPError, http.client.BadStatusLine, ValueError) as error:
            # An answer, and not of this cluster, which knows its own token: the port is another program's by now.
            # A connection that was cut is no answer, though its error is a BadStatusLine too.
            if isinstance(error, http.client.RemoteDisconnected):
                raise ControlError(self._busy(SECONDS)) from None
            return False
        except (OSError, http.client.HTTPException) as error:
            # A process that listens never refuses, however busy it is.
            if _refused(error) or self._process_is_gone():
                return False
            raise ControlError(self._busy(SECONDS)) from None
        return True

    @property
    def _pid(self) -> str:
        return self.note.stem.removeprefix("lab-")

    def _process_is_gone(self) -> bool:
        if os.name == "nt" or not self._pid.isdecimal():  # on Windows os.kill would end the process
            return False
        try:
            os.kill(int(self._pid), 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass
        return False

    def _busy(self, seconds: float) -> str:
        return (
            f"The practice cluster of process {self._pid} is busy: it did not answer within {seconds:g} s. "
            f"Try again; if it stays busy, end that process, or remove {self.note} if it is no practice cluster."
        )

    def _call(self, path: str, name: str, seconds: float) -> dict[str, Any]:
        data = json.dumps({"name": name}).encode() if name else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Authorization": f"Bearer {self.token}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=seconds) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def _refused(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), ConnectionRefusedError)


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        said = json.load(error)
    except (OSError, ValueError):
        said = None
    text = said.get("error") if isinstance(said, dict) else None
    return str(text or f"The practice cluster answered {error.code}.")


def running(folder: Path | None = None) -> Remote | None:
    """The practice cluster that was started last and still runs. ControlError if it is busy.

    The note of a cluster that is gone is removed; a file that is no note is left alone.
    """
    notes: list[tuple[float, Remote]] = []
    for file in (folder or state_folder()).glob("lab-*.json"):
        try:
            note = json.loads(file.read_text(encoding="utf-8"))
            remote = Remote(int(note["port"]), str(note["token"]), file)
            notes.append((file.stat().st_mtime, remote))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for _, remote in sorted(notes, key=lambda note: note[0], reverse=True):
        if remote.lives():
            return remote
        remote.note.unlink(missing_ok=True)
    return None


def plant_in_running(name: str, *, remove: bool = False, folder: Path | None = None) -> dict[str, Any]:
    """Plant (or take out) in the cluster that runs. ControlError if none runs or it refuses."""
    remote = running(folder)
    if remote is None:
        raise ControlError("No practice cluster runs: start one with `kwinnow lab`.")
    return remote.call("/unplant" if remove else "/plant", name)
