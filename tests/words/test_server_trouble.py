"""Servers that misbehave, seen from the command line: one sentence with the fix, and "could not tell"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from badserver import BadServer, Call, Step
from faulthelp import page, status
from wordkit import Kwinnow, kubeconfig_of


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kwinnow:
    return Kwinnow(monkeypatch, capsys)


def _no_kubernetes(call: Call) -> None:
    call.answer(404, b"404 page not found\n", Content_Type="text/plain")


def _broken_off(call: Call) -> None:
    call.answer(200, b'{"metadata": {}, "items": [', Content_Length="4000")
    call.hang_up()


TROUBLE: dict[str, Step] = {
    "401": lambda call: call.json(status(401), 401),
    "403": lambda call: call.json(status(403), 403),
    "404": _no_kubernetes,
    "410": lambda call: call.json(status(410, "too old", "Expired"), 410),
    "410 in mid-list": lambda call: (
        call.json(status(410, "too old", "Expired"), 410)
        if "continue" in call.path
        else call.json(page(["n"], "t"))
    ),
    "429": lambda call: call.json(status(429), 429, Retry_After="0"),
    "500": lambda call: call.json(status(500), 500, Retry_After="0"),
    "503": lambda call: call.json(status(503), 503, Retry_After="0"),
    "redirect": lambda call: call.answer(302, b"", Location="https://login.example/"),
    "web page": lambda call: call.answer(200, b"<html><title>Log in</title>"),
    "garbage": lambda call: call.answer(200, b"\xff\x00\x01"),
    "broken off": _broken_off,
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_of_the_server_is_could_not_tell(run: Kwinnow, tmp_path: Path, trouble: str) -> None:
    with BadServer(TROUBLE[trouble]) as server:
        done = run("nodes", "--json", "--kubeconfig", kubeconfig_of(server.url, tmp_path))
    assert (done.code, done.out) == (3, "")
    what, *hint = done.err.splitlines()
    assert what.startswith("kwinnow: ") and hint, "what is wrong, and what to do"


def test_a_server_that_is_no_kubernetes_is_named_with_the_fix(run: Kwinnow, tmp_path: Path) -> None:
    with BadServer(_no_kubernetes) as server:
        kubeconfig = kubeconfig_of(server.url, tmp_path)
        listed = run("nodes", "--kubeconfig", kubeconfig)
        walked = run("why", "win-1", "--kubeconfig", kubeconfig)
        asked = run("facts", "hns", "--json", "--kubeconfig", kubeconfig)
        judged = run("check", "--json", "--kubeconfig", kubeconfig)
    for done in (listed, walked):
        assert (done.code, done.out) == (3, "")
        assert server.url in done.err and "server:" in done.err
    (fact,) = json.loads(asked.out)["facts"]
    assert (asked.code, fact["outcome"], fact["node"]) == (3, "failed", None)
    assert server.url in fact["why"] and "server:" in fact["hint"]
    report = json.loads(judged.out)
    assert [f["id"] for f in report["findings"]] == ["reach.api.unreachable"]
    assert len(report["unknown"]) > 100
    for unknown in report["unknown"]:
        assert server.url in unknown["why"] and "server:" in unknown["hint"], unknown


@pytest.mark.parametrize("config", [None, {"access-token": "x", "expiry": "2020-01-01T00:00:00Z"}])
def test_an_auth_provider_that_kubernetes_has_removed(
    run: Kwinnow, tmp_path: Path, config: dict[str, str] | None
) -> None:
    user = {"auth-provider": {"name": "gcp"} | ({"config": config} if config else {})}
    kubeconfig = kubeconfig_of("https://127.0.0.1:1", tmp_path, user)
    done = run("nodes", "--kubeconfig", kubeconfig)
    assert (done.code, done.out) == (2, "")
    assert "“gcp” of user “u” is not supported" in done.err and "gke-gcloud-auth-plugin" in done.err
    assert "Traceback" not in done.err


LINUX = {
    "metadata": {"name": "cp-1", "labels": {"kubernetes.io/os": "linux"}},
    "status": {
        "nodeInfo": {"operatingSystem": "linux"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


def _cluster(nodes: list[dict[str, Any]] | None) -> Step:
    """A healthy cluster with these nodes and nothing else."""
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}

    def step(call: Call) -> None:
        path = call.path.partition("?")[0]
        if path == "/version":
            call.json({"gitVersion": "v1.30.0"})
        elif path == "/livez":
            call.answer(200, b"ok")
        elif "selfsubjectrules" in path:
            call.json({"status": {"resourceRules": [everything], "nonResourceRules": []}}, 201)
        elif path.startswith("/api/v1/namespaces/") and path.count("/") == 6:
            call.json(status(404, "not found", "NotFound"), 404)
        else:
            call.json({"metadata": {}, "items": nodes if path == "/api/v1/nodes" else None})

    return step


@pytest.mark.parametrize("nodes", [[LINUX], None], ids=["Linux alone", "no node at all"])
def test_a_cluster_without_windows_nodes_is_healthy(
    run: Kwinnow, tmp_path: Path, nodes: list[dict[str, Any]] | None
) -> None:
    with BadServer(_cluster(nodes)) as server:
        kubeconfig = kubeconfig_of(server.url, tmp_path)
        judged = run("check", "--json", "--kubeconfig", kubeconfig)
        asked = run("facts", "hns", "--kubeconfig", kubeconfig)
    report = json.loads(judged.out)
    assert (judged.code, report["findings"], report["unknown"]) == (0, [], [])
    assert report["counts"]["passed"] > 10, "the cluster's own checks run"
    for done in (judged, asked):
        assert (
            done.err == "kwinnow: This cluster has no Windows nodes. Only the cluster itself was looked at.\n"
        )


def test_a_linux_node_is_known_as_one(run: Kwinnow, tmp_path: Path) -> None:
    with BadServer(_cluster([LINUX])) as server:
        done = run("why", "cp-1", "--kubeconfig", kubeconfig_of(server.url, tmp_path))
    assert (done.code, done.out) == (2, "")
    assert "cp-1 is a node of this cluster and runs Linux" in done.err
