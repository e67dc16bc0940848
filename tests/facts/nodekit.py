"""Asks machines of the lab by the real collector, in the real PowerShell engine."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import facts.catalogue
from facts.asking import Value, read_node_answer
from facts.collector.wire import (
    Answered,
    Asked,
    Heard,
    HelloLine,
    RawAnswer,
    Reader,
    command,
    script_text,
    standard_input,
)
from facts.fact import QUESTIONS, Fact, Origin, Question
from facts.needs import Need
from facts.node.probes import FlowProbes, TcpProbes
from lab.windows import commands, engine
from lab.windows.commands import PowerShell
from lab.windows.runs import Run
from lab.windows.state import NodeState
from lab.world.machine import Machine
from targets.deadline import Deadline

NOW = 1_767_323_045.0  # any moment will do; the lab dates everything from it
PROBES = (TcpProbes, FlowProbes)  # their parameters are worked out from other facts
F = TypeVar("F", bound=Fact)


def node_questions() -> list[Question]:
    """Every question that is asked of a node."""
    return [q for q in facts.catalogue.load() if q.origin is Origin.NODE]


def asked(*wanted: type[Fact], seconds: float = 60.0, **parameters: Any) -> list[Asked]:
    """The questions of `wanted` as they are sent. The deadline is generous: a test machine may be busy."""
    questions = [QUESTIONS[fact] for fact in wanted]
    return [Asked(q.name, script_text(q.script), parameters, seconds) for q in questions]


def decoded(fact: type[F], raw: RawAnswer) -> Value:
    """A raw answer as the session reads it; the reader of a node fact needs no other fact."""

    def none(need: Need) -> object:
        raise AssertionError(f"{fact.__name__} needs {need.fact.__name__} to be read")

    return read_node_answer(fact, raw, none)


class Bench:
    """One machine on which commands can be run. `stop` ends what still runs."""

    def __init__(self, machine: Machine, pwsh: str, folder: Path) -> None:
        self.epoch = time.time()
        self.machine = machine
        self.folder = folder
        self._pwsh = pwsh
        self._state = NodeState(folder, self.epoch)
        self._state.write(machine)
        self._runs: list[Run] = []

    def start(self, line: str, stdin: bytes) -> Run:
        wanted = commands.parse(commands.split(line))
        assert isinstance(wanted, PowerShell)
        offset = self.machine.os.clock_offset
        run = engine.start(self._pwsh, wanted.text, self._state, {}, epoch=self.epoch + offset, ahead=offset)
        self._runs.append(run)
        run.write(stdin)
        run.close_input()
        return run

    def stop(self) -> None:
        for run in self._runs:
            run.kill()

    def changed(self) -> bool:
        """Whether anything that has run has changed the machine."""
        return self._state.read(copy.deepcopy(self.machine))

    def chunks(self, questions: Sequence[Asked], seconds: float = 120.0) -> Iterator[bytes]:
        """Standard output of one collector process, as it comes."""
        yield from read(self.start(command(), standard_input(questions)), Deadline(seconds))

    def heard(self, questions: Sequence[Asked]) -> list[Heard]:
        reader = Reader()
        found = [h for chunk in self.chunks(questions) for h in reader.feed(chunk)]
        assert reader.finished, reader.noise
        return found

    def answers(self, questions: Sequence[Asked]) -> dict[str, RawAnswer]:
        return {h.id: h.answer for h in self.heard(questions) if isinstance(h, Answered)}

    def hello(self) -> HelloLine:
        found = next(h for h in self.heard([]) if isinstance(h, HelloLine))
        return found

    def facts(self, wanted: Iterable[type[Fact]]) -> dict[type[Fact], Value]:
        """Facts without parameters, asked in one process."""
        kinds = list(wanted)
        raw = self.answers(asked(*kinds))
        return {fact: decoded(fact, raw[QUESTIONS[fact].name]) for fact in kinds}

    def fact(self, wanted: type[F]) -> F:
        value = self.facts([wanted])[wanted]
        assert isinstance(value, wanted), value
        return value


def read(run: Run, deadline: Deadline) -> Iterator[bytes]:
    """A run's standard output until its end. DeadlineExceeded if that does not come."""
    while True:
        took = run.take(1 << 20, deadline.left(1.0))
        if took is None:
            deadline.check("The engine")
            continue
        for stream, data in took.chunks:
            if stream == "stdout":
                yield data
        if took.exit_code is not None:
            return
