"""Explicit proxies: HTTP tunnels and SOCKS5, working and failing."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from winrmkit import Pki, pki, run, way
from winrmpeer import serving

from targets.errors import TargetError, Unreachable

__all__ = ["pki"]


@contextlib.contextmanager
def proxy(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections `serve` handles, one thread each."""
    server = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def pump(one: socket.socket, other: socket.socket) -> None:
    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(30)


def head_of(connection: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


def tunnel(connection: socket.socket) -> None:
    target = head_of(connection).split(b" ")[1].decode().rsplit(":", 1)
    with socket.create_connection((target[0], int(target[1]))) as node:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        pump(connection, node)


def saying(status: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    return serve


def socks(answer: int = 0) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(3)
        connection.sendall(b"\x05\x00")
        _, _, _, kind = connection.recv(4)
        raw = connection.recv(connection.recv(1)[0] if kind == 3 else 4)
        name = raw.decode() if kind == 3 else socket.inet_ntoa(raw)
        (port,) = struct.unpack("!H", connection.recv(2))
        if answer:
            connection.sendall(bytes([5, answer, 0, 1]) + bytes(6))
            return
        with socket.create_connection((name, port)) as node:
            connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
            pump(connection, node)

    return serve


def socks_with_login(connection: socket.socket) -> None:
    connection.recv(3)
    connection.sendall(b"\x05\xff")


@pytest.mark.parametrize(("scheme", "serve"), [("http", tunnel), ("socks5", socks())])
def test_a_node_behind_a_proxy(pki: Pki, scheme: str, serve: Callable[[socket.socket], None]) -> None:
    with serving(tls=pki.server()) as peer, proxy(serve) as port:
        one = way(
            peer.port, host="localhost", fingerprint=pki.fingerprint, proxy=f"{scheme}://127.0.0.1:{port}"
        )
        assert run(one, b"in") == b"out"
    assert peer.actions == ["Create", "Command", "Send", "Receive", "Delete"]


@pytest.mark.parametrize(
    ("scheme", "serve", "stage", "code", "said"),
    [
        ("http", saying(b"407 Proxy Authentication Required"), "connect", "proxy", "wants a login"),
        ("http", saying(b"403 Forbidden"), "connect", "proxy", "forbids tunnels to port"),
        ("http", saying(b"502 Bad Gateway"), "connect", "proxy", "cannot reach the node"),
        ("http", saying(b"504 Gateway Timeout"), "connect", "proxy", "does not answer it in time"),
        ("http", lambda connection: None, "connect", "proxy", "closes the connection"),
        ("socks5", socks(5), "connect", "refused", "refuses the connection"),
        ("socks5", socks(2), "connect", "proxy", "rules forbid it"),
        ("socks5", socks(3), "connect", "no-route", "No route"),
        ("socks5", socks(4), "resolve", "name", "not reached from the proxy"),
        ("socks5", socks(6), "connect", "filtered", "did not take the connection"),
        ("socks5", socks_with_login, "connect", "proxy", "wants a login"),
        (
            "socks5",
            lambda connection: connection.sendall(b"HTTP/1.1 400\r\n"),
            "connect",
            "proxy",
            "does not speak SOCKS5",
        ),
    ],
)
def test_proxies_that_fail(
    scheme: str, serve: Callable[[socket.socket], None], stage: str, code: str, said: str
) -> None:
    with proxy(serve) as port, pytest.raises(TargetError) as caught:
        run(way(5986, host="win-1.example", proxy=f"{scheme}://127.0.0.1:{port}"))
    assert isinstance(caught.value, Unreachable)
    assert (caught.value.stage, caught.value.code) == (stage, code)
    assert said in caught.value.what and caught.value.hint


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_does_not_run(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        run(way(5986, host="win-1.example", proxy=f"{scheme}://127.0.0.1:{port}"))
    assert caught.value.code == "proxy" and "refuses the connection" in caught.value.what
