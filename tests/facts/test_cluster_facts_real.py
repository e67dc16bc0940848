"""Every question to the cluster gets the same fact from a real API server as from the practice cluster."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from apicompare import cluster_facts
from realobjects import Paired, servers_own

from facts.asking import ask_cluster
from facts.cluster.control_plane import ApiServer, Rights
from facts.fact import Fact

pytestmark = pytest.mark.kubernetes
SET_BY_SERVERS = ("uid", "creationTimestamp", "managedFields", "changed")
DIFFERENT_BY_NATURE = (ApiServer, Rights)  # a version, and what an administrator may: see below
# The practice cluster of the book is 1.18: its slices are v1beta1, which name no node.
OTHER_AGE = {"classic-2019": ("EndpointSlices",)}


def plain(value: Any) -> Any:
    """A fact as JSON, without what each server sets for itself and without objects that only a real one has."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in SET_BY_SERVERS}
    return [plain(v) for v in value if not _own(v)] if isinstance(value, list | tuple) else value


def _own(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("metadata"), dict) and servers_own(item)


def compared(fact: type[Fact], both: Paired) -> tuple[Any, Any]:
    """The fact from the practice cluster and from the real one, told alike."""
    clusters = (both.lab_cluster(), both.real_cluster())
    ours, theirs = (ask_cluster(fact, cluster) for cluster in clusters)
    assert type(ours) is type(theirs), (fact.__name__, ours, theirs)
    texts = [
        msgspec.json.encode(value).decode().replace(cluster.server, "SERVER")
        for value, cluster in zip((ours, theirs), clusters, strict=True)
    ]
    mine, real = (plain(msgspec.json.decode(text)) for text in texts)
    return mine, real


def test_every_fact_is_the_same(both: Paired) -> None:
    other_age = OTHER_AGE.get(both.scenario, ())
    facts = [f for f in cluster_facts() if f not in DIFFERENT_BY_NATURE and f.__name__ not in other_age]
    assert len(facts) > 12
    known = 0
    for fact in facts:
        ours, theirs = compared(fact, both)
        assert ours == theirs, fact.__name__
        known += "why" not in theirs  # neither Failed nor NotApplicable
    assert known > 10


def test_the_server_itself(both: Paired) -> None:
    ours, theirs = (ask_cluster(ApiServer, c) for c in (both.lab_cluster(), both.real_cluster()))
    assert isinstance(ours, ApiServer) and isinstance(theirs, ApiServer)
    assert ours.alive == theirs.alive == "ok"
    assert all(server.version.startswith("v1.") for server in (ours, theirs))


def test_the_rights_of_an_administrator(both: Paired) -> None:
    ours, theirs = (ask_cluster(Rights, c) for c in (both.lab_cluster(), both.real_cluster()))
    assert isinstance(ours, Rights) and isinstance(theirs, Rights)
    assert ours.incomplete is theirs.incomplete is False
    for verb, group, resource in (("list", "", "nodes"), ("update", "coordination.k8s.io", "leases")):
        assert ours.allows(verb, group, resource) and theirs.allows(verb, group, resource)
