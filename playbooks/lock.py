"""One person at a time acts on a node: a Lease in the cluster, which anybody with kubectl can read.

Name `kwinnow-NODE` in kube-node-lease. It runs out by itself: a console that was killed blocks nobody for longer
than `SECONDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

import msgspec

from targets.errors import NotFound, PermissionDenied, TargetError

T = TypeVar("T")
SECONDS = 300
FOLDER = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class _Meta(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str = ""
    namespace: str = "kube-node-lease"
    resource_version: str = ""


class _Spec(msgspec.Struct, rename="camel", omit_defaults=True):
    holder_identity: str = ""
    lease_duration_seconds: int = SECONDS
    acquire_time: str = ""
    renew_time: str = ""


class LockLease(msgspec.Struct, rename="camel"):
    metadata: _Meta
    spec: _Spec
    api_version: str = "coordination.k8s.io/v1"
    kind: str = "Lease"


class Locking(Protocol):
    """The part of the cluster wire that a lock needs. A conflict comes as a TargetError with `http_status` 409."""

    def get(self, path: str, as_type: type[T]) -> T: ...
    def create(self, path: str, body: object, as_type: type[T]) -> T: ...
    def request(self, method: str, path: str, as_type: type[T], *, body: object = None) -> T: ...


class Held(TargetError):
    """Somebody else is at work on the node."""

    kind = "locked"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _free(lease: LockLease, me: str, moment: datetime) -> bool:
    if not lease.spec.holder_identity or lease.spec.holder_identity == me or not lease.spec.renew_time:
        return True
    renewed = datetime.fromisoformat(lease.spec.renew_time.replace("Z", "+00:00"))
    return renewed + timedelta(seconds=lease.spec.lease_duration_seconds) < moment


def acquire(cluster: Locking, node: str, me: str) -> LockLease:
    """Take the lock, or raise Held naming who has it. Optimistic: the API server refuses the slower of two."""
    moment = datetime.now(UTC)
    spec = _Spec(me, SECONDS, _stamp(moment), _stamp(moment))
    path = f"{FOLDER}/kwinnow-{node}"
    try:
        lease = cluster.get(path, LockLease)
    except NotFound:
        return _won(
            node, lambda: cluster.create(FOLDER, LockLease(_Meta(f"kwinnow-{node}"), spec), LockLease)
        )
    if not _free(lease, me, moment):
        raise Held(
            f"{lease.spec.holder_identity} is at work on {node} since {lease.spec.acquire_time}.",
            f"Ask them, or wait: the lock runs out {SECONDS} s after their last sign of life.",
        )
    mine = msgspec.structs.replace(lease, spec=spec)
    return _won(node, lambda: cluster.request("PUT", path, LockLease, body=mine))


def _won(node: str, write: Callable[[], LockLease]) -> LockLease:
    """The lease as written; Held where somebody else wrote it at the same moment."""
    try:
        return write()
    except TargetError as error:
        if getattr(error, "http_status", 0) == 409:
            raise Held(
                f"Somebody else took the lock of {node} at this moment.", "Look who, and try again."
            ) from error
        raise


def release(cluster: Locking, node: str, lease: LockLease) -> None:
    """Give the lock back by emptying its holder; its history stays readable."""
    path = f"{FOLDER}/kwinnow-{node}"
    spec = msgspec.structs.replace(lease.spec, holder_identity="")
    cluster.request("PUT", path, LockLease, body=msgspec.structs.replace(lease, spec=spec))


@contextmanager
def locked(
    cluster: Locking, node: str, me: str, tell: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock while inside. Where the rights for a Lease are missing the node's own lock must do; `tell` says so.

    Raises only before anything was done: what goes wrong when the lock is given back is told.
    """
    lease = None
    try:
        lease = acquire(cluster, node, me)
    except PermissionDenied as error:
        tell(f"{error.what} Only the lock on {node} itself keeps others away.")
    try:
        yield
    finally:
        if lease is not None:
            try:
                release(cluster, node, lease)
            except TargetError as error:
                # 409: another console of the same person has it by now, and will give it back.
                if getattr(error, "http_status", 0) != 409:
                    tell(f"The lock could not be given back; it runs out in {SECONDS} s. {error.what}")
