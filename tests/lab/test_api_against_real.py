"""The practice cluster's API answers as a real API server does, for every request that the product makes."""

from __future__ import annotations

from typing import Any

import pytest
from apicompare import compare, everything_asked
from lab.api.access import FEW, FEW_CLUSTER
from lab.practice import USER
from realobjects import Paired, Speaker

pytestmark = pytest.mark.kubernetes
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
# Versions of the API that only one of the two serves: the book's cluster is 1.18.
OTHER_AGE = {
    "classic-2019": (
        "/apis/discovery.k8s.io/v1/",
        "/apis/discovery.k8s.io/v1beta1/",
        "/apis/certificates.k8s.io/v1/",
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
            {"apiGroups": list(r.groups), "resources": list(r.resources), "verbs": list(r.verbs)} for r in rules
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
            ours, theirs = lab.send("POST", RULES, body), real.send("POST", RULES, body, Impersonate_User=USER)
            assert (ours.code, {**ours.document, "status": 0}) == (theirs.code, {**theirs.document, "status": 0})
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
    urls = {(v, u) for rule in status["nonResourceRules"] for v in rule["verbs"] for u in rule["nonResourceURLs"]}
    return set(status), granted, urls, status["incomplete"]
