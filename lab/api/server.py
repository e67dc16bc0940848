"""The HTTPS server: connections, TLS, authentication, and the way answers leave."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.api import protobuf
from lab.api.access import User
from lab.api.errors import ApiError, no_patch, too_many, unauthorized, unsupported
from lab.api.request import Answer, Request, split_url
from lab.api.router import Router
from lab.api.state import ApiState
from lab.world.pki import Pki
from lab.world.text import stable_uid

GZIP_FROM = 128 * 1024  # as the real server: smaller answers are sent as they are
HANDSHAKE_SECONDS = 10.0


class _Server(ThreadingHTTPServer):
    """Threads are daemons. TLS is spoken in the connection's own thread, so that a client that is slow to shake hands
    stops nobody else."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], state: ApiState, context: ssl.SSLContext) -> None:
        self.state = state
        self.router = Router(state)
        self.context = context
        self.open: set[socket.socket] = set()
        self.open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        raw: socket.socket = request
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(HANDSHAKE_SECONDS)
        try:
            wrapped = self.context.wrap_socket(raw, server_side=True)
        except (OSError, ssl.SSLError):
            return
        wrapped.settimeout(None)
        with self.open_lock:
            self.open.add(wrapped)
        try:
            _Handler(wrapped, client_address, self)
        except (OSError, ssl.SSLError):
            pass  # the client has gone
        finally:
            with self.open_lock:
                self.open.discard(wrapped)
            wrapped.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is the client's business, not a message on the lab's terminal."""

    def shut_connections(self) -> None:
        with self.open_lock:
            for one in self.open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    connection: ssl.SSLSocket

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: standard error belongs to the lab's own words."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def send_response(self, code: int, message: str | None = None) -> None:
        """Without the Server header, which a real API server does not send."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.state.now() if timestamp is None else timestamp)

    def _serve(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        weather = state.weather.next_request(self.path)
        if weather == "reset":
            self.close_connection = True
            return
        try:
            if weather == "500":
                raise ApiError(500, "Internal error occurred: etcdserver: request timed out")
            if weather == "429":
                raise too_many()
            path, query = split_url(self.path)
            headers = {k.lower(): v for k, v in self.headers.items()}
            request = Request(
                self.command, path, query, headers, _decoded(self.command, body, headers), self._user(headers)
            )
            result = self.server.router.handle(request)
        except ApiError as error:
            extra = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
            self._send(Answer(error.status(), error.code, headers=extra))
            return
        if isinstance(result, Answer):
            self._send(result)
        else:
            plain = "/log" in path and path.endswith("/log")
            self._stream(result, "text/plain" if plain else "application/json")

    def _user(self, headers: dict[str, str]) -> User:
        directory = self.server.state.directory
        given = headers.get("authorization", "")
        if given.lower().startswith("bearer "):
            user = directory.user_for_token(given[7:].strip())
            if user is None:
                raise unauthorized()
            return user
        certificate = self.connection.getpeercert()
        if certificate:
            subject = {key: value for part in certificate["subject"] for key, value in part}  # type: ignore[str-unpack]
            user = directory.user_for_certificate(str(subject.get("commonName", "")))
            if user is None:
                raise unauthorized()
            return user
        return User("system:anonymous", ("system:unauthenticated",), rules=())

    def _send(self, answer: Answer) -> None:
        data = answer.body
        if not isinstance(data, bytes):
            text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":")) + "\n"
            data = text.encode()
        self.send_response(answer.code)
        self.send_header("Audit-Id", stable_uid("audit", self.path, str(id(answer))))
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if len(data) >= GZIP_FROM and "gzip" in self.headers.get("accept-encoding", ""):
            data = gzip.compress(data, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cut = self.server.state.weather.cut_lists_after
        if cut and len(data) > cut and answer.code == 200:
            self.wfile.write(data[:cut])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _stream(self, lines: Iterator[str], content_type: str) -> None:
        self.send_response(200)
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for line in lines:
            data = line.encode()
            if data:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()
            elif self._gone():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _gone(self) -> bool:
        """Whether the client has closed a stream that is still open on this side."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) == b""
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.connection.setblocking(True)


def _decoded(method: str, body: bytes, headers: dict[str, str]) -> Any:
    if not body:
        return None
    kind = headers.get("content-type", "application/json").partition(";")[0]
    if kind == protobuf.MEDIA_TYPE:
        try:
            return protobuf.decoded(body)
        except protobuf.Unreadable as error:
            raise ApiError(415, f"the body of the request cannot be read: {error}") from None
    if "json" not in kind:
        raise no_patch() if method == "PATCH" else unsupported(("application/json", protobuf.MEDIA_TYPE))
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"couldn't get version/kind; json parse error: {error}") from None


class ApiServer:
    """Serves `state` on a loopback port over TLS. `start` returns once the port is open."""

    def __init__(self, state: ApiState, pki: Pki, port: int = 0) -> None:
        self.state = state
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = (
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        )
        credential = pki.server("kube-apiserver", names, ("127.0.0.1", state.plan.api_host))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "server.pem"
            path.touch(mode=0o600)
            path.write_text(credential.certificate + credential.key)
            context.load_cert_chain(path)
        context.load_verify_locations(cadata=pki.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server = _Server(("127.0.0.1", port), state, context)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def drop_connections(self) -> None:
        """Cut every connection that is open, as a load balancer does; new ones are accepted."""
        self._server.shut_connections()

    def stop(self) -> None:
        self.state.stopping.set()
        with self.state.store.condition:
            self.state.store.condition.notify_all()
        with self.state.log_changed:
            self.state.log_changed.notify_all()
        if self._thread.ident is not None:  # it may never have been started
            self._server.shutdown()
            self._thread.join(5)
        self._server.shut_connections()
        self._server.server_close()
