"""Nodes that learn: what has no recording yet is asked of the engine, and recorded, before it is replayed.

A practice cluster made of such nodes records exactly what its clients ask, in the states in which they ask it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable

import msgspec

from lab.windows.clock import Clock
from lab.windows.recorder import RecordingFailed, record, record_text, standard_input
from lab.windows.recordings import (
    EPOCH,
    Payload,
    Recorded,
    Store,
    mix,
    parse_input,
    question_key,
    script_key,
    text_key,
)
from lab.windows.replay import ReplayRun
from lab.windows.runs import Run
from lab.world.machine import Machine

COLLECTOR = "collector"  # the name under which the collector itself stands among a store's scripts


class Learner:
    """Fills `store` with what is asked, taking from `old` what is still true there. Safe for threads."""

    def __init__(self, old: Store, workers: int = 2, tell: Callable[[str], None] | None = None) -> None:
        self.old = old
        self.store = Store()
        self.asked = 0  # questions that the engine has answered
        self.failures: list[str] = []
        self._tell = tell or (lambda text: print(text, file=sys.stderr))
        self._lock = threading.RLock()
        self._engines = threading.Semaphore(workers)

    def replay(self, text: str, machine: Machine, clock: Clock, change: Callable[[Machine], None]) -> Run:
        """For `Practice(replay=…)`. The clock must stand at EPOCH."""
        return _LearningRun(text, machine, clock, change, self)

    def whole(self) -> Store:
        """What was asked, and what of the old store was not asked again: for an interrupted run."""
        with self._lock:
            for key, rows in self.old.questions.items():
                for row in rows:
                    self._adopt(key, row, self.old)
            self.store.scripts = self.old.scripts | self.store.scripts
            self.store.mixes = sorted({*self.old.mixes, *self.store.mixes})
            return self.store

    def mixed(self, scenario: str, planted: Iterable[str]) -> None:
        """Everything was asked of a cluster in which this is planted together."""
        with self._lock:
            self.store.mixes = sorted({*self.store.mixes, mix(scenario, planted)})

    def learn(self, text: str, machine: Machine, data: bytes) -> None:
        """See to it that the store can answer. RecordingFailed."""
        asked = parse_input(data)
        if asked is None:
            self._learn_text(text, machine, data)
            return
        if machine.os.language_mode != "FullLanguage" or asked.payload is None:
            if not self._known(text_key("minimum", asked.minimum.encode()), machine):
                self._keep(record([machine], text, [data], Store(), self._tell))
            return
        payload = asked.payload
        with self._lock:
            self.store.scripts[script_key(payload.collector)] = COLLECTOR
            keys = {q.id: question_key(q, payload.collector) for q in payload.questions}
            new = [q for q in payload.questions if not self._known(keys[q.id], machine)]
            self.store.scripts |= {script_key(q.script): q.id for q in payload.questions}
        if new:
            rest = standard_input(asked.minimum, Payload(payload.collector, new))
            with self._engines:
                self._keep(record([machine], text, [rest], Store(), self._tell))
            self.asked += len(new)

    def _learn_text(self, text: str, machine: Machine, data: bytes) -> None:
        if not self._known(text_key(text, data), machine):
            fresh = Store()
            with self._engines:
                record_text(machine, text, data, fresh)
            self._keep(fresh)

    def _known(self, key: str, machine: Machine) -> bool:
        with self._lock:
            if self.store.find(key, machine, EPOCH) is not None:
                return True
            row = self.old.find(key, machine, EPOCH)
            if row is not None:
                self._adopt(key, row, self.old)
            return row is not None

    def _keep(self, fresh: Store) -> None:
        with self._lock:
            for key, rows in fresh.questions.items():
                for row in rows:
                    self._adopt(key, row, fresh)

    def _adopt(self, key: str, row: Recorded, source: Store) -> None:
        if any(known.looked_at == row.looked_at for known in self.store.questions.get(key, ())):
            return
        change = None if row.change is None else self.store.text(source.texts[row.change])
        answer = self.store.text(source.texts[row.answer])
        self.store.add(key, msgspec.structs.replace(row, answer=answer, change=change))


class _LearningRun(ReplayRun):
    def __init__(
        self,
        text: str,
        machine: Machine,
        clock: Clock,
        change: Callable[[Machine], None],
        learner: Learner,
    ) -> None:
        super().__init__(text, machine, clock, change, learner.store)
        self._learner = learner

    def _answer(self) -> None:
        try:
            self._learner.learn(self._text, self._machine, self._input)
        except RecordingFailed as error:
            self._learner.failures.append(str(error))
            self.emit("stderr", f"{error}\r\n".encode())
            self.end(1)
            return
        super()._answer()
