"""Recorded answers: what the engine said to a script, kept with the parts of the machine's state that it looked at.

An answer is true for every machine on which those parts are the same; times are not compared, since a lab is
never twice at the same moment. Nothing is answered that was not recorded.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lab.decoding import decoder
from lab.windows.helpers import used
from lab.windows.times import NEAR, levelled
from lab.world.machine import Machine

EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z: the moment at which every recording is made
NOTES = "path C:\\ProgramData\\kwinnow"  # acts see to it that this folder is there, whatever lies in it
STORE = Path(__file__).parents[1] / "recordings" / "answers.xz"


class Question(msgspec.Struct):
    """One question of the collector's payload (docs/collector.md)."""

    id: str
    script: str
    parameters: dict[str, Any] = {}
    seconds: float = 10.0


class Payload(msgspec.Struct):
    """What follows `#payload` on standard input."""

    collector: str
    questions: list[Question]


class Change(msgspec.Struct):
    """What a script did to the machine: whole fields by name, and files (null: gone)."""

    fields: dict[str, msgspec.Raw] = {}
    files: dict[str, msgspec.Raw] = {}


class Recorded(msgspec.Struct):
    """One answer: numbers of its texts in the store, by what it looked at."""

    looked_at: dict[str, str]
    answer: int
    change: int | None = None


class Store(msgspec.Struct):
    """The file: answers by question, each text once; and what was asked, so that a change of it is noticed.

    `scripts`: digests (`script_key`) of every script that has answers here, with the question's id. `mixes`: what
    was planted together when it was looked at (`mix`); one at a time everything was.
    """

    questions: dict[str, list[Recorded]] = {}
    texts: list[str] = []
    scripts: dict[str, str] = {}
    mixes: list[str] = []

    def add(self, key: str, recorded: Recorded) -> None:
        self.questions.setdefault(key, []).append(recorded)

    def text(self, text: str) -> int:
        """The number of a text, new or known."""
        try:
            return self.texts.index(text)
        except ValueError:
            self.texts.append(text)
            return len(self.texts) - 1

    def holds(self, scenario: str, planted: Iterable[str]) -> bool:
        """Whether all answers of a cluster in which this is planted were recorded."""
        names = list(planted)
        return len(names) < 2 or mix(scenario, names) in self.mixes

    def find(
        self, key: str, machine: Machine, epoch: float, looks: dict[str, str] | None = None
    ) -> Recorded | None:
        """The answer that holds for the machine; `epoch` is what its relative times count from.

        `looks` keeps what was seen of the machine for the next question, as long as the machine is the same.
        """
        looks = {} if looks is None else looks
        for recorded in self.questions.get(key, ()):
            for look, wanted in recorded.looked_at.items():
                if look.startswith("hang "):
                    continue
                if look not in looks:
                    looks[look] = seen(machine, look, epoch)
                if looks[look] != wanted:
                    break
            else:
                return recorded
        return None

    def save(self, path: Path = STORE) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(msgspec.json.encode(self), preset=9))

    @classmethod
    def load(cls, path: Path = STORE) -> Store:
        """An empty store where there is no file."""
        if not path.exists():
            return cls()
        store: Store = _STORE.decode(lzma.decompress(path.read_bytes()))
        return store


_STORE = decoder(Store)
_PAYLOAD = decoder(Payload)


@dataclass(frozen=True)
class Asked:
    """Standard input of the collector taken apart. `payload` is None where it has none."""

    minimum: str
    payload: Payload | None


def mix(scenario: str, planted: Iterable[str]) -> str:
    """What is planted together in a scenario, as a store lists it."""
    return f"{scenario}: {' + '.join(sorted(planted))}"


def parse_input(data: bytes) -> Asked | None:
    """Takes the collector's standard input apart; None if it is something else."""
    lines = data.decode("ascii", "replace").splitlines()
    if not lines or not lines[0].startswith("#kwinnow "):
        return None
    if "#payload" not in lines:
        return Asked("\n".join(lines[1:]), None)
    at = lines.index("#payload")
    end = lines.index("#end") if "#end" in lines else len(lines)
    packed = base64.b64decode("".join(lines[at + 1 : end]))
    payload: Payload = _PAYLOAD.decode(gzip.decompress(packed))
    return Asked("\n".join(lines[1:at]), payload)


def question_key(question: Question, collector: str) -> str:
    """What identifies a question: its script, what of the collector it goes through, its parameters; not its id.

    Who acts, and under which name an act is noted (the parameter `journal`), changes no answer.
    """
    parameters = {name: value for name, value in question.parameters.items() if name != "journal"}
    return _digest(question.script, used(question.script, collector), json.dumps(parameters, sort_keys=True))


def script_key(script: str) -> str:
    """What identifies a script, whatever its parameters."""
    return _digest("script", script)


def text_key(text: str, data: bytes = b"") -> str:
    """What identifies any other PowerShell text and its standard input."""
    return _digest("text", text, data.hex())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def seen(machine: Machine, look: str, epoch: float) -> str:
    """A digest of one part of the state, as a look of the stand-ins names it (`standins/lab.ps1`, Add-LabTrace)."""
    kind, _, name = look.partition(" ")
    if kind == "field":
        return _digest(_level(_timeless(machine, name), machine, epoch))
    if kind == "path":
        return _digest(_level(_below(machine, name), machine, epoch))
    if kind == "native":
        wanted = name.removeprefix("*").lower()
        answers = {
            path: (None if name == "*" else msgspec.to_builtins(answers))
            for path, answers in sorted(machine.natives.items())
            if path.lower().endswith(wanted)
        }
        return _digest(_level(json.dumps(answers, sort_keys=True), machine, epoch))
    raise ValueError(f"no such look: {look}")


def eras(machine: Machine, epoch: float) -> list[float]:
    """The moments near which the machine's texts have times: a clock that is years off has an era of its own."""
    own = epoch + machine.os.clock_offset
    return [epoch] if abs(own - epoch) <= NEAR else [epoch, own]


def _level(text: str, machine: Machine, epoch: float) -> str:
    for era in eras(machine, epoch):
        text = levelled(text, era)
    return text


def looks_of(trace: Iterable[str]) -> list[str]:
    """The looks of a trace, each once; what only waits for hanging commands is told apart by `hangs_of`."""
    return sorted({line.strip() for line in trace if line.strip() and not line.startswith("hang ")} - {NOTES})


def hangs_of(trace: Iterable[str]) -> list[str]:
    """The commands of a trace that could be made to hang."""
    return sorted({line.strip().removeprefix("hang ") for line in trace if line.startswith("hang ")})


def _timeless(machine: Machine, field: str) -> str:
    value = msgspec.to_builtins(getattr(machine, field))
    if field == "hns":
        value["hangs"] = False
    rows = value.values() if field == "services" else value if field in {"processes", "events"} else ()
    for row in [value, *rows] if isinstance(value, dict) else rows:
        for time in ("started", "created", "time", "boot"):
            if isinstance(row.get(time), float | int):
                row[time] = 0
    return json.dumps(value, sort_keys=True)


def _below(machine: Machine, path: str) -> str:
    """A file, or everything below a folder; a pattern stands for the folder before its first wildcard."""
    for mark in "*?[":
        if mark in path:
            path = path[: path.index(mark)].rpartition("\\")[0]
    path = path.rstrip("\\").lower()
    found = {
        name.lower(): [file.text, file.encoding, file.size, file.version, file.zone]
        for name, file in machine.files.items()
        if name.lower() == path or name.lower().startswith(path + "\\")
    }
    return json.dumps(found, sort_keys=True)
