"""The Windows shell service: Create, Command, Send, Receive, Signal, Delete, as WinRM's cmd shell answers them."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.windows import soap
from lab.windows.runs import Run
from lab.windows.soap import CMD_SHELL, SHELL, TRANSFER, Answer, Fault, Request

# Codes and sentences: https://github.com/diyan/pywinrm/blob/master/winrm/protocol.py (0x80338029),
# https://github.com/jborean93/pypsrp (0x8033805B), https://github.com/hashicorp/vagrant/issues/7489 (quota).
TIMED_OUT = 0x80338029
NO_SHELL = 0x8033805B
QUOTA = 0x803381A5
ACCESS_DENIED = 5
BAD_ACTION = 0x803380E1
RECEIVE_LIMIT = 300_000


@dataclass
class Shell:
    """An open shell of one user and the commands that were started in it."""

    id: str
    idle: float
    code_page: int
    environment: dict[str, str]
    used: float = field(default_factory=time.monotonic)
    runs: dict[str, Run] = field(default_factory=dict)


Starter = Callable[[str, dict[str, str]], Run]


class Shells:
    """All open shells of a node. `start` runs a command line with the shell's environment."""

    def __init__(self, start: Starter, *, host: str, max_shells: int = 30) -> None:
        self._start = start
        self._host = host
        self.max_shells = max_shells
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()
        self.deleted = 0  # shells that were closed by a client

    @property
    def count(self) -> int:
        """How many shells are open."""
        with self._lock:
            self._expire()
            return len(self._shells)

    def close(self) -> None:
        """Ends everything that runs."""
        with self._lock:
            shells, self._shells = list(self._shells.values()), {}
        for shell in shells:
            for run in shell.runs.values():
                run.kill()

    def _expire(self) -> None:
        now = time.monotonic()
        for shell in [s for s in self._shells.values() if now - s.used > s.idle]:
            del self._shells[shell.id]
            for run in shell.runs.values():
                run.kill()

    def answer(self, request: Request, address: str, *, quota: bool) -> Answer:
        """The answer to one request; Fault where Windows gives one."""
        if request.action == TRANSFER + "/Create":
            return self._create(request, address, quota=quota)
        if request.action == TRANSFER + "/Delete":
            return self._delete(request)
        shell = self._find(request)
        if request.action == SHELL + "/Command":
            return self._command(request, shell)
        if request.action == SHELL + "/Send":
            return self._send(request, shell)
        if request.action == SHELL + "/Receive":
            return self._receive(request, shell)
        if request.action == SHELL + "/Signal":
            return self._signal(request, shell)
        raise Fault(
            BAD_ACTION,
            "The WS-Management service does not support the action.",
            subcode="a:ActionNotSupported",
        )

    def _find(self, request: Request) -> Shell:
        with self._lock:
            self._expire()
            shell = self._shells.get(request.shell_id or "")
        if shell is None:
            raise Fault(
                NO_SHELL,
                "The WS-Management service cannot process the request because the request contained invalid "
                "selectors for the resource. ",
                subcode="w:InvalidSelectors",
            )
        shell.used = time.monotonic()
        return shell

    def _create(self, request: Request, address: str, *, quota: bool) -> Answer:
        if request.resource_uri != CMD_SHELL:
            raise Fault(
                0x80338003,
                "The WS-Management service cannot process the request. The resource URI was not found.",
                subcode="w:InvalidResourceURI",
            )
        body = request.body
        idle = body.findtext("rsp:IdleTimeOut", "PT7200.000S", soap.NS) if body is not None else "PT7200.000S"
        variables = body.findall("rsp:Environment/rsp:Variable", soap.NS) if body is not None else []
        try:
            wait = soap.seconds(idle)
            code_page = int(request.options.get("WINRS_CODEPAGE", "437"))
        except ValueError as error:
            raise Fault(
                0x80338000 + 0x17,
                f"The SOAP message is not valid: {error}",
                subcode="w:SchemaValidationError",
            ) from error
        shell = Shell(
            id=str(uuid.uuid4()).upper(),
            idle=wait,
            code_page=code_page,
            environment={str(v.get("Name")): v.text or "" for v in variables},
        )
        with self._lock:
            self._expire()
            if quota or len(self._shells) >= self.max_shells:
                raise Fault(
                    QUOTA,
                    "The WS-Management service cannot process the request. This user is allowed a maximum number "
                    f"of {self.max_shells} concurrent shells, which has been exceeded. Close existing shells or "
                    "raise the quota for this user. ",
                    sender=False,
                    subcode="w:QuotaLimit",
                )
            self._shells[shell.id] = shell
        fields = [
            ("Owner", f"{self._host}\\user"),
            ("ClientIP", "127.0.0.1"),
            ("IdleTimeOut", f"PT{wait:.3f}S"),
            ("InputStreams", "stdin"),
            ("OutputStreams", "stdout stderr"),
            ("ShellRunTime", "P0DT0H0M0S"),
            ("ShellInactivity", "P0DT0H0M0S"),
        ]
        return soap.created(shell.id, address, fields)

    def _delete(self, request: Request) -> Answer:
        shell = self._find(request)
        with self._lock:
            self._shells.pop(shell.id, None)
            self.deleted += 1
        for run in shell.runs.values():
            run.kill()
        return Answer(TRANSFER + "/DeleteResponse", "")

    def _command(self, request: Request, shell: Shell) -> Answer:
        body = request.body
        if body is None:
            raise Fault(0x80338017, "The SOAP message is not valid.", subcode="w:SchemaValidationError")
        words = [body.findtext("rsp:Command", "", soap.NS)]
        words += [argument.text or "" for argument in body.findall("rsp:Arguments", soap.NS)]
        command_id = (body.get("CommandId") or str(uuid.uuid4())).upper()
        shell.runs[command_id] = self._start(
            " ".join(word for word in words if word), dict(shell.environment)
        )
        return soap.command_started(command_id)

    def _run(self, shell: Shell, command_id: str | None) -> Run:
        run = shell.runs.get((command_id or "").upper())
        if run is None:
            raise Fault(
                NO_SHELL,
                "The WS-Management service cannot process the request because the command is not known. ",
                subcode="w:InvalidSelectors",
            )
        return run

    def _send(self, request: Request, shell: Shell) -> Answer:
        for stream in request.body.findall("rsp:Stream", soap.NS) if request.body is not None else []:
            run = self._run(shell, stream.get("CommandId"))
            if stream.text:
                run.write(base64.b64decode(stream.text))
            if (stream.get("End") or "").lower() == "true":
                run.close_input()
        return Answer(SHELL + "/SendResponse", "<rsp:SendResponse/>")

    def _receive(self, request: Request, shell: Shell) -> Answer:
        wanted = request.body.find("rsp:DesiredStream", soap.NS) if request.body is not None else None
        command_id = wanted.get("CommandId") if wanted is not None else None
        run = self._run(shell, command_id)
        limit = min(RECEIVE_LIMIT, max(4096, (request.envelope_limit - 4096) * 3 // 4))
        output = run.take(limit, request.timeout)
        shell.used = time.monotonic()
        if output is None:
            raise Fault(
                TIMED_OUT,
                "The WS-Management service cannot complete the operation within the time specified in "
                "OperationTimeout.  ",
                sender=False,
                subcode="w:TimedOut",
            )
        return soap.received((command_id or "").upper(), output)

    def _signal(self, request: Request, shell: Shell) -> Answer:
        body = request.body
        command_id = body.get("CommandId") if body is not None else None
        run = self._run(shell, command_id)
        # A terminated command is forgotten; its place in the user's quota stays taken until the shell goes.
        shell.runs.pop((command_id or "").upper(), None)
        run.kill()
        return Answer(SHELL + "/SignalResponse", "<rsp:SignalResponse/>")
