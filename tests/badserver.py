"""A small HTTP server that misbehaves to order: each request is answered by the next step of a script."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testpki import Authority


@dataclass
class Call:
    """One request as it came, and the means to answer it with any bytes at all."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    sock: socket.socket
    over: threading.Event = field(repr=False)

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        head = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        head |= {key.replace("_", "-"): value for key, value in headers.items()}
        lines = [f"HTTP/1.1 {code} Some Reason", *(f"{key}: {value}" for key, value in head.items())]
        self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    def json(self, value: Any, code: int = 200, **headers: str) -> None:
        self.answer(code, json.dumps(value).encode(), **headers)

    def zipped(self, value: Any) -> None:
        self.answer(200, gzip.compress(json.dumps(value).encode()), Content_Encoding="gzip")

    def begin_chunks(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.raw(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_chunks(self) -> None:
        self.raw(b"0\r\n\r\n")

    def hang(self) -> None:
        """Answer nothing more until the test is over."""
        self.over.wait(30)

    def hang_up(self) -> None:
        """Break the connection here."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


Step = Callable[[Call], None]


class BadServer:
    """Serves `steps` in order of arrival; the last one also answers all that comes later."""

    def __init__(
        self, *steps: Step, tls: tuple[bytes, bytes] | None = None, folder: Path | None = None
    ) -> None:
        self.steps = list(steps)
        self.calls: list[Call] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            assert folder is not None
            (folder / "tls.pem").write_bytes(tls[0] + tls[1])
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(folder / "tls.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> BadServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):  # wakes accept(), which close alone does not
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock, sock.makefile("rb") as reader:
                while (call := self._read(reader, sock)) is not None:
                    with self._lock:
                        step = self.steps[min(len(self.calls), len(self.steps) - 1)]
                        self.calls.append(call)
                    step(call)

    def _read(self, reader: Any, sock: socket.socket) -> Call | None:
        first = reader.readline().decode("latin-1").split()
        if not first or not first[0].isalpha():
            if first:  # TLS where none is spoken: what web servers say to that
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return None
        headers: dict[str, str] = {}
        while (line := reader.readline().decode().strip()) != "":
            key, _, value = line.partition(":")
            headers[key.strip().lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        return Call(first[0], first[1], headers, body, sock, self.over)


def server_certificate(authority: Authority, **kind: Any) -> tuple[bytes, bytes]:
    """For 127.0.0.1 unless `hosts` says otherwise."""
    return authority.issue("bad server", **{"hosts": ["127.0.0.1"], "server": True, **kind})
