"""Node answers written into a recording, and answered from one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from facts.access import Access, Attempt, Wishes
from facts.collector.source import NodeSource, OnAnswer, OnHello
from facts.collector.wire import Asked, RawAnswer, ScriptError
from facts.fact import QUESTIONS, Failed
from facts.node.probes import FlowProbes
from facts.session import Session
from targets.deadline import Deadline
from targets.decoding import converted
from targets.recording import Line, RecordedCluster, Recorder, Recording
from targets.target import NodeRef


def _ask(question: Asked) -> str:
    """A question's name in a recording: its id, and its parameters where it has some."""
    if not question.parameters:
        return question.id
    digest = hashlib.sha256(msgspec.json.encode(question.parameters, order="sorted")).hexdigest()[:12]
    return f"{question.id}?{digest}"


class Said(msgspec.Struct, omit_defaults=True):
    """What a node answered, as it stands in a recording: one of the three."""

    value: object = None
    error: ScriptError | None = None
    failed: Failed | None = None


class RecordingNodes:
    """A NodeSource that writes down what the real one answers."""

    def __init__(self, nodes: NodeSource, recorder: Recorder) -> None:
        self._nodes, self._recorder = nodes, recorder

    def cancel(self, node: str) -> None:
        self._nodes.cancel(node)

    def collect(
        self,
        node: NodeRef,
        questions: Sequence[Asked],
        deadline: Deadline,
        on_hello: OnHello,
        on_answer: OnAnswer,
    ) -> Access:
        names = {q.id: _ask(q) for q in questions}

        def keep(identity: str, answer: RawAnswer | Failed) -> None:
            if isinstance(answer, Failed):
                line = Line(node.name, names[identity], datetime.now(UTC), Said(failed=answer))
            else:
                value = msgspec.json.decode(answer.value)
                line = Line(node.name, names[identity], answer.at, Said(value, answer.error), ms=answer.ms)
            self._recorder.add(line)
            on_answer(identity, answer)

        access = self._nodes.collect(node, questions, deadline, on_hello, keep)
        self._recorder.add(Line(node.name, "access", datetime.now(UTC), access))
        return access


class RecordedNodes:
    """Nodes as a recording has them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def cancel(self, node: str) -> None:
        """Nothing is under way."""

    def collect(
        self,
        node: NodeRef,
        questions: Sequence[Asked],
        deadline: Deadline,
        on_hello: OnHello,
        on_answer: OnAnswer,
    ) -> Access:
        found = self._recording.find(node.name, "access")
        if found is None:
            why = "The recording has nothing of this node."
            access = self._no_access("not-recorded", why)
        else:
            try:
                access = converted(found.value, Access)
            except msgspec.ValidationError as error:
                why = f"How {node.name} was reached cannot be read in the recording: {error}."
                access = self._no_access("malformed", why)
        on_hello(access)
        for question in questions:
            on_answer(question.id, self._answer(node.name, question))
        return access

    def _no_access(self, kind: str, why: str) -> Access:
        return Access((Attempt("recording", str(self._recording.path), "answer", kind, "", why),))

    def _answer(self, node: str, question: Asked) -> RawAnswer | Failed:
        line = self._recording.find(node, _ask(question))
        if line is None:
            return Failed(
                "not-recorded",
                f"The recording does not hold {question.id} of {node}.",
                "Record anew to have it.",
            )
        try:
            said = converted(line.value, Said)
        except msgspec.ValidationError as error:
            why = f"The recording's answer of {node} to {question.id} cannot be read: {error}."
            return Failed("malformed", why, "Record anew to have it.")
        if said.failed is not None:
            return said.failed
        return RawAnswer(line.at, line.ms, msgspec.Raw(msgspec.json.encode(said.value)), said.error)


def opened(recording: Recording, *, only: Sequence[str] = ()) -> Session:
    """A session on a recording; its "now" is the moment of the recording, so that ages are judged as they were.

    What was tried is what somebody wished.
    """
    session = Session(
        RecordedCluster(recording), RecordedNodes(recording), only=only, now=recording.header.recorded
    )
    asked = f"{QUESTIONS[FlowProbes].name}?"
    for node in {line.node for line in recording.lines if line.ask.startswith(asked)}:
        session.wish(Wishes(flows=True), node)
    return session
