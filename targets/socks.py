"""The TCP connection to a node: direct, through SOCKS5 or through an HTTP proxy, never by the environment's.

An HTTP proxy is always asked for a tunnel (CONNECT), also for plain HTTP: NTLM logs a connection on, and a
proxy that forwards single requests would share it out.
"""

from __future__ import annotations

import errno
import ipaddress
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from targets.deadline import Deadline
from targets.errors import TargetError
from targets.http_wire import Hold
from targets.names import LIFETIME, why_unresolved
from targets.winrm_errors import Peer, Stage, filtered, late, no_route, no_such_name, proxy_failed, refused

PROXY_SCHEMES = ("http", "socks5", "socks5h")
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
_HEAD_LIMIT = 16 << 10  # bytes of a proxy's answer


@dataclass(frozen=True)
class Found:
    """One address of a name."""

    family: socket.AddressFamily
    address: tuple[str, int]

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.address[0].partition("%")[0]).is_loopback


class RunHold(Hold):
    """A Hold that also wakes what waits without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.wake: Callable[[], None] | None = None

    def release(self) -> None:
        super().release()
        wake = self.wake
        if wake is not None:
            wake()


def resolve(peer: Peer, host: str, port: int, deadline: Deadline, hold: RunHold) -> list[Found]:
    """The addresses of `host`. The system's resolver has no time limit: it is asked in a thread of its own."""
    answers: queue.SimpleQueue[list[Found] | str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long
            answers.put(why_unresolved(host, deadline.left(LIFETIME)))
        else:
            answers.put([Found(info[0], (str(info[4][0]), port)) for info in infos])

    hold.wake = lambda: answers.put("was looked up until the run was stopped")
    threading.Thread(target=ask, daemon=True, name="kwinnow-resolve").start()
    try:
        found = answers.get(timeout=deadline.left(10))
    except queue.Empty:
        raise no_such_name(peer, host, "did not resolve in time") from None
    finally:
        hold.wake = None
    if isinstance(found, str):
        raise no_such_name(peer, host, found)
    if not found:
        raise no_such_name(peer, host, "has no address")
    return found


def dial(
    peer: Peer, proxy: str, seconds: float, deadline: Deadline, hold: RunHold, stage: Callable[[Stage], None]
) -> socket.socket:
    """A connected socket, shown to `hold`; TargetError with its stage and code. `seconds` limits connecting."""
    if not proxy:
        stage("resolve")
        found = resolve(peer, peer.host, peer.port, deadline, hold)
        stage("connect")
        return _first(peer, found, seconds, deadline, hold)
    parts = urlsplit(proxy)
    host, port = parts.hostname or "", parts.port or (1080 if parts.scheme.startswith("socks") else 3128)
    stage("resolve")
    found = resolve(peer, host, port, deadline, hold)
    stage("connect")
    if parts.scheme.startswith("socks"):
        return _by_socks(peer, found[0], seconds, deadline, hold)
    try:
        sock = _first(peer, found, seconds, deadline, hold)
    except TargetError as error:
        raise _no_proxy(peer, error.code) from None
    return _tunnel(peer, sock, seconds, deadline)


def _first(
    peer: Peer, found: list[Found], seconds: float, deadline: Deadline, hold: RunHold
) -> socket.socket:
    failure: TargetError | None = None
    for one in found:
        sock = socket.socket(one.family, socket.SOCK_STREAM)
        hold.take(sock)
        wait = deadline.left(seconds)
        sock.settimeout(max(wait, 0.001))
        try:
            sock.connect(one.address)
        except TimeoutError:
            failure = late(peer, "connect", deadline.seconds) if deadline.passed else filtered(peer, seconds)
        except ConnectionRefusedError:
            failure = refused(peer, loopback=one.loopback)
        except OSError as error:
            why = error.strerror or "the system refuses"
            failure = no_route(peer, why) if error.errno in _NO_ROUTE else filtered(peer, seconds)
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock.close()
        if hold.released or deadline.passed:
            break
    assert failure is not None  # `found` is never empty
    raise failure


def _no_proxy(peer: Peer, code: str) -> TargetError:
    what = "it refuses the connection" if code in ("refused", "console-localhost") else "it does not answer"
    return proxy_failed(peer, what, "Check `proxy` of the [[nodes]] entry and whether that proxy runs.")


def _by_socks(peer: Peer, proxy: Found, seconds: float, deadline: Deadline, hold: RunHold) -> socket.socket:
    import socks

    sock: socket.socket = socks.socksocket(proxy.family, socket.SOCK_STREAM)
    sock.set_proxy(socks.SOCKS5, *proxy.address, rdns=True)  # type: ignore[attr-defined]
    hold.take(sock)
    sock.settimeout(max(deadline.left(seconds), 0.001))
    try:
        sock.connect((peer.host, peer.port))
    except socks.ProxyConnectionError as error:
        sock.close()
        raise _no_proxy(
            peer, "refused" if isinstance(error.socket_err, ConnectionRefusedError) else ""
        ) from None
    except OSError as error:  # ProxyError is one, and PySocks wraps its own in another
        sock.close()
        inner = getattr(error, "socket_err", None) or error
        if isinstance(inner, socks.SOCKS5AuthError):
            hint = "Use a proxy that needs none, such as `ssh -D`."
            raise proxy_failed(peer, "it wants a login", hint) from None
        if isinstance(inner, socks.SOCKS5Error):
            raise _socks_answer(peer, str(inner.msg), seconds) from None
        if isinstance(inner, TimeoutError):
            raise filtered(peer, seconds) from None
        raise proxy_failed(peer, "it does not speak SOCKS5", "Check scheme and port of `proxy`.") from None
    return sock


def _socks_answer(peer: Peer, said: str, seconds: float) -> TargetError:
    code = said[:4]  # RFC 1928 section 6, as PySocks writes it: "0x05: Connection refused"
    if code == "0x05":
        return refused(peer, loopback=False)
    if code == "0x04":
        return no_such_name(peer, peer.host, "is not reached from the proxy")
    if code == "0x03":
        return no_route(peer, "the proxy has none")
    if code == "0x06":
        return filtered(peer, seconds)
    why = "its rules forbid it" if code == "0x02" else f"it answers {code}"
    return proxy_failed(peer, why, "Ask whoever runs the proxy to allow this host and port.")


def _tunnel(peer: Peer, sock: socket.socket, seconds: float, deadline: Deadline) -> socket.socket:
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    where = f"{host}:{peer.port}"
    try:
        sock.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode("ascii"))
        head = b""
        # Byte by byte, because what follows the empty line belongs to the node.
        while not head.endswith(b"\r\n\r\n"):
            sock.settimeout(max(deadline.left(seconds * 4), 0.001))
            piece = sock.recv(1)
            if not piece or len(head) > _HEAD_LIMIT:
                raise ConnectionResetError
            head += piece
    except TimeoutError:
        sock.close()
        raise proxy_failed(peer, "it takes the request and does not answer", "Check the proxy.") from None
    except OSError:
        sock.close()
        raise proxy_failed(peer, "it closes the connection", "Is it an HTTP proxy?") from None
    words = head.split(b" ", 2)
    number = words[1].decode("ascii", "replace") if len(words) > 1 else "?"
    if number.startswith("2"):
        return sock
    sock.close()
    what, hint = {
        "407": ("it wants a login", "Use a proxy that needs none, or SOCKS5 through `ssh -D`."),
        "403": (
            f"it forbids tunnels to port {peer.port}",
            "Ask whoever runs it to allow CONNECT to this port.",
        ),
        "405": ("it allows no tunnels", "Ask whoever runs it to allow CONNECT."),
        "502": ("it cannot reach the node", "Check name, port and firewall as seen from the proxy."),
        "503": ("it cannot reach the node", "Check name, port and firewall as seen from the proxy."),
        "504": (
            "the node does not answer it in time",
            "Check name, port and firewall as seen from the proxy.",
        ),
    }.get(number, (f"it answers {number[:3]!r}", "Is it an HTTP proxy?"))
    raise proxy_failed(peer, what, hint)
