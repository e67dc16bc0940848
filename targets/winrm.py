"""The way into a Windows node by WinRM: one shell, one command, its output as it comes."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from targets import winrm_errors, winrm_faults
from targets.deadline import NODE_SECONDS, Deadline
from targets.errors import PermissionDenied, TargetError
from targets.lockout import Attempt, Lockout
from targets.target import CommandLog, Sent
from targets.winrm_errors import Peer

if TYPE_CHECKING:  # they import requests, which is wanted only once a node is asked
    from targets.winrm_http import Line, Trust
    from targets.winrm_shell import Shell

_DELETE_SECONDS = 5.0
_STDERR_KEPT = 8 << 10  # bytes
# With one of these the node knew the user, so that the password is proven.
_KNEW_US = {"access-denied", "quota", "shells-off", "fault"}


@dataclass(frozen=True)
class WinRMSettings:
    """How one node is reached. Times in seconds; `fingerprint` is SHA-256 in 64 lower-case hex digits."""

    peer: Peer
    ca_file: str = ""
    fingerprint: str = ""
    certificate: tuple[str, str] | None = None  # PEM files: certificate, key
    proxy: str = ""
    kerberos_service: str = "HTTP"
    kerberos_host: str = ""
    connect_timeout: float = 5.0
    deadline: float = NODE_SECONDS  # for a whole run, however much the caller allows

    @property
    def needs_password(self) -> bool:
        """Kerberos uses the ticket of `kinit`, a certificate its key."""
        return self.peer.scheme in ("ntlm", "basic")


@dataclass
class WinRM:
    """A NodeWay. Make one for each thread; only `cancel` may be called from others.

    `password` is asked for when the node is, and only if the settings need one; it may raise any TargetError.
    """

    settings: WinRMSettings
    log: CommandLog = field(repr=False)
    password: Callable[[Deadline], str] = field(default=lambda _: "", repr=False)
    lockout: Lockout = field(default_factory=Lockout, repr=False)
    on_rejected: Callable[[], None] = field(default=lambda: None, repr=False)
    exit_code: int | None = None  # of the last command that came to its end
    stderr: bytes = b""  # the end of what it wrote there

    def __post_init__(self) -> None:
        self._line: Line | None = None
        self._stopped = False

    @property
    def way(self) -> str:
        return "winrm"

    @property
    def address(self) -> str:
        return self.settings.peer.address

    def cancel(self) -> None:
        """Stop the run at once: its socket is shut down. A way that was cancelled is not used again."""
        self._stopped = True
        self.lockout.wake()
        line = self._line
        if line is not None:
            line.cancel()

    def run(self, command: str, stdin: bytes, deadline: Deadline) -> Iterator[bytes]:
        """See NodeWay. Standard input is closed after `stdin`, or left open where that is empty."""
        started = time.monotonic()
        peer = self.settings.peer
        sent = Sent(
            time.time(),
            peer.node,
            pasteable(command, stdin),
            outcome="running",
            detail=f"winrm {peer.address}",
        )
        self.log.add(sent)
        try:
            yield from self._run(command, stdin, Deadline(deadline.left(self.settings.deadline)))
            sent.outcome = "ok"
        except TargetError as error:
            sent.outcome, sent.detail = error.kind, str(error)
            raise
        finally:
            sent.ms = (time.monotonic() - started) * 1000
            if sent.outcome == "running":
                sent.outcome = "stopped"  # the reader had enough

    def _run(self, command: str, stdin: bytes, deadline: Deadline) -> Iterator[bytes]:
        peer = self.settings.peer
        if peer.scheme == "basic" and not peer.https:
            raise winrm_errors.unencrypted(peer)
        self.exit_code, self.stderr = None, b""
        attempt: Attempt | None = None
        if self.settings.needs_password:
            attempt = self.lockout.attempt(peer.user, peer.node, deadline, lambda: self._stopped)
        try:
            secret = self.password(deadline) if self.settings.needs_password else ""
            yield from self._converse(command, stdin, deadline, secret, attempt)
        except TargetError as error:
            if attempt is not None and error.code == "rejected":
                attempt.reject()
                self.on_rejected()
            raise
        finally:
            if attempt is not None:
                attempt.leave()

    def _converse(
        self, command: str, stdin: bytes, deadline: Deadline, secret: str, attempt: Attempt | None
    ) -> Iterator[bytes]:
        shell = self._shell(deadline, secret)
        intact = False
        try:
            try:
                shell.open()
            except PermissionDenied as error:
                if attempt is not None and error.code in _KNEW_US:
                    attempt.accept()
                raise
            if attempt is not None:
                attempt.accept()
            yield from self._command(shell, command, stdin)
            intact = True
        except GeneratorExit:
            intact = True
            raise
        finally:
            self._delete(shell, secret, intact=intact and not self._stopped)

    def _command(self, shell: Shell, command: str, stdin: bytes) -> Iterator[bytes]:
        shell.start(command)
        unsent: TargetError | None = None
        try:
            shell.send(stdin)
        except TargetError as error:
            if error.code != "fault":
                raise
            unsent = error  # the command ended without reading; what it wrote says why
        done = False
        while not done:
            received = shell.receive()
            if received is None:
                continue
            out, err, code, done = received
            self.stderr = (self.stderr + err)[-_STDERR_KEPT:]
            if done:
                self.exit_code = code
            if out:
                unsent = None
                yield out
        if b"OutOfMemoryException" in self.stderr:
            raise winrm_faults.out_of_memory(self.settings.peer)
        if unsent is not None:
            raise unsent

    def _shell(self, deadline: Deadline, secret: str) -> Shell:
        from targets.winrm_http import Line
        from targets.winrm_shell import Shell

        settings = self.settings
        line = Line(settings.peer, self._trust(), deadline)
        self._line = line
        if self._stopped:  # cancelled before there was a line to cancel
            line.cancel()
        try:
            return Shell(line, secret, (settings.kerberos_service, settings.kerberos_host))
        except TargetError:
            line.end()
            raise

    def _trust(self) -> Trust:
        from targets.winrm_http import Trust

        settings = self.settings
        return Trust(
            settings.ca_file,
            settings.fingerprint,
            settings.certificate,
            settings.proxy,
            settings.connect_timeout,
        )

    def _delete(self, shell: Shell, secret: str, *, intact: bool) -> None:
        """Delete the shell, within seconds; over a new connection where the old one may be broken.

        Failing is no error: the node itself deletes a shell after 60 s without a request.
        """
        from targets.winrm_http import Line
        from targets.winrm_shell import Shell

        self._line = None
        settings = self.settings
        try:
            if shell.id and intact:
                shell.line.allow(Deadline(_DELETE_SECONDS))
                shell.delete()
            elif shell.id:
                line = Line(settings.peer, self._trust(), Deadline(_DELETE_SECONDS))
                again = Shell(line, secret, (settings.kerberos_service, settings.kerberos_host))
                try:
                    again.adopt(shell.id)
                    again.delete()
                finally:
                    again.hang_up()
        except TargetError:
            pass
        finally:
            with contextlib.suppress(OSError):
                shell.hang_up()


@functools.lru_cache(maxsize=4)  # nodes of one kind get the same bytes: they are kept once in the log
def pasteable(command: str, stdin: bytes) -> str:
    """What was sent, as PowerShell to paste into a console on the node."""
    if not stdin:
        return command
    text = stdin.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
    if "\n'@" in "\n" + text:  # would end the here-string
        return _from_base64(command, stdin)
    return f"@'\n{text}\n'@ | {command}"


def _from_base64(command: str, stdin: bytes) -> str:
    import base64

    data = base64.b64encode(stdin).decode("ascii")
    return f"[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{data}')) | {command}"
