"""What the cluster wire says when servers, networks and proxies misbehave as no real server can."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import json
import re
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from badserver import BadServer, Call, server_certificate
from testpki import Authority

from targets.api_errors import ApiError
from targets.cluster import Cluster
from targets.deadline import Deadline
from targets.errors import (
    CredentialsExpired,
    DeadlineExceeded,
    MalformedAnswer,
    NotFound,
    PermissionDenied,
    TargetError,
    Unreachable,
)
from targets.kubeconfig import Chosen, ClusterEntry, KubeconfigError, UserEntry

CANARY = "canary-9f8e7d6c5b4a39281706f5e4d3c2b1a0"


class Meta(msgspec.Struct):
    name: str


class Thing(msgspec.Struct):
    metadata: Meta


class Version(msgspec.Struct, rename="camel"):
    git_version: str


VERSION = {"gitVersion": "v1.30.0"}


def cluster_at(url: str, **options: Any) -> Cluster:
    entry = ClusterEntry(server=url, **options.pop("entry", {}))
    folder = options.pop("folder", Path("/nowhere"))
    chosen = Chosen("prod", "default", "k", entry, folder, "ops", UserEntry(token=CANARY), folder)
    return Cluster(
        chosen, environ=options.pop("environ", {}), **{"seconds": 10.0, "read_seconds": 5.0, **options}
    )


def page(names: list[str], more: str = "", version: str = "7") -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"kind": "List", "metadata": {"continue": more, "resourceVersion": version}, "items": items}


def status(code: int, message: str = "no", reason: str = "", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": message, "reason": reason, "details": details}


def failure(cluster: Cluster, kind: type[TargetError]) -> TargetError:
    with pytest.raises(kind) as caught:
        cluster.get("/version", Version)
    error = caught.value
    assert type(error) is kind
    assert CANARY not in str(error) and CANARY not in repr(cluster.log.entries)
    assert cluster.log.entries[-1].outcome == error.kind
    return error


def test_gzip_is_asked_for_and_undone() -> None:
    with BadServer(lambda call: call.zipped(VERSION)) as server:
        assert cluster_at(server.url).get("/version", Version).git_version == "v1.30.0"
        assert server.calls[0].headers["accept-encoding"] == "gzip"
        assert server.calls[0].headers["authorization"] == f"Bearer {CANARY}"


def test_a_list_starts_anew_once_when_the_server_forgets_where_we_are() -> None:
    gone = status(410, "The provided continue parameter is too old", "Expired")
    with BadServer(
        lambda call: call.json(page(["old"], "t1")),
        lambda call: call.json(gone, 410),
        lambda call: call.json(page(["a"], "t2")),
        lambda call: call.json(page(["b"], "", "9")),
    ) as server:
        listing = cluster_at(server.url).listing("/api/v1/nodes", Thing)
        assert ([item.metadata.name for item in listing.items], listing.resource_version) == (["a", "b"], "9")
        assert "continue" not in server.calls[2].path
    with BadServer(
        lambda call: call.json(gone, 410) if "continue" in call.path else call.json(page(["x"], "t"))
    ) as server:
        with pytest.raises(ApiError) as caught:
            cluster_at(server.url).list("/api/v1/nodes", Thing)
        assert caught.value.http_status == 410
        assert len(server.calls) == 4


def test_null_items_are_an_empty_list() -> None:
    with BadServer(lambda call: call.json({"metadata": {}, "items": None})) as server:
        assert cluster_at(server.url).list("/api/v1/nodes", Thing) == []


def test_a_429_is_asked_again_when_the_server_says() -> None:
    busy = status(429, "too many", "TooManyRequests", retryAfterSeconds=1)
    with BadServer(
        lambda call: call.json(busy, 429, Retry_After="0"),
        lambda call: call.json(VERSION),
    ) as server:
        cluster = cluster_at(server.url)
        assert cluster.get("/version", Version)
        assert [sent.outcome for sent in cluster.log.entries] == ["api-error", "ok"]


def test_a_429_for_longer_than_the_deadline_fails_at_once() -> None:
    with BadServer(lambda call: call.json(status(429), 429, Retry_After="3600")) as server:
        began = time.monotonic()
        error = failure(cluster_at(server.url), ApiError)
        assert time.monotonic() - began < 3
        assert "too busy" in error.what and "429" in error.what and error.hint


def test_a_busy_server_is_not_asked_for_ever() -> None:
    with BadServer(lambda call: call.json(status(429), 429, Retry_After="0")) as server:
        failure(cluster_at(server.url), ApiError)
        assert len(server.calls) == 6


@pytest.mark.parametrize(("code", "tries"), [(500, 2), (503, 4)])
def test_a_5xx_is_asked_again_a_few_times(code: int, tries: int) -> None:
    with BadServer(lambda call: call.json(status(code, "etcdserver: leader changed"), code)) as server:
        error = failure(cluster_at(server.url), ApiError)
        assert str(code) in error.what and "leader changed" in error.what
        assert len(server.calls) == tries


def test_a_write_is_not_repeated_on_5xx_but_on_429() -> None:
    with BadServer(lambda call: call.json(status(503), 503)) as server:
        with pytest.raises(ApiError):
            cluster_at(server.url).create("/api/v1/namespaces", {}, Thing)
        assert len(server.calls) == 1
    made = {"metadata": {"name": "n"}}
    with BadServer(
        lambda call: call.json(status(429), 429, Retry_After="0"),
        lambda call: call.json(made, 201),
    ) as server:
        assert cluster_at(server.url).create("/api/v1/namespaces", {}, Thing).metadata.name == "n"


def test_a_body_that_breaks_off_is_malformed() -> None:
    whole = json.dumps(page(["a", "b"])).encode()

    def cut(call: Call) -> None:
        call.answer(200, whole[:20], Content_Length=str(len(whole)))
        call.hang_up()

    def cut_chunks(call: Call) -> None:
        call.begin_chunks()
        call.chunk(whole[:20])
        call.hang_up()

    def cut_gzip(call: Call) -> None:
        call.answer(200, gzip.compress(whole)[:-12], Content_Encoding="gzip")

    def cut_json(call: Call) -> None:
        call.answer(200, whole[:20])

    for step, said in (
        (cut, "broke off in the middle"),
        (cut_chunks, "broke off in the middle"),
        (cut_gzip, "no whole JSON"),
        (cut_json, "no whole JSON"),
    ):
        with BadServer(step) as server, pytest.raises(MalformedAnswer, match=said):
            cluster_at(server.url).list("/api/v1/nodes", Thing)


def test_garbage_in_all_places() -> None:
    for step, said in (
        (lambda call: call.answer(200, b"\x1f\x8b garbage", Content_Encoding="gzip"), "damaged gzip"),
        (lambda call: call.answer(200, b"\xff\xfe\x00"), "no whole JSON"),
        (lambda call: call.answer(200, b"<html><title>Log in</title>"), "a web page"),
        (lambda call: call.answer(302, b"", Location="https://login.example/"), "redirect"),
        (lambda call: call.json({"gitVersion": 5}), r"another shape: .*\$\.gitVersion"),
    ):
        with BadServer(step) as server:
            error = failure(cluster_at(server.url), MalformedAnswer)
            assert re.search(said, error.what), error.what
            assert error.hint


def test_no_http_at_all_is_unreachable() -> None:
    def noise(call: Call) -> None:
        call.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
        call.hang_up()

    with BadServer(noise) as server:
        assert "broke" in failure(cluster_at(server.url), Unreachable).what


def test_a_kept_connection_that_went_stale_is_opened_anew() -> None:
    with BadServer(
        lambda call: call.json(VERSION), lambda call: call.hang_up(), lambda call: call.json(VERSION)
    ) as server:
        cluster = cluster_at(server.url)
        assert cluster.get("/version", Version) and cluster.get("/version", Version)
        assert len(server.calls) == 3


def test_a_server_that_always_hangs_up_is_unreachable() -> None:
    with BadServer(lambda call: call.hang_up()) as server:
        error = failure(cluster_at(server.url), Unreachable)
        assert "The connection to" in error.what
        assert len(server.calls) == 2


def test_a_server_that_never_answers_meets_the_read_limit() -> None:
    with BadServer(lambda call: call.hang()) as server:
        error = failure(cluster_at(server.url, read_seconds=0.2), DeadlineExceeded)
        assert "within 0.2 s" in error.what


def test_a_body_that_drips_meets_the_deadline_of_the_whole() -> None:
    def drip(call: Call) -> None:
        call.begin_chunks()
        while not call.over.wait(0.02):
            call.chunk(b" ")

    with BadServer(drip) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
            cluster_at(server.url).get("/version", Version, deadline=Deadline(0.5))
        assert time.monotonic() - began < 5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    error = failure(cluster_at(f"http://127.0.0.1:{port}"), Unreachable)
    assert "connection refused" in error.what and str(port) in error.what


def test_a_name_that_dns_does_not_know() -> None:
    error = failure(cluster_at("https://no-such-host.invalid:6443"), Unreachable)
    assert "not known to DNS" in error.what


def test_a_server_that_accepts_and_never_speaks_tls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TargetError) as caught:
            cluster_at(url, read_seconds=0.3, connect_seconds=0.3).get("/version", Version)
        assert caught.value.kind in ("unreachable", "deadline")


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


def test_401_403_and_404_each_have_their_kind() -> None:
    with BadServer(lambda call: call.json(status(401, "Unauthorized"), 401)) as server:
        error = failure(cluster_at(server.url), CredentialsExpired)
        assert "ops" in error.what and "prod" in error.what and "log in" in error.hint
        assert len(server.calls) == 1  # a token in the kubeconfig cannot be renewed
    with BadServer(lambda call: call.json(status(403, "forbidden by policy"), 403)) as server:
        cluster = cluster_at(server.url)
        with pytest.raises(PermissionDenied) as caught:
            cluster.list("/apis/discovery.k8s.io/v1/namespaces/web/endpointslices", Thing)
        assert (caught.value.verb, caught.value.resource) == ("list", "endpointslices.discovery.k8s.io")
        assert "in namespace web" in caught.value.what and "forbidden by policy" in caught.value.hint
    with BadServer(lambda call: call.json(status(404, 'pods "p" not found'), 404)) as server:
        assert 'pods "p" not found' in failure(cluster_at(server.url), NotFound).what


def test_a_jwt_that_is_over_is_said_to_be() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_600_000_000}).encode()).decode().rstrip("=")
    with BadServer(lambda call: call.json(status(401), 401)) as server:
        user = UserEntry(token=f"e30.{claims}.c2ln")
        cluster = Cluster(dataclasses.replace(cluster_at(server.url).chosen, user=user), environ={})
        with pytest.raises(CredentialsExpired, match="expired on 2020-09-13 12:26 UTC"):
            cluster.get("/version", Version)


def test_text_is_cut_and_what_is_no_utf8_is_replaced() -> None:
    with BadServer(lambda call: call.answer(200, b"ab\xffcd" * 1000)) as server:
        assert cluster_at(server.url).text("/logs", limit=8) == "ab\ufffdcdab\ufffd"


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


@pytest.mark.parametrize("entry", [{"proxy_url": "ftp://x"}, {"certificate_authority_data": "%%%"}])
def test_entries_that_cannot_be_used_name_their_cluster(entry: dict[str, str]) -> None:
    with pytest.raises(KubeconfigError, match="cluster “k”"):
        cluster_at("https://127.0.0.1:1", entry=entry).get("/version", Version)
    with pytest.raises(KubeconfigError, match="not an http or https URL"):
        cluster_at("127.0.0.1:6443").get("/version", Version)
