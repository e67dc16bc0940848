"""Answers PowerShell text from recordings, on a computer without an engine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_type_hints

from lab.decoding import decoder
from lab.windows.clock import Clock
from lab.windows.recordings import (
    EPOCH,
    Asked,
    Change,
    Question,
    Recorded,
    Store,
    eras,
    parse_input,
    question_key,
    text_key,
)
from lab.windows.runs import Run
from lab.windows.times import shifted
from lab.world.machine import File, Machine

_LATE = {"error": {"type": "kwinnow.deadline", "hresult": "", "fqid": "", "message": ""}}
NOT_RECORDED = "lab.not-recorded"
_WHY = (
    "The practice cluster has no recording of this script for this state of the node (a mix of faults, "
    "or what was mended by hand or done a second time); "
    "with PowerShell 7 (pwsh) on PATH its nodes answer everything."
)
_HINT = "Start the practice cluster where pwsh is found, or take faults out with kwinnow lab --unplant."
_FIELDS = {name: decoder(kind) for name, kind in get_type_hints(Machine).items()}
_FILE = decoder(File | None)
_CHANGE = decoder(Change)


@cache
def packaged() -> Store:
    """The recordings that come with the lab."""
    return Store.load()


class ReplayRun(Run):
    """Reads the collector's standard input up to its last line, then answers as the engine did."""

    def __init__(
        self, text: str, machine: Machine, clock: Clock, change: Callable[[Machine], None], store: Store
    ) -> None:
        super().__init__()
        self._text = text
        self._machine = machine
        self._clock = clock
        self._change = change
        self._store = store
        self._input = b""
        self._begun = False
        self._stop = threading.Event()
        self._looks: dict[str, str] = {}

    def write(self, data: bytes) -> None:
        self._input += data
        if self._input.endswith(b"#end\n") or b"\n#end\n" in self._input:
            self._begin()

    def close_input(self) -> None:
        self._begin()

    def kill(self) -> None:
        self._stop.set()
        super().kill()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._answer, daemon=True, name="lab-replay").start()

    def _answer(self) -> None:
        asked = parse_input(self._input)
        if asked is None:
            self._text_answer()
        else:
            self._collector(asked)

    def _say(self, line: str) -> None:
        self.emit("stdout", f"{line}\n".encode())

    def _moved(self, number: int) -> str:
        text = self._store.texts[number]
        for era in eras(self._machine, EPOCH):
            text = shifted(text, era, self._clock.epoch - EPOCH)
        return text

    def _text_answer(self) -> None:
        recorded = self._find(text_key(self._text, self._input))
        if recorded is None:
            self.emit("stderr", b"This script was not recorded, and no PowerShell engine was found.\r\n")
            self.end(1)
            return
        said = json.loads(self._moved(recorded.answer))
        self.emit("stdout", said["out"].encode())
        self._apply(recorded)
        self.end(said["code"])

    def _collector(self, asked: Asked) -> None:
        os = self._machine.os
        hello = {"language": os.language_mode, "elevated": os.elevated, "version": f"5.1.{os.build}.{os.ubr}"}
        self._say("~kw hello " + json.dumps(hello | {"now": self._now(os.clock_offset)}))
        if os.language_mode != "FullLanguage" or asked.payload is None:
            recorded = self._find(text_key("minimum", asked.minimum.encode()))
            for line in self._moved(recorded.answer).splitlines() if recorded else ():
                self._say(line)
            self.end(0)
            return
        late: list[Question] = []
        for question in asked.payload.questions:
            recorded = self._find(question_key(question, asked.payload.collector))
            if recorded is not None and self._hangs(recorded):
                late.append(question)
                continue
            self._give(question, self._found(recorded))
            if recorded is not None:
                self._apply(recorded)
        waited = 0.0
        for question in sorted(late, key=lambda q: q.seconds):
            if self._clock.wait(max(0.0, question.seconds - waited), self._stop):
                return
            waited = max(waited, question.seconds)
            self._give(question, _LATE, ms=int(question.seconds * 1000))
        self._say(f"~kw done {len(asked.payload.questions)}")
        self.end(0)

    def _find(self, key: str) -> Recorded | None:
        return self._store.find(key, self._machine, self._clock.epoch, self._looks)

    def _found(self, recorded: Recorded | None) -> dict[str, Any]:
        if recorded is None:
            error = {
                "type": NOT_RECORDED,
                "hresult": "",
                "fqid": NOT_RECORDED,
                "message": _WHY,
                "hint": _HINT,
            }
            return {"error": error}
        answer: dict[str, Any] = json.loads(self._moved(recorded.answer))
        return answer

    def _hangs(self, recorded: Recorded) -> bool:
        waits = {look.removeprefix("hang ") for look in recorded.looked_at if look.startswith("hang ")}
        hung = {name.lower() for name in self._machine.hung_questions}
        return bool(waits & hung) or (self._machine.hns.hangs and any("-hns" in name for name in waits))

    def _give(self, question: Question, answer: dict[str, Any], ms: int = 20) -> None:
        whole = {"at": self._now(0.0), "ms": ms} | answer
        packed = gzip.compress(json.dumps(whole, ensure_ascii=False).encode(), mtime=0)
        text = base64.b64encode(packed).decode("ascii")
        for at in range(0, len(text), 4000):
            self._say(f"~kw data {question.id} {text[at : at + 4000]}")
        self._say(f"~kw end {question.id} {len(packed)} {hashlib.sha256(packed).hexdigest()}")

    def _now(self, offset: float) -> str:
        at = datetime.fromtimestamp(self._clock.now() + offset, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"

    def _apply(self, recorded: Recorded) -> None:
        """Makes the change that the script made, dated now."""
        if recorded.change is None:
            return
        change: Change = _CHANGE.decode(self._moved(recorded.change))
        now = self._clock.now() - self._clock.epoch
        for field, raw in change.fields.items():
            value = _FIELDS[field].decode(raw)
            old = getattr(self._machine, field)
            if field == "services":
                for name, service in value.items():
                    if name not in old or old[name].started != service.started:
                        service.started = now
            elif field == "processes":
                known = {process.pid for process in old}
                for process in value:
                    if process.pid not in known:
                        process.created = now
            setattr(self._machine, field, value)
        for path, raw in change.files.items():
            file: File | None = _FILE.decode(raw)
            if file is None:
                self._machine.files.pop(path, None)
            else:
                self._machine.files[path] = file
        self._looks.clear()
        self._change(self._machine)


def replay(text: str, machine: Machine, clock: Clock, change: Callable[[Machine], None]) -> Run:
    """Answers from the recordings that come with the lab."""
    return ReplayRun(text, machine, clock, change, packaged())
