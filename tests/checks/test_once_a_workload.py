"""What every pod of a workload is told in the same way is said once."""

from __future__ import annotations

from checks.cases import FLANNEL_2022, Case, drafted
from checks.check import load
from checks.engine import one
from checks.workload.edits import new_pod


def test_a_daemonset_on_host_network_is_named_once() -> None:
    told = {"host_process": True, "dns_policy": "ClusterFirstWithHostNet", "owner": "agents"}
    pods = tuple(new_pod(name, **told) for name in ("agents-a", "agents-b"))  # type: ignore[arg-type]
    draft = drafted(Case("two pods of one workload", FLANNEL_2022, pods))
    outcome = one(load()["dns.hostnet-policy"], draft.session, "")
    assert [f.object.name for f in outcome.findings] == ["agents-a"]
