"""Makes recordings: asks the engine each question alone on each machine and notes what the answer looked at."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from lab.windows.auth import Credentials
from lab.windows.node import WindowsNode
from lab.windows.recordings import (
    EPOCH,
    Asked,
    Change,
    Payload,
    Recorded,
    Store,
    hangs_of,
    looks_of,
    parse_input,
    question_key,
    seen,
    text_key,
)
from lab.world.machine import Machine

_PATIENCE = 120.0  # seconds for one question on a busy computer


class RecordingFailed(Exception):
    """The engine did not answer as the collector's protocol says."""


class _StillClock:
    epoch = EPOCH

    def now(self) -> float:
        return EPOCH

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.is_set()


def record(
    machines: Iterable[Machine],
    command: str,
    blobs: Iterable[bytes],
    store: Store | None = None,
    progress: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Store:
    """Records the questions of the collector's standard inputs on machines that were built for EPOCH.

    `command` is the PowerShell text of the bootstrap. What the store knows already is not asked again.
    RecordingFailed if the engine does not answer.
    """  # fmt: skip
    store = store or Store.load()
    asked = [one for one in map(parse_input, blobs) if one is not None]
    for machine in machines:
        machine = msgspec.convert(msgspec.to_builtins(machine), Machine)
        machine.hung_questions, machine.hns.hangs = [], False
        for one in asked:
            if machine.os.language_mode != "FullLanguage" or one.payload is None:
                _minimum(machine, command, one, store)
                continue
            for question in one.payload.questions:
                if store.find(question_key(question), machine, EPOCH) is None:
                    progress(f"{machine.name}: {question.id}")
                    _question(machine, command, one, question_key(question), question.id, store)
    return store


def record_text(machine: Machine, text: str, data: bytes, store: Store) -> None:
    """Records any other PowerShell text with its standard input, and what it changes."""
    key = text_key(text, data)
    if store.find(key, machine, EPOCH) is None:
        out, code, trace, change = _run(machine, text, data)
        _keep(store, key, machine, json.dumps({"out": out, "code": code}), trace, change)


def _question(machine: Machine, command: str, asked: Asked, key: str, name: str, store: Store) -> None:
    assert asked.payload is not None
    only = [question for question in asked.payload.questions if question.id == name]
    data = _standard_input(asked.minimum, Payload(asked.payload.collector, only))
    out, _, trace, change = _run(machine, command, data)
    packed = "".join(
        line.split(" ", 3)[3] for line in out.splitlines() if line.startswith(f"~kw data {name} ")
    )
    if not packed:
        raise RecordingFailed(f"{machine.name} gave no answer to {name}: {out[:2000]}")
    answer = json.loads(gzip.decompress(base64.b64decode(packed)))
    kept = {part: answer[part] for part in ("value", "error") if part in answer}
    _keep(store, key, machine, json.dumps(kept, ensure_ascii=False), trace, change)


def _minimum(machine: Machine, command: str, asked: Asked, store: Store) -> None:
    key = text_key("minimum", asked.minimum.encode())
    if store.find(key, machine, EPOCH) is None:
        out, _, trace, change = _run(machine, command, _standard_input(asked.minimum, Payload("", [])))
        plain = [line for line in out.splitlines() if line.startswith(("~kw plain ", "~kw done "))]
        _keep(store, key, machine, "\n".join(plain), trace, change)


def _standard_input(minimum: str, payload: Payload) -> bytes:
    packed = base64.b64encode(gzip.compress(msgspec.json.encode(payload), mtime=0)).decode("ascii")
    lines = [
        "#kwinnow 1",
        minimum,
        "#payload",
        *(packed[at : at + 4000] for at in range(0, len(packed), 4000)),
        "#end",
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _run(machine: Machine, command: str, data: bytes) -> tuple[str, int, list[str], Change | None]:
    changed: list[Machine] = []
    with tempfile.TemporaryDirectory(prefix="lab-trace-") as folder:
        trace = Path(folder) / "trace"
        node = WindowsNode(
            machine, Credentials("recorder", "recorder"), clock=_StillClock(), on_change=changed.append
        )
        try:
            run = node.run(["powershell.exe", "-Command", command], {"KWINNOW_LAB_TRACE_TO": str(trace)})
            run.write(data)
            run.close_input()
            out = b""
            while (output := run.take(1 << 24, _PATIENCE)) is not None:
                out += b"".join(chunk for stream, chunk in output.chunks if stream == "stdout")
                if output.exit_code is not None:
                    break
            else:
                raise RecordingFailed(f"{machine.name} did not answer within {_PATIENCE:.0f} s")
            code = run.exit_code or 0
        finally:
            node.stop()
        lines = trace.read_text("utf-8").splitlines() if trace.exists() else []
    return out.decode("utf-8", "replace"), code, lines, _change(machine, changed[-1]) if changed else None


def _change(before: Machine, after: Machine) -> Change:
    change = Change()
    for field in before.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if field == "files":
            for path in old.keys() | new.keys():
                if old.get(path) != new.get(path):
                    file = new.get(path)
                    change.files[path] = None if file is None else msgspec.Raw(msgspec.json.encode(file))
        elif old != new:
            change.fields[field] = msgspec.Raw(msgspec.json.encode(new))
    return change


def _keep(
    store: Store, key: str, machine: Machine, answer: str, trace: list[str], change: Change | None
) -> None:
    looked_at = {look: seen(machine, look, EPOCH) for look in looks_of(trace)}
    looked_at |= {f"hang {name}": "" for name in hangs_of(trace)}
    told = None if change is None else store.text(msgspec.json.encode(change).decode())
    store.add(key, Recorded(looked_at, store.text(answer), told))
