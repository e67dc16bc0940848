"""The lock against a real API server: one holder at a time, and a dead console blocks nobody for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest
from realcluster import RealCluster

from playbooks.lock import FOLDER, Held, LockLease, acquire, locked, release
from targets.cluster import Cluster, open_cluster

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def admin(real_cluster: RealCluster) -> Iterator[Cluster]:
    cluster = open_cluster(real_cluster.kubeconfig("admin"), environ={})
    yield cluster
    cluster.close()


def test_a_second_person_is_told_who_is_at_work(admin: Cluster) -> None:
    with locked(admin, "lock-a", "anna@desk"), pytest.raises(Held, match="anna@desk is at work on lock-a"):
        acquire(admin, "lock-a", "ben@desk")
    with locked(admin, "lock-a", "ben@desk"):
        lease = admin.get(f"{FOLDER}/kwinnow-lock-a", LockLease)
        assert lease.spec.holder_identity == "ben@desk"


def test_the_same_person_goes_on_after_a_kill(admin: Cluster) -> None:
    acquire(admin, "lock-b", "anna@desk")  # never released: the console was killed
    release(admin, "lock-b", acquire(admin, "lock-b", "anna@desk"))


def test_a_lock_runs_out(admin: Cluster) -> None:
    lease = acquire(admin, "lock-c", "anna@desk")
    old = msgspec.structs.replace(lease.spec, renew_time="2020-01-01T00:00:00.000000Z")
    path = f"{FOLDER}/kwinnow-lock-c"
    admin.request("PUT", path, LockLease, body=msgspec.structs.replace(lease, spec=old))
    assert acquire(admin, "lock-c", "ben@desk").spec.holder_identity == "ben@desk"


def test_of_many_at_once_one_wins(admin: Cluster) -> None:
    start = threading.Barrier(6)
    won: list[str] = []
    lost: list[str] = []

    def take(name: str) -> None:
        start.wait(20)
        try:
            acquire(admin, "lock-d", name)
            won.append(name)
        except Held:
            lost.append(name)

    threads = [threading.Thread(target=take, args=(f"p{i}@desk",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(won), len(lost)) == (1, 5)
