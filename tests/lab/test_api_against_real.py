"""The practice cluster's API answers as a real API server does, for every request that the product makes."""

from __future__ import annotations

import json
from typing import Any

import msgspec.inspect as inspect
import pytest
from apicompare import compare, differences, everything_asked
from realobjects import Paired, Reply, Speaker

from lab.api.access import FEW, FEW_CLUSTER
from lab.practice import USER
from playbooks.lock import LockLease

pytestmark = pytest.mark.kubernetes
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
# Versions of the API that only one of the two serves: the book's cluster is 1.18.
OTHER_AGE = {
    "classic-2019": (
        "/apis/discovery.k8s.io/v1/",
        "/apis/discovery.k8s.io/v1beta1/",
        "/apis/certificates.k8s.io/v1/",
        "/apis/certificates.k8s.io/v1beta1/",
    )
}


def test_what_an_investigation_asks_is_answered_alike(both: Paired) -> None:
    asked = everything_asked(both.lab_cluster())
    assert len(asked) > 15 and {a.request.method for a in asked} == {"GET", "POST"}
    lab, real = both.lab_speaker(), both.real_speaker()
    skipped = OTHER_AGE.get(both.scenario, ())
    found: list[str] = []
    for one in asked:
        if (skipped and one.path.startswith(skipped)) or one.path == RULES:  # rights: see below
            continue
        found += compare(one, one.send(lab), one.send(real))
    assert found == [], "\n".join(found)


# -- what a person with few rights is told


@pytest.fixture(scope="module")
def few(both: Paired) -> tuple[Speaker, Speaker]:
    """The same person on both sides, with the rights that the lab's condition leaves."""
    real = both.real_speaker()
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for kind, where, rules in (("ClusterRole", "", FEW_CLUSTER), ("Role", "/namespaces/shop", FEW)):
        group, name = "rbac.authorization.k8s.io", f"few-{kind.lower()}"
        made = [
            {"apiGroups": list(r.groups), "resources": list(r.resources), "verbs": list(r.verbs)}
            for r in rules
        ]
        plural = f"{kind.lower()}s"
        real.done("POST", f"{rbac}{where}/{plural}", {"metadata": {"name": name}, "rules": made})
        bound = {
            "metadata": {"name": name},
            "subjects": [{"kind": "User", "apiGroup": group, "name": USER}],
            "roleRef": {"kind": kind, "apiGroup": group, "name": name},
        }
        real.done("POST", f"{rbac}{where}/{kind.lower()}bindings", bound)
    return both.lab_speaker(), real


def test_few_rights_end_in_the_same_words(both: Paired, few: tuple[Speaker, Speaker]) -> None:
    asked = everything_asked(both.lab_cluster())
    lab, real = few
    both.practice.plant("few-rights")
    found: list[str] = []
    refused = 0
    try:
        for one in asked:
            reply, true = one.send(lab), one.send(real, Impersonate_User=USER)
            if one.path.startswith(OTHER_AGE.get(both.scenario, ("no such path",))) or one.path == RULES:
                continue
            refused += true.code == 403
            found += compare(one, reply, true)
        rules = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        for namespace in ("shop", "kube-system", "whole.cluster"):
            body = {**rules, "spec": {"namespace": namespace}}
            ours, theirs = (
                lab.send("POST", RULES, body),
                real.send("POST", RULES, body, Impersonate_User=USER),
            )
            assert (ours.code, {**ours.document, "status": 0}) == (
                theirs.code,
                {**theirs.document, "status": 0},
            )
            assert _rules(ours.document) == _rules(theirs.document), namespace
    finally:
        both.practice.unplant("few-rights")
    assert refused > 8
    assert found == [], "\n".join(found)


def _rules(review: Any) -> Any:
    """A review's rules, in no order."""
    status = review["status"]
    granted = {
        (verb, group, resource)
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    granted -= {("create", "authentication.k8s.io", "selfsubjectreviews")}  # since 1.28
    urls = {
        (v, u) for rule in status["nonResourceRules"] for v in rule["verbs"] for u in rule["nonResourceURLs"]
    }
    return set(status), granted, urls, status["incomplete"]


# -- refusals, pages and watches: one scenario is enough

modern = pytest.mark.parametrize("both", ["flannel-2022"], indirect=True)
REFUSED = [
    "/api/v1/namespaces/kube-system/pods/no-such",
    "/api/v1/namespaces/kube-system/pods/no-such/log?tailLines=60",
    "/api/v1/namespaces/kube-system/pods/etcd-cp-1/log?container=no-such",
    "/api/v1/namespaces/no-such/configmaps/x",
    "/api/v1/nodes/no-such",
    "/apis/apps/v1/namespaces/kube-system/daemonsets/no-such",
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/no-such",
    "/api/v1/no-such",
    "/apis/apps/v9/daemonsets",
    "/apis/no.such/v1/things",
    "/api/v1/pods?fieldSelector=spec.no%3Dx",
    "/api/v1/nodes?limit=x",
]


@modern
@pytest.mark.parametrize("path", REFUSED)
def test_a_refusal_has_the_same_words(both: Paired, path: str) -> None:
    ours, theirs = both.lab_speaker().send("GET", path), both.real_speaker().send("GET", path)
    kind = "content-type"
    assert (ours.code, ours.headers[kind], ours.body) == (
        theirs.code,
        theirs.headers[kind],
        _sorted(theirs, ours),
    )
    assert theirs.code >= 400


def _sorted(reply: Reply, like: Reply) -> bytes:
    """The body, or that of `like` where both say the same in another order of keys."""
    if "json" in reply.headers["content-type"] and reply.document == like.document:
        return like.body
    return reply.body


@modern
def test_a_wrong_token_and_a_missing_one(both: Paired) -> None:
    for header in ("Bearer wrong", "Basic eDp5"):
        ours = both.lab_speaker().send("GET", "/api/v1/nodes", Authorization=header)
        theirs = both.real_speaker().send("GET", "/api/v1/nodes", Authorization=header)
        assert (ours.code, ours.document) == (theirs.code, theirs.document)


@modern
@pytest.mark.parametrize(
    "path", ["/api/v1/nodes", "/api/v1/namespaces/kube-system/pods", "/apis/apps/v1/daemonsets"]
)
def test_pages_of_one(both: Paired, path: str) -> None:
    def walk(speaker: Speaker) -> list[Any]:
        pages: list[Any] = []
        more = ""
        while True:
            page = speaker.done("GET", f"{path}?limit=1" + (f"&continue={more}" if more else ""), None)
            meta = page["metadata"]
            names = [item["metadata"]["name"] for item in page["items"]]
            pages.append((names, sorted(meta), meta.get("remainingItemCount")))
            more = meta.get("continue", "")
            if not more:
                return pages

    ours, theirs = walk(both.lab_speaker()), walk(both.real_speaker())
    assert ours == theirs and len(theirs) > 2


@modern
def test_a_continue_token_that_is_none_or_too_old(both: Paired) -> None:
    lab, real = both.lab_speaker(), both.real_speaker()
    for token in ("abc", "bm8"):
        ours, theirs = (s.send("GET", f"/api/v1/nodes?limit=1&continue={token}") for s in (lab, real))
        assert (ours.code, ours.document["reason"]) == (theirs.code, theirs.document["reason"])
        assert ours.document["message"].split(": ")[:2] == theirs.document["message"].split(": ")[:2]


@modern
def test_a_watch_begins_with_what_there_is(both: Paired) -> None:
    path = "/api/v1/nodes?watch=true&allowWatchBookmarks=true&timeoutSeconds=1"
    initial = f"{path}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    for where in (path, initial):
        ours, theirs = (_events(s, where) for s in (both.lab_speaker(), both.real_speaker()))
        assert [(e["type"], e["object"]["metadata"].get("name")) for e in ours if e["type"] == "ADDED"] == [
            (e["type"], e["object"]["metadata"].get("name")) for e in theirs if e["type"] == "ADDED"
        ]
        for one in ours + theirs:
            assert (one["object"]["kind"], one["object"]["apiVersion"]) == ("Node", "v1")
            assert one["object"]["metadata"]["resourceVersion"].isdigit()
    (mark, *_), (real_mark, *_) = (
        [e for e in events if e["type"] == "BOOKMARK"] for events in (ours, theirs)
    )
    ended = {"k8s.io/initial-events-end": "true"}
    assert (
        mark["object"]["metadata"]["annotations"] == real_mark["object"]["metadata"]["annotations"] == ended
    )


@modern
def test_a_watch_from_a_forgotten_version_is_told_so_within_the_stream(both: Paired) -> None:
    path = "/api/v1/events?watch=true&timeoutSeconds=5&resourceVersion=2"
    both.practice.api_state.store.compact()
    both.real.compact()
    (ours,), (theirs,) = (_events(s, path) for s in (both.lab_speaker(), both.real_speaker()))
    assert ours["type"] == theirs["type"] == "ERROR"
    keys = ("kind", "apiVersion", "status", "reason", "code")
    assert [ours["object"][k] for k in keys] == [theirs["object"][k] for k in keys]


def _events(speaker: Speaker, path: str) -> list[Any]:
    reply = speaker.send("GET", path)
    assert (reply.code, reply.headers["content-type"]) == (200, "application/json"), reply.body
    return [json.loads(line) for line in reply.body.splitlines()]


@modern
def test_writing_a_lock(both: Paired) -> None:
    """What the lock of a step does: create, create again, write with a stale version, write, read."""
    folder = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "kwinnow-x"},
        "spec": {"holderIdentity": "anna", "renewTime": "2026-01-02T03:04:05.000000Z"},
    }
    stale = {**lease, "metadata": {"name": "kwinnow-x", "resourceVersion": "1"}}
    lab, real = both.lab_speaker(), both.real_speaker()
    for method, path, body in (
        ("POST", folder, lease),
        ("POST", folder, lease),
        ("PUT", f"{folder}/kwinnow-x", stale),
        ("PUT", f"{folder}/kwinnow-x", lease),  # without any version: leases are not overwritten blindly
        ("PATCH", f"{folder}/kwinnow-x", {"spec": {"holderIdentity": "ben"}}),
        ("GET", f"{folder}/kwinnow-x", None),
        ("DELETE", f"{folder}/kwinnow-x", None),
        ("GET", f"{folder}/kwinnow-x", None),
    ):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        ours, theirs = (s.send(method, path, body, Content_Type=kind) for s in (lab, real))
        assert ours.code == theirs.code, (method, ours.body, theirs.body)
        if "spec" in theirs.document:
            read_as = inspect.type_info(LockLease)
            assert list(differences(method, _bare(ours.document), _bare(theirs.document), read_as)) == []
        elif theirs.code >= 400:
            assert ours.document == theirs.document
        else:
            assert ours.document["status"] == theirs.document["status"] == "Success"


def _bare(item: Any) -> Any:
    """Without the number that each server counts for itself."""
    assert item["metadata"]["resourceVersion"].isdigit()
    return {**item, "metadata": {k: v for k, v in item["metadata"].items() if k != "resourceVersion"}}
