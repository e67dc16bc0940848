"""Makes recordings: asks the engine each question alone on each machine and notes what the answer looked at."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import msgspec

from lab.decoding import converted
from lab.windows.auth import Credentials
from lab.windows.node import WindowsNode
from lab.windows.recordings import (
    EPOCH,
    Asked,
    Change,
    Payload,
    Question,
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
        machine = converted(msgspec.to_builtins(machine), Machine)
        machine.hung_questions, machine.hns.hangs = [], False
        for one in asked:
            if machine.os.language_mode != "FullLanguage" or one.payload is None:
                _minimum(machine, command, one, store)
                continue
            keys = {q.id: question_key(q, one.payload.collector) for q in one.payload.questions}
            new = [q for q in one.payload.questions if store.find(keys[q.id], machine, EPOCH) is None]
            if new:
                progress(f"{machine.name}: {', '.join(question.id for question in new)}")
                _questions(machine, command, one, new, store)
    return store


def record_text(machine: Machine, text: str, data: bytes, store: Store) -> None:
    """Records any other PowerShell text with its standard input, and what it changes."""
    key = text_key(text, data)
    if store.find(key, machine, EPOCH) is None:
        out, code, traces, change = _run(machine, text, data)
        _keep(
            store,
            key,
            machine,
            json.dumps({"out": out, "code": code}),
            [*chain.from_iterable(traces)],
            change,
        )


def _questions(machine: Machine, command: str, asked: Asked, new: list[Question], store: Store) -> None:
    """All in one process, each with a trace of its own; one by one where one of them changes the machine."""
    assert asked.payload is not None
    marked = [
        Question(one.id, f"Add-LabTrace 'question {one.id}'\n{one.script}", one.parameters, _PATIENCE)
        for one in new
    ]
    data = standard_input(asked.minimum, Payload(asked.payload.collector, marked))
    out, _, traces, change = _run(machine, command, data)
    if change is not None and len(new) > 1:
        for one in new:
            _questions(machine, command, asked, [one], store)
        return
    common, own = _by_question(traces)
    for one in new:
        lines = [line for line in out.splitlines() if line.startswith(f"~kw data {one.id} ")]
        if not lines or one.id not in own:
            raise RecordingFailed(f"{machine.name} gave no answer to {one.id}: {out[:2000]}")
        packed = base64.b64decode("".join(line.split(" ", 3)[3] for line in lines))
        answer = json.loads(gzip.decompress(packed))
        if answer.get("error", {}).get("type") == "kwinnow.deadline":
            raise RecordingFailed(f"{machine.name} did not answer {one.id} within {_PATIENCE:.0f} s")
        kept = {part: answer[part] for part in ("value", "error") if part in answer}
        text = json.dumps(kept, ensure_ascii=False, sort_keys=True)
        _keep(
            store, question_key(one, asked.payload.collector), machine, text, [*common, *own[one.id]], change
        )


def _by_question(traces: list[list[str]]) -> tuple[list[str], dict[str, list[str]]]:
    """Lines that belong to no question, and those of each. A runspace is used again: its trace may hold several."""
    common: list[str] = []
    own: dict[str, list[str]] = {}
    for trace in traces:
        lines = common
        for line in trace:
            if line.startswith("question "):
                lines = own.setdefault(line.removeprefix("question ").strip(), [])
            else:
                lines.append(line)
    return common, own


def _minimum(machine: Machine, command: str, asked: Asked, store: Store) -> None:
    key = text_key("minimum", asked.minimum.encode())
    if store.find(key, machine, EPOCH) is None:
        out, _, traces, change = _run(machine, command, standard_input(asked.minimum, Payload("", [])))
        plain = [line for line in out.splitlines() if line.startswith(("~kw plain ", "~kw done "))]
        _keep(store, key, machine, "\n".join(plain), [*chain.from_iterable(traces)], change)


def standard_input(minimum: str, payload: Payload) -> bytes:
    """What the collector reads, with these questions (docs/collector.md)."""
    packed = base64.b64encode(gzip.compress(msgspec.json.encode(payload), mtime=0)).decode("ascii")
    lines = [
        "#kwinnow 1",
        minimum,
        "#payload",
        *(packed[at : at + 4000] for at in range(0, len(packed), 4000)),
        "#end",
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _run(machine: Machine, command: str, data: bytes) -> tuple[str, int, list[list[str]], Change | None]:
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
        traces = [file.read_text("utf-8").splitlines() for file in sorted(Path(folder).iterdir())]
    return out.decode("utf-8", "replace"), code, traces, _change(machine, changed[-1]) if changed else None


def _change(before: Machine, after: Machine) -> Change:
    change = Change()
    for field in before.__struct_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if field == "files":
            for path in old.keys() | new.keys():
                if old.get(path) != new.get(path):
                    change.files[path] = msgspec.Raw(msgspec.json.encode(new.get(path)))
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
