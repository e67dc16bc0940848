"""HTTP to one API server: pooled connections, proxies, a time limit on every wait, and a hold on the socket.

urllib3 is used directly. A `Hold` knows the socket of the exchange under way, also while the server has sent
no header yet, so that another thread can end the exchange at once: by shutting the socket down, never by
closing it (closing would leave the reader on a file descriptor that the next connection may get).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3 import connection as u3conn
from urllib3 import connectionpool as u3pool
from urllib3 import exceptions as u3

from targets.api_errors import broken
from targets.credentials import Login
from targets.deadline import Deadline, spoken
from targets.errors import DeadlineExceeded, MalformedAnswer, TargetError
from targets.kubeconfig import Chosen, KubeconfigError
from targets.proxies import proxy_for
from targets.tls import make_context

CONNECT_SECONDS = 5.0
_CHUNK = 1 << 18
_POOL = 16  # connections kept; more threads than that open their own

_KEEP_ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    # Finds a path that died under a quiet watch within about 90 s. Not every system has each of them.
    for name, value in (
        ("TCP_KEEPIDLE", 45),
        ("TCP_KEEPALIVE", 45),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 3),
    )
    if hasattr(socket, name)
]


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is one, or left to the scheme."""
    try:
        return parts.port != 0
    except ValueError:
        return False


class Hold:
    """The means to end one exchange from another thread. A Hold that was released lets nothing start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = threading.Event()

    @property
    def released(self) -> bool:
        return self._over.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait; True, and at once, if the hold is released."""
        return self._over.wait(seconds)

    def take(self, sock: Any) -> None:
        while not isinstance(sock, socket.socket) and hasattr(sock, "socket"):
            sock = sock.socket  # TLS inside TLS: the socket is one further in
        with self._lock:
            self._socket = sock
            if self._over.is_set():
                self._shut()

    def drop(self) -> None:
        with self._lock:
            self._socket = None

    def release(self) -> None:
        """End the exchange: its reader sees the end of the stream at once. Returns at once."""
        with self._lock:
            self._over.set()
            self._shut()

    def wait_at_most(self, seconds: float) -> None:
        with self._lock:
            if self._socket is not None and self._socket.fileno() >= 0:
                self._socket.settimeout(max(seconds, 0.001))

    def _shut(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):  # it may be down already
                # Not SSLSocket.shutdown: that takes the TLS state away under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_current = threading.local()  # .hold: the Hold of the request that this thread is sending


class _Held:
    """Mixed into urllib3's connections: shows the socket to the Hold before the answer is waited for."""

    sock: Any

    def getresponse(self) -> Any:
        hold: Hold | None = getattr(_current, "hold", None)
        if hold is not None:
            hold.take(self.sock)
        return super().getresponse()  # type: ignore[misc]


class _HttpConnection(_Held, u3conn.HTTPConnection):
    pass


class _HttpsConnection(_Held, u3conn.HTTPSConnection):
    pass


class _HttpPool(u3pool.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(u3pool.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class Answer:
    """An HTTP answer whose body has not been read yet. Read it to its end or `close` it."""

    def __init__(self, response: urllib3.BaseHTTPResponse, hold: Hold, wire: Wire, path: str) -> None:
        self._response, self._hold, self._wire, self._path = response, hold, wire, path
        self.code = response.status
        self.headers = response.headers

    def chunk(self, deadline: Deadline, at_most: float, size: int = _CHUNK) -> bytes:
        """The next bytes as soon as any are there, decompressed; b"" is the end. Waits `at_most` seconds."""
        wait = deadline.left(at_most)
        if wait <= 0:
            self.close()
            raise self._late(deadline)
        self._hold.wait_at_most(wait)
        try:
            return self._response.read1(size)
        except u3.HTTPError as error:
            self.close()
            if deadline.passed and isinstance(error, u3.ReadTimeoutError):
                raise self._late(deadline) from None
            raise broken(error, self._wire.chosen, self._path, at_most, self._wire.proxy) from None
        except (ValueError, AttributeError):  # http.client on a socket that was shut down between two reads
            self.close()
            raise MalformedAnswer(f"{self._wire.server} broke off in the middle of {self._path}.") from None

    def body(self, deadline: Deadline, at_most: float, limit: int, cut: bool = False) -> bytes:
        """The whole body. Beyond `limit` bytes it is cut off, or MalformedAnswer unless `cut`."""
        parts, have = [], 0
        while data := self.chunk(deadline, at_most):
            parts.append(data)
            have += len(data)
            if have > limit:
                self.close()
                if cut:
                    break
                raise MalformedAnswer(
                    f"{self._wire.server} sent more than {limit >> 20} MiB for {self._path}."
                )
        self._hold.drop()
        return b"".join(parts)[:limit]

    def close(self) -> None:
        self._hold.drop()
        self._response.close()

    def _late(self, deadline: Deadline) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{self._wire.server} did not answer {self._path} within {spoken(deadline.seconds)} s.",
            "It may be overloaded; try again.",
        )


class Wire:
    """Connections to one API server under one client certificate."""

    def __init__(
        self,
        chosen: Chosen,
        certificate: tuple[bytes, bytes] | None,
        environ: Mapping[str, str],
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self.chosen = chosen
        self.server = chosen.cluster.server.rstrip("/")
        self.proxy = proxy_for(chosen, environ)
        self._connect_seconds = connect_seconds
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise KubeconfigError(
                f"The server “{self.server}” of cluster “{chosen.cluster_name}” is not an http or https URL with "
                "a valid port.",
                "Write it as https://HOST:PORT.",
            )
        self._manager = self._make_manager(parts.scheme == "https", certificate)

    def _make_manager(self, tls: bool, certificate: tuple[bytes, bytes] | None) -> urllib3.PoolManager:
        options: dict[str, Any] = {"maxsize": _POOL, "socket_options": [*_NO_DELAY, *_KEEP_ALIVE]}
        if tls:
            options["ssl_context"] = make_context(self.chosen, certificate)
            if self.chosen.cluster.insecure_skip_tls_verify:
                options["cert_reqs"] = "CERT_NONE"
                urllib3.disable_warnings(
                    urllib3.exceptions.InsecureRequestWarning
                )  # it would write over the console
            if self.chosen.cluster.tls_server_name:
                options["server_hostname"] = self.chosen.cluster.tls_server_name
        scheme = urlsplit(self.proxy).scheme
        pools: dict[str, Any] = {"http": _HttpPool, "https": _HttpsPool}
        manager: urllib3.PoolManager
        try:
            if not self.proxy:
                manager = urllib3.PoolManager(**options)
            elif scheme in ("http", "https"):
                credentials = urlsplit(self.proxy)
                if credentials.username:
                    pair = f"{credentials.username}:{credentials.password or ''}"
                    options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=unquote(pair))
                manager = urllib3.ProxyManager(self.proxy, **options)
            elif scheme in ("socks5", "socks5h"):
                manager, pools = _socks(self.proxy, options)
            else:
                raise ValueError(scheme)
        except (ValueError, u3.HTTPError):
            raise KubeconfigError(
                f"The proxy of cluster “{self.chosen.cluster_name}” is not an http, https or socks5 URL.",
                "Correct proxy-url, or HTTPS_PROXY.",
            ) from None
        manager.pool_classes_by_scheme = pools
        return manager

    def send(
        self,
        method: str,
        path: str,
        *,
        login: Login,
        deadline: Deadline,
        hold: Hold,
        at_most: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and wait for the head of the answer, whatever its status."""
        bare = urlsplit(path).path
        deadline.check(f"{self.server} ({bare})")
        timeout = urllib3.Timeout(connect=deadline.left(self._connect_seconds), read=deadline.left(at_most))
        all_headers = urllib3.HTTPHeaderDict({"User-Agent": "kwinnow", **(headers or {})})
        all_headers.extend(login.headers)
        first = True
        while True:
            _current.hold = hold
            try:
                response = self._manager.request(
                    method,
                    self.server + path,
                    body=body,
                    headers=all_headers,
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                return Answer(response, hold, self, bare)
            except u3.HTTPError as error:
                # A kept connection may have been closed from afar just before: that is worth one more try.
                if first and method == "GET" and isinstance(error, u3.ProtocolError) and not hold.released:
                    first = False
                    continue
                raise self._broken(error, bare, deadline, at_most) from None
            finally:
                _current.hold = None

    def _broken(self, error: u3.HTTPError, path: str, deadline: Deadline, at_most: float) -> TargetError:
        waited = min(at_most, deadline.seconds) if deadline.passed else at_most
        return broken(error, self.chosen, path, waited, self.proxy)

    def close(self) -> None:
        self._manager.clear()


_NO_DELAY = u3conn.HTTPConnection.default_socket_options


def _socks(proxy: str, options: dict[str, Any]) -> tuple[urllib3.PoolManager, dict[str, Any]]:
    from urllib3.contrib import socks  # needs PySocks, and is rarely wanted

    class SocksHttp(_Held, socks.SOCKSConnection):
        pass

    class SocksHttps(_Held, socks.SOCKSHTTPSConnection):
        pass

    class HttpPool(socks.SOCKSHTTPConnectionPool):
        ConnectionCls = SocksHttp

    class HttpsPool(socks.SOCKSHTTPSConnectionPool):
        ConnectionCls = SocksHttps

    # kubectl lets the proxy resolve names, whichever way the scheme is written.
    far = "socks5h" + proxy[proxy.index("://") :]
    return socks.SOCKSProxyManager(far, **options), {"http": HttpPool, "https": HttpsPool}
