"""The real PowerShell engine with stand-ins for what only Windows has."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from lab.windows.runs import Run
from lab.windows.state import NodeState

STANDINS = Path(__file__).with_name("standins")
_WINDOWS_ENVIRONMENT = {
    "ALLUSERSPROFILE": "C:\\ProgramData",
    "ComSpec": "C:\\Windows\\system32\\cmd.exe",
    "ProgramData": "C:\\ProgramData",
    "ProgramFiles": "C:\\Program Files",
    "PROCESSOR_ARCHITECTURE": "AMD64",
    "SystemDrive": "C:",
    "SystemRoot": "C:\\Windows",
    "TEMP": "C:\\Windows\\TEMP",
    "windir": "C:\\Windows",
}
_BLOCK = re.compile(r"^(begin|process|end) \{\n?", re.M)
_MODE = (
    "if ($env:KWINNOW_LAB_LANGUAGE -ne 'FullLanguage') "
    "{ $ExecutionContext.SessionState.LanguageMode = $env:KWINNOW_LAB_LANGUAGE }\n"
)
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DOTNET_ROOT", "XDG_CACHE_HOME")


def find_pwsh() -> str | None:
    """KWINNOW_PWSH, else pwsh on PATH. None on Windows, where the stand-ins would meet the real thing."""
    if sys.platform == "win32":
        return None
    named = os.environ.get("KWINNOW_PWSH")
    if named and Path(named).is_file():
        return named
    return shutil.which("pwsh")


class EngineRun(Run):
    """One pwsh process; its output is passed on as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._process = process
        self._input = threading.Lock()
        assert process.stdout is not None and process.stderr is not None
        pumps = [
            threading.Thread(target=self._pump, args=pair, daemon=True, name="lab-pump")
            for pair in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for pump in pumps:
            pump.start()
        threading.Thread(target=self._finish, args=(pumps,), daemon=True, name="lab-wait").start()

    def _pump(self, stream: str, pipe: IO[bytes]) -> None:
        while data := os.read(pipe.fileno(), 65536):
            self.emit(stream, data)

    def _finish(self, pumps: list[threading.Thread]) -> None:
        code = self._process.wait()
        for pump in pumps:
            pump.join()
        self.end(code)

    def write(self, data: bytes) -> None:
        with self._input:
            pipe = self._process.stdin
            if pipe is None or pipe.closed:
                return
            try:
                pipe.write(data)
                pipe.flush()
            except BrokenPipeError:
                return

    def close_input(self) -> None:
        with self._input:
            pipe = self._process.stdin
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    return

    def kill(self) -> None:
        if self._process.poll() is None:
            if sys.platform != "win32":
                # It may end between the look and the signal.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self.close_input()


def wrapped(command: str) -> str:
    """The command with the stand-ins loaded before it, as a value of -EncodedCommand."""
    loader = f". '{STANDINS / 'load.ps1'}'\n"
    if _BLOCK.match(command):  # nothing may stand before a script's blocks, and each begins in full language
        command = _BLOCK.sub(lambda block: block[0] + (loader if "begin" in block[0] else _MODE), command)
        loader = ""
    return base64.b64encode((loader + command).encode("utf-16-le")).decode("ascii")


def start(
    pwsh: str, command: str, state: NodeState, variables: Mapping[str, str], *, epoch: float, ahead: float
) -> EngineRun:
    """Runs PowerShell text on the node. `ahead`: seconds by which the node's clock is before this computer's."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= _WINDOWS_ENVIRONMENT | dict(variables)
    environment |= {
        "KWINNOW_LAB_NODE": str(state.folder),
        "KWINNOW_LAB_EPOCH": repr(epoch),
        "KWINNOW_LAB_AHEAD": repr(ahead),
        "POWERSHELL_TELEMETRY_OPTOUT": "1",
        "POWERSHELL_UPDATECHECK": "Off",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    process = subprocess.Popen(
        [pwsh, "-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand", wrapped(command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=state.working_directory,
        env=environment,
        start_new_session=True,
    )
    return EngineRun(process)
