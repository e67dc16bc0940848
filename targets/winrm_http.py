"""The HTTP under a WinRM conversation: one connection, our own dialling, a time limit that holds for the
whole run.

pywinrm speaks through `requests`. An adapter puts our connection under it, so that proxies, TLS trust,
`.netrc` and CA bundles of the environment never come into play, and so that another thread can end the
exchange at once.
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from targets import winrm_errors
from targets.deadline import Deadline
from targets.errors import TargetError
from targets.socks import RunHold, dial
from targets.winrm_errors import Peer, Stage
from targets.winrm_tls import make_context, wrap

_LARGEST_ANSWER = 4 << 20  # bytes; envelopes are asked for with at most 150 KB


@dataclass(frozen=True)
class Trust:
    """How the way to a node is secured and routed. `certificate` is our own: PEM files (certificate, key)."""

    ca_file: str = ""
    fingerprint: str = ""  # SHA-256 of the node's certificate, 64 lower-case hex digits
    certificate: tuple[str, str] | None = None
    proxy: str = ""  # http:// or socks5://
    connect_seconds: float = 5.0


@dataclass
class Line:
    """One conversation with a node: its connection, its time, and how far it has come."""

    peer: Peer
    trust: Trust
    deadline: Deadline
    stage: Stage = "resolve"
    offered: list[str] = field(default_factory=list)  # the WWW-Authenticate of each 401
    status: int = 0  # HTTP status of the last answer
    sealed: bool = (
        False  # the connection holds a sealing context: a new one would not understand our messages
    )

    def __post_init__(self) -> None:
        self._hold = RunHold()
        self._cancelled = threading.Event()
        self._alarm: threading.Timer | None = None
        self.allow(self.deadline)

    def allow(self, deadline: Deadline) -> None:
        """Give the conversation until `deadline`. Time limits of sockets hold a read each; the alarm
        holds the sum.
        """
        self.deadline = deadline
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = threading.Timer(deadline.left(), self._hold.release)
        self._alarm.daemon = True
        self._alarm.start()

    def cancel(self) -> None:
        """From any thread: end the conversation now."""
        self._cancelled.set()
        self._hold.release()

    def end(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._hold.drop()

    @property
    def over(self) -> bool:
        return self._hold.released or self.deadline.passed

    def raise_if_over(self) -> None:
        """TargetError where the conversation was stopped or its time is up."""
        if self._cancelled.is_set():
            raise winrm_errors.cancelled(self.peer, self.stage)
        if self.over:
            raise winrm_errors.late(self.peer, self.stage, self.deadline.seconds)

    def connect(self) -> socket.socket:
        """The connected socket, TLS included. Raises TargetError only."""
        self.raise_if_over()
        if self.sealed:
            raise winrm_errors.dropped(self.peer, self.stage)
        context: ssl.SSLContext | None = None
        trust = self.trust
        if self.peer.https:
            context = make_context(self.peer, trust.ca_file, trust.fingerprint, trust.certificate)
        try:
            sock = dial(
                self.peer, trust.proxy, trust.connect_seconds, self.deadline, self._hold, self._set_stage
            )
        except TargetError:
            self.raise_if_over()
            raise
        if context is not None:
            self.stage = "tls"
            sock = wrap(sock, self.peer, context, trust.fingerprint, self._hold, self.raise_if_over)
        self.raise_if_over()
        self.stage = "auth"
        return sock

    def _set_stage(self, stage: Stage) -> None:
        self.stage = stage

    def note(self, response: requests.Response) -> None:
        """Take in what an answer's head says about authentication, before pywinrm forgets it."""
        self.status = response.status_code
        if self.status == 401:
            self.offered.append(response.headers.get("WWW-Authenticate", ""))
        elif self.stage == "auth":
            kind = response.headers.get("Content-Type", "")
            if self.status == 200 or (self.status == 500 and ("soap" in kind or "encrypted" in kind)):
                self.stage = "shell"


class _Connection(HTTPConnection):
    """Connects by `Line.connect`; the socket it gets may be TLS already."""

    line: Line

    def _new_conn(self) -> socket.socket:
        return self.line.connect()


class _Pool(HTTPConnectionPool):
    """One connection, because NTLM and Kerberos log a connection on."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.peer.host, line.peer.port, maxsize=1)
        self._line = line

    def _new_conn(self) -> _Connection:
        connection = _Connection(self.host, self.port)
        connection.line = self._line
        return connection


class Adapter(HTTPAdapter):
    """Sends `requests`' messages over one Line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._pool = _Pool(line)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing: `Line.connect` judges certificates."""

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, **options: Any
    ) -> requests.Response:
        line = self._line
        line.raise_if_over()
        wait = max(line.deadline.left(), 0.001)
        options["proxies"] = None
        response = super().send(request, stream=stream, timeout=(wait, wait), **options)
        line.note(response)
        if line.status != 401:  # a 401 must stay unread: the NTLM hook looks at its socket
            body = response.raw.read(_LARGEST_ANSWER + 1, decode_content=True)
            if len(body) > _LARGEST_ANSWER:
                raise winrm_errors.not_winrm(
                    line.peer, line.stage, f"more than {_LARGEST_ANSWER >> 20} MB in one answer"
                )
            response._content = body
            response.raw.release_conn()
        return response

    def close(self) -> None:
        self._pool.close()
        super().close()


def mount(session: requests.Session, line: Line) -> None:
    """Put `line` under a session, and take the environment out of it."""
    session.trust_env = False
    session.proxies = {}
    session.mount("http://", Adapter(line))
    session.mount("https://", Adapter(line))
