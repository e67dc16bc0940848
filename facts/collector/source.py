"""Where a session gets node answers from: live nodes here, a recording elsewhere. Both look the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from facts.access import Access, Attempt, Hello
from facts.collector.wire import (
    Answered,
    Asked,
    Damaged,
    Done,
    HelloLine,
    RawAnswer,
    Reader,
    command,
    standard_input,
)
from facts.fact import Failed
from targets.deadline import Deadline
from targets.errors import TargetError
from targets.target import NodeRef, NodeWay, NodeWays

OnAnswer = Callable[[str, RawAnswer | Failed], None]
OnHello = Callable[[Access], None]


class NodeSource(Protocol):
    """Answers questions about nodes. `collect` never raises a TargetError: Access tells."""

    def collect(
        self,
        node: NodeRef,
        questions: Sequence[Asked],
        deadline: Deadline,
        on_hello: OnHello,
        on_answer: OnAnswer,
    ) -> Access:
        """Ask; hand every answer to `on_answer` as it comes; return how the node was reached."""
        ...

    def cancel(self, node: str) -> None:
        """Stop a `collect` that is under way for `node`."""
        ...


class LiveNodes:
    """Asks the nodes themselves, by the ways that the configuration names."""

    def __init__(self, ways: NodeWays) -> None:
        self._ways = ways
        self._open: dict[str, NodeWay] = {}

    def cancel(self, node: str) -> None:
        way = self._open.get(node)
        if way is not None:
            way.cancel()

    def collect(
        self,
        node: NodeRef,
        questions: Sequence[Asked],
        deadline: Deadline,
        on_hello: OnHello,
        on_answer: OnAnswer,
    ) -> Access:
        name, address = "winrm", node.address("InternalIP") or node.name
        open_questions = {q.id for q in questions}
        access = Access()
        reader = Reader()
        started = time.monotonic()
        try:
            way = self._ways.open(node)
            name, address = way.way, way.address
            self._open[node.name] = way
            for chunk in way.run(command(), standard_input(questions), deadline):
                for heard in reader.feed(chunk):
                    match heard:
                        case HelloLine():
                            access = Access(
                                (Attempt(name, address),), _hello(heard, time.monotonic() - started)
                            )
                            on_hello(access)
                        case Answered(identity, answer) if identity in open_questions:
                            open_questions.discard(identity)
                            on_answer(identity, answer)
                        case Damaged(identity, why):
                            if identity in open_questions:
                                open_questions.discard(identity)
                                on_answer(
                                    identity, Failed("malformed", why, "Ask again; nothing can be concluded.")
                                )
                        case Done() | Answered():
                            pass
                if reader.finished:
                    break
        except TargetError as error:
            access = Access((_attempt(name, address, error),), access.hello)
        finally:
            self._open.pop(node.name, None)
        failed = _why_open(access, reader)
        for identity in sorted(open_questions):
            on_answer(identity, failed)
        if not access.attempts or (access.way and not reader.finished):
            access = Access((Attempt.broken_off(name, address, failed),), access.hello)
        return access


def _hello(line: HelloLine, round_trip: float) -> Hello:
    return Hello(line.language, line.elevated, line.version, line.now, datetime.now(UTC), round_trip)


def _attempt(way: str, address: str, error: TargetError) -> Attempt:
    stage, code = getattr(error, "stage", ""), getattr(error, "code", "")
    return Attempt(way, address, stage, error.kind, code, error.what, error.hint)


def _torn(line: str) -> bool:
    """Whether a line was one of the protocol's before it was damaged: base64, or nearly its mark."""
    return " " not in line or sum(came != sent for came, sent in zip(line, "~kw ", strict=False)) < 2


def _why_open(access: Access, reader: Reader) -> Failed:
    """Why a question that was asked has no answer."""
    if access.attempts and not access.way:
        return access.attempts[-1].failed()
    if access.constrained:
        return Failed(
            "constrained",
            "PowerShell on this node runs in Constrained Language Mode; this needs full language.",
            "Allow the collector's scripts by their SHA-256 in the node's WDAC or AppLocker policy.",
            "clm",
            "answer",
        )
    words = next((line for line in reader.noise if not _torn(line)), "")
    said = f" It said: {words}" if words else ""
    return Failed(
        "malformed",
        f"The node's answer ended early: its last line did not come.{said}",
        "Ask again; nothing can be concluded.",
        "truncated",
        "answer",
    )
