"""So that fifty nodes do not lock one account: a password is tried on one node first.

A `Lockout` is shared by all nodes of a session. The first to ask for a user goes ahead; the others wait until
the node accepts or rejects. A node that says nothing must not hold up all others: after a while the next one tries
too, up to TRIALS at a time, which no lock-out threshold counts as an attack. After a rejection nothing uses that user
again until a person says so (`clear`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from targets.deadline import Deadline
from targets.errors import CredentialsExpired, DeadlineExceeded
from targets.winrm_errors import staged

PATIENCE = 5.0  # seconds that one node may take for its verdict before the next one tries
TRIALS = 3  # nodes without a verdict at a time

State = Literal["unknown", "trying", "accepted", "rejected"]


@dataclass
class _User:
    state: State = "unknown"
    node: str = ""  # that tries or has rejected
    waiting: int = 0
    trials: int = 0  # nodes that try and have given no verdict
    since: float = 0.0  # when the last of them began, in monotonic time
    number: int = 0  # counts calls of `clear`, so that verdicts on an older password do not count


@dataclass
class Lockout:
    """What is known about each user's password. Safe for use by many threads; user names compare without
    case.
    """

    patience: float = PATIENCE
    _users: dict[str, _User] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def attempt(
        self, user: str, node: str, deadline: Deadline, stopped: Callable[[], bool] = lambda: False
    ) -> Attempt:
        """Leave to use `user` on `node`; waits while another node is the first to try.

        CredentialsExpired after a rejection, DeadlineExceeded where the wait is over or `stopped` (see
        `wake`).
        """
        with self._changed:
            known = self._users.setdefault(user.lower(), _User())
            known.waiting += 1
            self._changed.notify_all()  # for those who watch how many wait
            try:
                while known.state == "trying" and not stopped() and not deadline.passed:
                    quiet = known.since + self.patience - time.monotonic()  # seconds until the next may try
                    if quiet <= 0 and known.trials < TRIALS:
                        return self._trial(user, node, known)
                    self._changed.wait(deadline.left(quiet if quiet > 0 else None))
            finally:
                known.waiting -= 1
            if known.state == "rejected":
                raise self._refusal(user, node, known)
            if known.state == "trying" or stopped():
                raise staged(
                    DeadlineExceeded(
                        f"{node} was not tried: user “{user}” is being tried on {known.node} first, which "
                        "says nothing.",
                        f"See what keeps {known.node}.",
                    ),
                    "config",
                    "cancelled" if stopped() else "deadline",
                )
            if known.state == "unknown":
                return self._trial(user, node, known)
            return Attempt(self, user, node, first=False, number=known.number)

    def _trial(self, user: str, node: str, known: _User) -> Attempt:
        known.state, known.node = "trying", node
        known.trials += 1
        known.since = time.monotonic()
        return Attempt(self, user, node, first=True, number=known.number)

    def state(self, user: str) -> State:
        with self._changed:
            return self._users.get(user.lower(), _User()).state

    def waiting(self, user: str) -> int:
        """How many wait for the verdict of the first node."""
        with self._changed:
            return self._users.get(user.lower(), _User()).waiting

    def clear(self, user: str) -> None:
        """A person says that `user` may be tried again."""
        with self._changed:
            known = self._users.setdefault(user.lower(), _User())
            known.state, known.node, known.trials = "unknown", "", 0
            known.number += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Let those who wait ask their `stopped` again."""
        with self._changed:
            self._changed.notify_all()

    def _refusal(self, user: str, node: str, known: _User) -> CredentialsExpired:
        return staged(
            CredentialsExpired(
                f"{node} was not tried: {known.node} has rejected the credentials of user “{user}”, and "
                "more attempts could lock the account.",
                "Correct the password: the next run of kwinnow tries it, and so does the console where the context is "
                "chosen anew.",
            ),
            "auth",
            "held-back",
        )

    def _settle(self, attempt: Attempt, state: State) -> None:
        with self._changed:
            known = self._users[attempt.user.lower()]
            if known.number != attempt.number:
                return
            if state == "rejected":
                known.state, known.node = "rejected", attempt.node
            elif state == "accepted" and known.state != "rejected":
                known.state = "accepted"
            elif state == "unknown" and attempt.first and known.state == "trying":
                known.trials -= 1  # no verdict: the next one tries
                if not known.trials:
                    known.state = "unknown"
            self._changed.notify_all()


@dataclass
class Attempt:
    """One node's use of a user. `leave` it in a `finally`."""

    lockout: Lockout = field(repr=False)
    user: str
    node: str
    first: bool
    number: int

    def accept(self) -> None:
        self.lockout._settle(self, "accepted")

    def reject(self) -> None:
        self.lockout._settle(self, "rejected")

    def leave(self) -> None:
        """The attempt is over, with or without a verdict."""
        self.lockout._settle(self, "unknown")
