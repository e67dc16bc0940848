"""Fifty nodes must not lock one account."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from winrmkit import CANARY, USER, Pki, pki, run, way
from winrmpeer import Ask, Reply, plain, serving

from targets.deadline import Deadline
from targets.errors import CredentialsExpired, DeadlineExceeded, TargetError
from targets.lockout import Lockout

__all__ = ["pki"]


class Crowd:
    """Threads whose results are kept."""

    def __init__(self, count: int, work: Callable[[int], str]) -> None:
        self.results: dict[int, str] = {}
        self._work = work
        self._threads = [threading.Thread(target=self._run, args=(index,)) for index in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, index: int) -> None:
        try:
            self.results[index] = self._work(index)
        except TargetError as error:
            self.results[index] = error.code

    def join(self) -> list[str]:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        return [self.results[index] for index in sorted(self.results)]


def waiting(lockout: Lockout, user: str, count: int) -> bool:
    """Waits until so many wait for the first node's verdict."""
    condition = lockout._changed
    with condition:
        return condition.wait_for(lambda: lockout._users[user.lower()].waiting == count, 20)


def test_the_others_wait_for_the_first_and_then_go() -> None:
    lockout = Lockout()
    first = lockout.attempt(USER, "n0", Deadline(30))
    assert first.first

    def work(index: int) -> str:
        attempt = lockout.attempt(USER.upper(), f"n{index}", Deadline(30))
        return "first" if attempt.first else "went"

    crowd = Crowd(10, work)
    assert waiting(lockout, USER, 10)
    assert crowd.results == {}
    first.accept()
    assert crowd.join() == ["went"] * 10


def test_after_a_rejection_nobody_else_tries_until_a_person_says_so() -> None:
    lockout = Lockout()
    first = lockout.attempt(USER, "n0", Deadline(30))
    crowd = Crowd(10, lambda index: str(lockout.attempt(USER, f"n{index}", Deadline(30))))
    assert waiting(lockout, USER, 10)
    first.reject()
    first.leave()
    assert crowd.join() == ["held-back"] * 10
    with pytest.raises(CredentialsExpired) as caught:
        lockout.attempt(USER, "n11", Deadline(30))
    assert "n0 has rejected" in caught.value.what and "lock the account" in caught.value.what
    assert lockout.attempt("another", "n12", Deadline(30)).first
    lockout.clear(USER)
    assert lockout.attempt(USER, "n13", Deadline(30)).first


def test_without_a_verdict_the_next_one_tries_alone() -> None:
    """The first node was unreachable: that says nothing about the password."""
    lockout = Lockout()
    first = lockout.attempt(USER, "n0", Deadline(30))
    tried: list[bool] = []

    def work(index: int) -> str:
        attempt = lockout.attempt(USER, f"n{index}", Deadline(30))
        tried.append(attempt.first)
        attempt.accept()
        attempt.leave()
        return "went"

    crowd = Crowd(5, work)
    assert waiting(lockout, USER, 5)
    first.leave()
    assert crowd.join() == ["went"] * 5
    assert tried.count(True) == 1


def test_a_later_rejection_counts_too() -> None:
    lockout = Lockout()
    first = lockout.attempt(USER, "n0", Deadline(30))
    first.accept()
    second = lockout.attempt(USER, "n1", Deadline(30))
    second.reject()
    first.accept()  # what n0 says now does not take that back
    with pytest.raises(CredentialsExpired):
        lockout.attempt(USER, "n2", Deadline(30))


def test_a_verdict_on_an_older_password_does_not_count() -> None:
    lockout = Lockout()
    slow = lockout.attempt(USER, "n0", Deadline(30))
    lockout.clear(USER)
    fresh = lockout.attempt(USER, "n1", Deadline(30))
    assert fresh.first
    slow.reject()
    slow.leave()
    assert lockout.state(USER) == "trying"
    fresh.accept()
    assert lockout.state(USER) == "accepted"


def test_waiting_ends_at_the_deadline() -> None:
    lockout = Lockout()
    lockout.attempt(USER, "n0", Deadline(30))
    with pytest.raises(DeadlineExceeded) as caught:
        lockout.attempt(USER, "n1", Deadline(0.05))
    assert "tried on n0 first" in caught.value.what
    assert lockout.waiting(USER) == 0


def test_waiting_ends_when_it_is_stopped() -> None:
    lockout = Lockout()
    lockout.attempt(USER, "n0", Deadline(30))
    stop = threading.Event()
    crowd = Crowd(1, lambda _: str(lockout.attempt(USER, "n1", Deadline(60), stop.is_set)))
    assert waiting(lockout, USER, 1)
    stop.set()
    lockout.wake()
    assert crowd.join() == ["cancelled"]


def test_over_the_wire_one_node_is_asked_when_the_password_is_wrong(pki: Pki) -> None:
    """Ten ways at once to one service that rejects everything: it sees one log-on."""
    gate = threading.Event()

    def answer(_: Ask) -> Reply:
        return Reply(b"", 401, (("WWW-Authenticate", 'Basic realm="WSMAN"'),), wait=gate)

    lockout = Lockout()
    with serving(answer, tls=pki.server()) as peer:
        crowd = Crowd(
            10,
            lambda _: run(way(peer.port, fingerprint=pki.fingerprint, lockout=lockout), seconds=60).decode(),
        )
        assert waiting(lockout, USER, 9)
        gate.set()
        assert sorted(crowd.join()) == ["held-back"] * 9 + ["rejected"]
    assert len(peer.asks) == 1


def test_over_the_wire_the_others_go_as_soon_as_the_first_has_a_shell(pki: Pki) -> None:
    """They need not wait for the end of its run."""
    hold, reached = threading.Event(), threading.Event()

    def answer(ask: Ask) -> Reply:
        reply = plain(ask)
        if ask.action == "Receive" and not reached.is_set():
            reached.set()
            reply.wait = hold
        return reply

    lockout = Lockout()
    with serving(answer, tls=pki.server()) as peer:
        slow = Crowd(
            1,
            lambda _: run(way(peer.port, fingerprint=pki.fingerprint, lockout=lockout), seconds=60).decode(),
        )
        assert reached.wait(30)
        assert run(way(peer.port, fingerprint=pki.fingerprint, lockout=lockout)) == b"out"
        hold.set()
        assert slow.join() == ["out"]


def test_what_the_lockout_shows_holds_no_password() -> None:
    lockout = Lockout()
    attempt = lockout.attempt(USER, "n0", Deadline(30))
    attempt.reject()
    assert CANARY not in repr(lockout) + repr(attempt)


def test_a_node_that_says_nothing_does_not_hold_up_the_others_and_no_more_than_three_try() -> None:
    lockout = Lockout(patience=0.05)
    silent = [lockout.attempt(USER, f"silent{n}", Deadline(30)) for n in range(3)]
    assert all(attempt.first for attempt in silent)
    crowd = Crowd(1, lambda _: lockout.attempt(USER, "n4", Deadline(0.3)).node)
    assert crowd.join() == ["deadline"], "a fourth waits"
    silent[0].leave()
    fourth = lockout.attempt(USER, "n4", Deadline(30))
    assert fourth.first
    fourth.accept()
    assert not lockout.attempt(USER, "n5", Deadline(30)).first
    for attempt in silent[1:]:
        attempt.leave()
    assert lockout.state(USER) == "accepted"


def test_a_rejection_counts_while_another_node_says_nothing() -> None:
    lockout = Lockout(patience=0.0)
    lockout.attempt(USER, "silent", Deadline(30))
    lockout.attempt(USER, "n1", Deadline(30)).reject()
    with pytest.raises(CredentialsExpired, match="n1 has rejected"):
        lockout.attempt(USER, "n2", Deadline(30))
