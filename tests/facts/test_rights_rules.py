"""What the rules of a user allow, and what kwinnow will miss: as RBAC matches them."""

from __future__ import annotations

from facts.cluster.control_plane import WANTED, Rights
from targets.rights import ResourceRule

_ALL = ResourceRule(("*",), ("*",), ("*",))


def test_subresources_and_names_are_matched_as_rbac_does() -> None:
    logs = Rights((ResourceRule(("get",), ("",), ("*/log",)),))
    assert logs.allows("get", "", "pods/log") and not logs.allows("get", "", "pods")
    pods = Rights((ResourceRule(("get",), ("",), ("pods",)),))
    assert pods.allows("get", "", "pods", "web") and not pods.allows("get", "", "pods/log")
    one = Rights((ResourceRule(("get",), ("",), ("configmaps",), ("coredns",)),))
    assert one.allows("get", "", "configmaps", "coredns")
    assert not one.allows("get", "", "configmaps", "kube-proxy") and not one.allows("get", "", "configmaps")


def test_what_holds_in_one_namespace_alone_is_missing_elsewhere() -> None:
    assert Rights((_ALL,), everywhere=(_ALL,)).missing == ()
    there = Rights((_ALL,)).missing
    assert there == tuple(w for w in WANTED if not w.namespace)
    assert Rights((), everywhere=(ResourceRule(("get",), ("",), ("*/log",)),)).missing == tuple(
        w for w in WANTED if w.resource != "pods/log"
    )
