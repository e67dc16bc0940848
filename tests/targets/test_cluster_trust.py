"""TLS that cannot be trusted, and proxies, on the way to a cluster."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apithings import Version
from badserver import BadServer, Call, server_certificate
from faulthelp import CANARY, VERSION, cluster_at, failure
from testpki import Authority

from targets.cluster import Cluster
from targets.errors import (
    Unreachable,
)
from targets.kubeconfig import KubeconfigError


def trusting(server: BadServer, authority: Authority) -> Cluster:
    data = base64.b64encode(authority.certificate).decode()
    return cluster_at(server.url, entry={"certificate_authority_data": data})


@pytest.mark.parametrize(
    ("kind", "said", "fix"),
    [
        ({"ends": timedelta(hours=-2), "starts": timedelta(days=-9)}, "has expired", "certs renew"),
        ({"starts": timedelta(days=2)}, "not valid yet", "clocks"),
        ({"hosts": ["elsewhere.example"]}, "for other names", "tls-server-name"),
    ],
)
def test_server_certificates_that_cannot_be_trusted(
    kind: dict[str, Any], said: str, fix: str, tmp_path: Path
) -> None:
    authority = Authority.create()
    with BadServer(
        lambda call: call.json(VERSION), tls=server_certificate(authority, **kind), folder=tmp_path
    ) as server:
        error = failure(trusting(server, authority), Unreachable)
        assert said in error.what and fix in error.hint
        assert server.calls == []  # the token was not sent to somebody unproven


@pytest.mark.parametrize("name", ["test authority", "another authority"])
def test_a_server_of_another_ca(name: str, tmp_path: Path) -> None:
    tls = server_certificate(Authority.create(name=name))
    with BadServer(lambda call: call.json(VERSION), tls=tls, folder=tmp_path) as server:
        error = failure(trusting(server, Authority.create()), Unreachable)
        assert "not signed by the certificate-authority of the kubeconfig" in error.what
        assert "certificate-authority-data" in error.hint


def test_http_where_tls_is_expected() -> None:
    with BadServer(lambda call: call.json(VERSION)) as server:
        error = failure(cluster_at(server.url.replace("http://", "https://")), Unreachable)
        assert "does not speak TLS" in error.what


def connect_proxy(seen: list[str]) -> Any:
    def step(call: Call) -> None:
        seen.append(f"{call.method} {call.path} {call.headers.get('proxy-authorization', '')}")
        host, _, port = call.path.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            call.raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump = threading.Thread(target=copy, args=(far, call.sock), daemon=True)
            pump.start()
            copy(call.sock, far)
            pump.join(5)

    return step


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)


def test_an_http_proxy_is_gone_through_with_tls_to_the_end(tmp_path: Path) -> None:
    authority, seen = Authority.create(), list[str]()
    data = base64.b64encode(authority.certificate).decode()
    with (
        BadServer(
            lambda call: call.json(VERSION), tls=server_certificate(authority), folder=tmp_path
        ) as server,
        BadServer(connect_proxy(seen)) as proxy,
    ):
        url = proxy.url.replace("//", "//me:p%40ss@")
        cluster = cluster_at(server.url, entry={"certificate_authority_data": data, "proxy_url": url})
        assert cluster.get("/version", Version)
        cluster.close()
    basic = base64.b64encode(b"me:p@ss").decode()
    assert seen == [f"CONNECT 127.0.0.1:{server.port} Basic {basic}"]
    assert "authorization" in server.calls[0].headers


def test_a_proxy_that_refuses_or_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with BadServer(lambda call: call.answer(407)) as proxy:
        url = proxy.url.replace("//", f"//me:{CANARY}@")
        error = failure(cluster_at("https://k8s.invalid:6443", entry={"proxy_url": url}), Unreachable)
        assert "407" in error.what and f"127.0.0.1:{proxy.port}" in error.what
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    error = failure(cluster_at("https://k8s.invalid:6443", entry={"proxy_url": url}), Unreachable)
    assert "connection refused" in error.what and url in error.what
    url = url.replace("http", "socks5").replace("//", f"//me:{CANARY}@")
    error = failure(cluster_at("https://k8s.invalid:6443", entry={"proxy_url": url}), Unreachable)
    assert "The proxy socks5://…@127" in error.what and "does not answer: connection refused" in error.what
    assert "Does it run" in error.hint and "proxy-url" in error.hint and "API server" not in error.hint


@pytest.mark.parametrize(
    ("answer", "said", "fix"),
    [
        (
            b"\x05\x00|\x05\x05\x00\x01" + bytes(6),
            "answers, and cannot open .* connection refused",
            "server URL",
        ),
        (b"\x05\x00|\x05\x02\x00\x01" + bytes(6), "not allowed by ruleset", "what the proxy may reach"),
        (b"\x05\xff|", "wants a login", "USER:PASSWORD"),
        (b"HTTP/1.1 400\r\n|", "does not speak SOCKS5", "proxy-url"),
        (b"|", "does not speak SOCKS5", "proxy-url"),
    ],
)
def test_a_socks_proxy_that_fails_says_how(answer: bytes, said: str, fix: str) -> None:
    first, _, second = answer.partition(b"|")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(2 + 255)
                sock.sendall(first)
                if second:
                    sock.recv(4 + 1 + 255 + 2)
                    sock.sendall(second)

        threading.Thread(target=serve, daemon=True).start()
        proxy = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
        error = failure(cluster_at("https://k8s.invalid:6443", entry={"proxy_url": proxy}), Unreachable)
    assert proxy in error.what and re.search(said, error.what) and fix in error.hint


def test_socks_lets_the_proxy_resolve_the_name() -> None:
    asked: list[str] = []
    with (
        BadServer(lambda call: call.json(VERSION)) as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(2 + 255)
                sock.sendall(b"\x05\x00")
                head = sock.recv(4 + 1 + 255 + 2)
                assert head[3] == 3, "a name, not an address"
                asked.append(head[5 : 5 + head[4]].decode())
                with socket.create_connection(("127.0.0.1", server.port)) as far:
                    sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
                    pump = threading.Thread(target=copy, args=(far, sock), daemon=True)
                    pump.start()
                    copy(sock, far)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        proxy = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
        cluster = cluster_at("http://api.inside.example:6443", entry={"proxy_url": proxy})
        assert cluster.get("/version", Version)
        cluster.close()
        thread.join(5)
    assert asked == ["api.inside.example"]


def test_the_environment_names_a_proxy_and_no_proxy_excepts_from_it() -> None:
    from targets.proxies import proxy_for

    def via(url: str, **environ: str) -> str:
        return proxy_for(cluster_at(url).chosen, environ)

    assert via("https://10.1.2.3:6443", HTTPS_PROXY="http://p:3128") == "http://p:3128"
    assert via("https://10.1.2.3:6443", https_proxy="p:3128") == "http://p:3128"
    assert via("http://10.1.2.3", HTTPS_PROXY="http://p:3128") == ""
    assert via("https://10.1.2.3:6443", HTTPS_PROXY="http://p:3128", NO_PROXY="10.0.0.0/8") == ""
    assert via("https://api.corp.example", HTTPS_PROXY="http://p:3128", NO_PROXY="x, .corp.example") == ""
    assert (
        via("https://notcorp.example", HTTPS_PROXY="http://p:3128", NO_PROXY="corp.example")
        == "http://p:3128"
    )
    assert via("https://127.0.0.1:6443", HTTPS_PROXY="http://p:3128") == ""
    assert via("https://10.1.2.3", HTTPS_PROXY="http://p:3128", NO_PROXY="*") == ""


@pytest.mark.parametrize("port", ["99999", "0", "x"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(KubeconfigError, match="with a valid port"):
        cluster_at(f"https://127.0.0.1:{port}").get("/version", Version)


@pytest.mark.parametrize("entry", [{"proxy_url": "ftp://x"}, {"certificate_authority_data": "%%%"}])
def test_entries_that_cannot_be_used_name_their_cluster(entry: dict[str, str]) -> None:
    with pytest.raises(KubeconfigError, match="cluster “k”"):
        cluster_at("https://127.0.0.1:1", entry=entry).get("/version", Version)
    with pytest.raises(KubeconfigError, match="not an http or https URL"):
        cluster_at("127.0.0.1:6443").get("/version", Version)
