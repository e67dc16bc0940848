"""One remote shell on a node, over pywinrm's Protocol and Transport, with every failure as a TargetError.

pywinrm is imported when the first shell is opened: it costs 150 ms that the console's first paint must not
pay.
"""

from __future__ import annotations

import functools
import http.client
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, TypeVar

from targets import winrm_errors, winrm_faults
from targets.errors import CredentialsExpired, TargetError, Unreachable
from targets.winrm_errors import Stage, staged
from targets.winrm_http import Line, mount

T = TypeVar("T")

PIECE = 100_000  # bytes of standard input in one message; 150 KB is the smallest envelope limit in use
_IDLE = "PT60S"  # after which a node deletes a shell that nobody asks anything
_UTF8 = 65001
_RECEIVE_SECONDS = 20  # a Receive without output comes back after this time and is sent again
_START_SECONDS = 60  # opening a shell on a node under load takes long, and must not be repeated
# What pywinrm and requests_ntlm stumble over when an answer has not the expected shape.
_STUMBLES = (
    ET.ParseError,
    StopIteration,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)


class Shell:
    """A shell and the one command in it. For one thread; `line.cancel()` is for all."""

    def __init__(self, line: Line, password: str, kerberos: tuple[str, str]) -> None:
        """`kerberos`: service and host of the SPN (the latter "" for the host that is connected to)."""
        self.line = line
        self._protocol = _protocol(line, password, kerberos)
        self.id = ""
        self._command = ""

    def open(self) -> None:
        self._timeout(_START_SECONDS)
        self.id = self._call(
            None, lambda: self._protocol.open_shell(noprofile=True, codepage=_UTF8, idle_timeout=_IDLE)
        )
        self.line.sealed = self._protocol.transport.encryption is not None

    def adopt(self, shell_id: str) -> None:
        """Speak to a shell that another conversation has opened."""
        self.id = shell_id

    def start(self, command: str) -> None:
        self._timeout(_START_SECONDS)
        self._command = self._call(
            "command", lambda: self._protocol.run_command(self.id, command, console_mode_stdin=False)
        )

    def send(self, data: bytes) -> None:
        """Standard input, in pieces; the last one closes it. Sent as bytes: pywinrm would make text code
        page 437.
        """
        for at in range(0, len(data), PIECE):
            self._timeout(_START_SECONDS)
            piece, last = data[at : at + PIECE], at + PIECE >= len(data)
            send = functools.partial(
                self._protocol.send_command_input, self.id, self._command, piece, end=last
            )
            self._call("command", send)

    def receive(self) -> tuple[bytes, bytes, int, bool] | None:
        """(stdout, stderr, exit code, done); None if nothing came within the window."""
        from winrm.exceptions import WinRMOperationTimeoutError

        self._timeout(_RECEIVE_SECONDS)
        try:
            out, err, code, done = self._call(
                "answer", lambda: self._protocol.get_command_output_raw(self.id, self._command)
            )
        except WinRMOperationTimeoutError:
            self.line.raise_if_over()
            return None
        return out, err, code, done

    def delete(self) -> None:
        """Delete the shell and close the connection."""
        self._timeout(_START_SECONDS)
        self._call("answer", lambda: self._protocol.close_shell(self.id, close_session=True))

    def hang_up(self) -> None:
        """Close the connection."""
        self._protocol.transport.close_session()
        self.line.end()

    def _timeout(self, at_most: int) -> None:
        self._protocol.operation_timeout_sec = max(1, min(at_most, int(self.line.deadline.left())))

    def _call(self, stage: Stage | None, send: Callable[[], T]) -> T:
        """One message and its answer. `stage` None: the line's own, which moves on as the log-on does."""
        from requests import RequestException
        from spnego.exceptions import SpnegoError
        from urllib3.exceptions import HTTPError
        from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError

        line = self.line
        if stage is not None:
            line.stage = stage
        line.raise_if_over()
        line.offered.clear()
        try:
            return send()
        except TargetError:
            raise
        except WinRMOperationTimeoutError:
            if stage == "answer":
                raise
            raise winrm_errors.late(line.peer, line.stage, _START_SECONDS) from None
        # `from None` throughout: these exceptions hold requests with Authorization headers.
        except (WinRMError, WinRMTransportError) as error:
            line.raise_if_over()
            raise self._said(error) from None
        except (RequestException, HTTPError, http.client.HTTPException, OSError) as error:
            line.raise_if_over()
            raise self._broken(error) from None
        except (*_STUMBLES, SpnegoError):
            line.raise_if_over()
            if line.status == 401:
                raise winrm_faults.rejected(line.peer, ",".join(line.offered)) from None
            raise winrm_errors.not_winrm(line.peer, line.stage, "the answer is no WSMan envelope") from None

    def _said(self, error: Any) -> TargetError:
        from winrm.exceptions import InvalidCredentialsError, WinRMTransportError, WSManFaultError

        line = self.line
        if isinstance(error, InvalidCredentialsError):
            return winrm_faults.rejected(line.peer, ",".join(line.offered))
        if isinstance(error, WSManFaultError):
            if line.stage == "auth":
                line.stage = "shell"
            return winrm_faults.fault(
                line.peer, line.stage, error.wsman_fault_code, error.wmierror_code, error.reason or ""
            )
        if isinstance(error, WinRMTransportError):
            return winrm_faults.status(line.peer, line.stage, error.code)
        return winrm_errors.not_winrm(line.peer, line.stage, "its messages cannot be opened")

    def _broken(self, error: Exception) -> TargetError:
        line = self.line
        if isinstance(error, PermissionError):  # requests_ntlm: the 401 held no challenge
            return winrm_faults.rejected(line.peer, ",".join(line.offered))
        if type(error).__name__ in ("KerberosExchangeError", "MutualAuthenticationError"):
            return winrm_faults.no_ticket(line.peer)
        inner: BaseException | None = error
        while inner is not None:
            if isinstance(inner, http.client.RemoteDisconnected):
                break
            if isinstance(inner, http.client.BadStatusLine):
                got = str(inner.args[0] if inner.args else "")
                if got.startswith(("\x15\x03", "'\\x15\\x03")):  # a TLS alert, as it is or as its repr
                    return winrm_errors.wrong_protocol(line.peer)
                return winrm_errors.not_winrm(line.peer, line.stage, "it does not speak HTTP")
            inner = next((arg for arg in inner.args if isinstance(arg, BaseException)), inner.__context__)
        return winrm_errors.dropped(line.peer, line.stage)


@functools.cache
def _transport_class() -> Any:
    from winrm.transport import Transport

    def prepare(session: Any, line: Line) -> None:
        if line.peer.scheme == "kerberos":
            # Over TLS the ticket is bound to the channel; the one that pywinrm sends ahead of a challenge is not.
            session.auth.force_preemptive = not line.peer.https
            session.auth.send_cbt = line.peer.https
        mount(session, line)

    class LineTransport(Transport):
        """pywinrm's Transport, whose sessions go over our Line."""

        line: Line

        def build_session(self) -> Any:
            fresh = not self.session
            session = super().build_session()
            if fresh and self.encryption is None:
                prepare(session, self.line)
            return session

        def setup_encryption(self, session: Any) -> None:
            prepare(session, self.line)  # here already: setting up sends a message
            super().setup_encryption(session)

    return LineTransport


def _protocol(line: Line, password: str, kerberos: tuple[str, str]) -> Any:
    import winrm.transport
    from winrm.protocol import Protocol

    peer = line.peer
    if peer.scheme == "kerberos" and not winrm.transport.HAVE_KERBEROS:
        raise staged(
            Unreachable(
                f"{peer.node} is to be reached with Kerberos, and this installation has no Kerberos library.",
                "Run `pipx inject kwinnow 'pywinrm[kerberos]'` (or `pip install 'kwinnow[kerberos]'`).",
            ),
            "config",
            "kerberos-missing",
        )
    certificate = line.trust.certificate or (None, None)
    user: Any = peer.user
    secret: Any = password
    if peer.scheme == "basic":  # requests would make Latin-1 of a text, and fail where that is not possible
        user, secret = user.encode("utf-8"), secret.encode("utf-8")
    endpoint = f"{peer.address}/wsman"
    try:
        protocol = Protocol(
            endpoint, transport="basic", username="-", password="-", proxy=None, ca_trust_path=""
        )
        transport = _transport_class()(
            endpoint=endpoint,
            username=user or None,
            password=secret,
            service=kerberos[0],
            kerberos_hostname_override=kerberos[1] or None,
            auth_method=peer.scheme,
            cert_pem=certificate[0],
            cert_key_pem=certificate[1],
            ca_trust_path=None,
            server_cert_validation="validate",
            message_encryption="auto",  # sealed over HTTP, left to TLS over HTTPS
            proxy=None,
        )
    except winrm.exceptions.WinRMError:
        raise staged(
            CredentialsExpired(
                f"{peer.node} cannot be reached: user or certificate of its [[nodes]] entry is incomplete.",
                "Set `user`, or `certificate_file` and `key_file`.",
            ),
            "config",
            "incomplete",
        ) from None
    transport.line = line
    protocol.transport = transport
    return protocol
