"""The moment at which ages are told: that of the snapshot, as long as not everything that ages is asked anew."""

from __future__ import annotations

from facts.access import Now, Wishes
from facts.cluster.nodes import Leases
from facts.examples import FLANNEL_2022, path_of
from facts.node.probes import FlowProbes
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording


def test_what_was_read_before_does_not_grow_old_because_something_else_is_tried() -> None:
    recorded = opened(Recording(path_of(FLANNEL_2022)))
    session = Session(recorded.cluster, recorded.nodes)  # by the clock on the wall, as with a real cluster
    session.gather([Leases, FlowProbes])
    leases, moment = session.answer(Leases), session.get(Now)

    session.again([Wishes], nodes=["win-1"])
    assert session.answer(Leases) is leases
    assert session.get(Now) is moment

    session.again([Leases, Now])
    later = session.get(Now)
    assert isinstance(moment, Now) and isinstance(later, Now) and later.utc > moment.utc
