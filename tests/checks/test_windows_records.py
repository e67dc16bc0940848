"""What Windows recorded about a service is proof in every language: the service's key name tells, no sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Draft, drafted, fields
from checks.edits import service
from checks.engine import judge
from checks.finding import Finding
from facts.node.hns import Hns
from facts.node.windows import Event, EventLog, Processes


def _restarted(draft: Draft) -> None:
    """HNS was started anew after kube-proxy."""
    processes = draft.get(Processes)
    latest = max(p.created for p in processes.named("kube-proxy") if p.created is not None)
    assert processes.hns is not None
    new = replace(processes.hns, created=latest + timedelta(minutes=10))
    draft.put(Processes, replace(processes, hns=new))
    died = latest + timedelta(minutes=9)
    draft.put(
        EventLog, EventLog((_record(died, "Hostnetzwerkdienst", "hns"), _record(died, "W32Time", "w32time")))
    )


def _record(at: object, shown: str, name: str) -> Event:
    return Event("System", "Service Control Manager", 7031, 2, at, (shown, "1", "60000"), shown, name)  # type: ignore[arg-type]


def test_hns_died_on_a_german_windows() -> None:
    draft = drafted(Case("", CLASSIC_2019, (_restarted, fields(Hns, load_balancers=()))))
    finding = one_of("hns.crash", draft)
    assert "died and was started again" in finding.message
    assert "Hostnetzwerkdienst" in str(finding.evidence)


@pytest.mark.parametrize(
    ("shown", "name"), [("containerd-Containerlaufzeit", "containerd"), ("Hostnetz", "hns")]
)
def test_the_record_of_containerds_death_is_proof(shown: str, name: str) -> None:
    def recorded(draft: Draft) -> None:
        at = draft.get(Processes).processes[0].created
        draft.put(EventLog, EventLog((_record(at, shown, name),)))

    stopped = service("containerd", state="Stopped", exit_code=1067)
    finding = one_of("runtime.containerd.stopped", drafted(Case("", FLANNEL_2022, (stopped, recorded))))
    assert (shown in str(finding.evidence)) == (name == "containerd")


def one_of(check: str, draft: Draft) -> Finding:
    return next(f for f in judge(draft.session).findings if f.id == check and f.node == draft.node)
