"""The WinRM listener of a node: sockets, HTTP, authentication, and the conditions that spoil them."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from lab.windows import soap
from lab.windows.auth import Authentication, BadMessage, Credentials, PasswordStore
from lab.windows.conditions import Conditions
from lab.windows.shells import ACCESS_DENIED, Shells
from lab.windows.soap import BadEnvelope, Fault

_LARGEST_BODY = 4 << 20


@dataclass(frozen=True)
class Tls:
    """PEM files of an HTTPS listener: its certificate and key, and the authority of client certificates."""

    certificate: str
    key: str
    client_ca: str = ""

    def digest(self) -> bytes:
        """What binds a login to this channel: the certificate's digest (RFC 5929, tls-server-end-point)."""
        pem = Path(self.certificate).read_text(encoding="ascii")
        end = "-----END CERTIFICATE-----"
        first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest()

    def context(self) -> ssl.SSLContext:
        """Up to TLS 1.2: client certificates are asked for in the first handshake, as Windows does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class _Gone(Exception):
    """The client closed the connection, or the node was stopped."""


class Listener:
    """Accepts connections on one loopback port until it is stopped."""

    def __init__(
        self,
        shells: Shells,
        credentials: Credentials,
        tls: Tls | None,
        host: str,
        conditions: Callable[[], Conditions],
        port: int = 0,
        folder: Path | None = None,
    ) -> None:
        self._shells = shells
        self._credentials = credentials
        self._tls = tls
        self._host = host
        self._conditions = conditions
        self._store = PasswordStore(credentials, host, folder)
        self._server: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._started = False
        self.port = port
        self.requests = 0

    # -- life

    def start(self) -> None:
        """Takes a port, and opens it if the conditions let it; a port once taken is kept over stop and start."""
        self._stopping.clear()
        self._started = True
        conditions = self._conditions()
        self._open(filtered=conditions.filtered)
        if conditions.refused:
            self._close()

    def stop(self) -> None:
        self._stopping.set()
        self._started = False
        self._close()
        self._store.remove()

    def conditions_changed(self) -> None:
        """Opens, closes or stuffs the port as the conditions now say; before the start there is none."""
        if not self._started:
            return
        conditions = self._conditions()
        self._close()
        if not conditions.refused:
            self._open(filtered=conditions.filtered)

    def _open(self, *, filtered: bool) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", self.port))
        self.port = server.getsockname()[1]
        self._server = server
        if filtered:
            # A queue of one that is full and never emptied: the system drops what else knocks.
            server.listen(0)
            for _ in range(4):
                filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                filler.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    filler.connect(("127.0.0.1", self.port))
                self._fillers.append(filler)
            return
        server.listen(64)
        threading.Thread(target=self._accept, args=(server,), daemon=True, name="lab-winrm").start()

    def _close(self) -> None:
        if self._server is not None:
            # shutdown wakes the thread that waits in accept; close alone does not.
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None
        with self._lock:
            connections, self._connections = list(self._connections), set()
        for connection in [*connections, *self._fillers]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for filler in self._fillers:
            filler.close()
        self._fillers = []

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), daemon=True, name="lab-winrm-peer"
            ).start()

    # -- one connection

    def _serve(self, plain: socket.socket) -> None:
        connection: socket.socket = plain
        with contextlib.suppress(_Gone, OSError, ssl.SSLError):
            subject = None
            if self._tls is not None:
                connection = self._tls.context().wrap_socket(plain, server_side=True)
                subject = _common_name(connection)
                with self._lock:
                    self._connections.add(connection)
            auth = Authentication(
                self._credentials,
                self._store,
                tls=self._tls is not None,
                certificate_subject=subject,
                channel=self._tls.digest() if self._tls is not None else b"",
            )
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as reader:
                while not self._stopping.is_set():
                    headers, body = _read_request(reader.readline, reader.read)
                    self.requests += 1
                    if self._conditions().silent:
                        _swallow(connection)
                    self._reply(connection, auth, headers, body)
        with self._lock:
            self._connections -= {plain, connection}
        for end in {plain, connection}:
            with contextlib.suppress(OSError):
                end.close()

    def _reply(
        self, connection: socket.socket, auth: Authentication, headers: dict[str, str], body: bytes
    ) -> None:
        conditions = self._conditions()
        verdict = auth.check(headers, conditions)
        challenge = [("WWW-Authenticate", header) for header in verdict.headers]
        if not verdict.allowed:
            _write(connection, 401, challenge, b"", "")
            return
        if not body:
            _write(connection, 200, challenge, b"", "")
            return
        kind = headers.get("content-type", "")
        sealed = kind.startswith("multipart/encrypted")
        try:
            envelope = auth.open(body) if sealed else body
        except BadMessage:
            _write(connection, 400, [], b"", "")
            return
        status, answer, output = self._judge(envelope, sealed=sealed, conditions=conditions)
        content_type = "application/soap+xml;charset=UTF-8"
        if sealed and auth.seals:
            content_type, answer = auth.seal(answer)
        if output and conditions.drop_answer:
            _write(connection, status, challenge, answer, content_type, cut=len(answer) // 2)
            raise _Gone
        _write(connection, status, challenge, answer, content_type)

    def _judge(self, envelope: bytes, *, sealed: bool, conditions: Conditions) -> tuple[int, bytes, bool]:
        """HTTP status, envelope of the answer, whether it carries output."""
        try:
            request = soap.read(envelope)
        except BadEnvelope:
            failed = Fault(0x80338017, "The SOAP message is not valid.", subcode="w:SchemaValidationError")
            return failed.http, soap.fault(failed, "", self._host), False
        try:
            if self._tls is None and not sealed:
                raise Fault(ACCESS_DENIED, "Access is denied. ", subcode="w:AccessDenied")
            address = f"http{'s' if self._tls else ''}://{self._host}:{self.port}/wsman"
            answered = self._shells.answer(request, address, quota=conditions.quota)
        except Fault as failed:
            return failed.http, soap.fault(failed, request.message_id, self._host), False
        carries = answered.action.endswith("/ReceiveResponse")
        return 200, soap.answer(answered, request), carries


def _common_name(connection: socket.socket) -> str | None:
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    for group in (certificate or {}).get("subject", ()):
        for pair in group:
            if pair[0] == "commonName":
                return str(pair[1])
    return None


def _swallow(connection: socket.socket) -> None:
    """Reads and never answers, until the client gives up or the conditions change."""
    while connection.recv(65536):
        pass
    raise _Gone


def _read_request(
    readline: Callable[[int], bytes], read: Callable[[int], bytes]
) -> tuple[dict[str, str], bytes]:
    """Headers (names in lower case) and body of one request."""
    first = readline(65536)
    if not first:
        raise _Gone
    headers: dict[str, str] = {}
    while True:
        line = readline(65536).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length") or 0)
    if length > _LARGEST_BODY:
        raise _Gone
    body = read(length) if length else b""
    if len(body) < length:
        raise _Gone
    return headers, body


def _write(
    connection: socket.socket,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    content_type: str,
    cut: int | None = None,
) -> None:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Server: Microsoft-HTTPAPI/2.0"]
    lines += [f"{name}: {value}" for name, value in headers]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"Content-Length: {len(body)}", "", ""]
    connection.sendall("\r\n".join(lines).encode("latin-1") + body[:cut])
