"""What the cluster wire says when servers, networks and proxies misbehave as no real server can."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
import socket
import time
from pathlib import Path

import pytest
from apithings import Thing, Version
from badserver import BadServer, Call
from faulthelp import CANARY, VERSION, cluster_at, failure, page, status

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
from targets.kubeconfig import UserEntry


def test_gzip_is_asked_for_and_undone() -> None:
    with BadServer(lambda call: call.zipped(VERSION)) as server:
        assert cluster_at(server.url).get("/version", Version).git_version == "v1.30.0"
        assert server.calls[0].headers["accept-encoding"] == "gzip"
        assert server.calls[0].headers["authorization"] == f"Bearer {CANARY}"


def test_a_list_starts_anew_when_the_server_forgets_where_we_are() -> None:
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
        assert "3 times" in caught.value.what and caught.value.hint
        assert ["continue" in call.path for call in server.calls] == [False, True] * 3


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
    with (
        BadServer(lambda call: call.json(status(404, 'pods "p" not found'), 404)) as server,
        pytest.raises(NotFound, match='pods "p" not found'),
    ):
        cluster_at(server.url).get("/api/v1/namespaces/web/pods/p", Thing)


def test_a_404_for_what_every_api_server_has_means_that_this_is_none() -> None:
    with BadServer(lambda call: call.answer(404, b"404 page not found\n")) as server:
        cluster = cluster_at(server.url)
        for path in ("/version", "/api/v1/nodes", "/api/v1/namespaces/kube-system/pods"):
            with pytest.raises(MalformedAnswer, match=f"no {path}, which every") as caught:
                cluster.get(path, Thing)
            assert "server:" in caught.value.hint
        for path in ("/apis/apps/v1/daemonsets", "/api/v1/namespaces/web", "/livez"):
            with pytest.raises(NotFound):
                cluster.get(path, Thing)


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
