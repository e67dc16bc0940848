"""Makes the healthy examples: `python tests/examples.py [SCENARIO…]`, or `make recordings`.

Each scenario's practice cluster stands still at one moment; the product asks it everything, over real WinRM, and
the real engine answers. What only says when and over which port somebody asked is set to fixed values, so that the
same answers make the same file.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from practicekit import MOMENT, FixedClock, Patient, session_on

from facts.access import Access
from facts.catalogue import load
from facts.collector.source import NodeSource
from facts.examples import STACKS, path_of
from facts.fact import Failed
from facts.recorded import RecordingNodes
from lab.practice import Practice
from lab.windows.engine import find_pwsh
from targets.decoding import converted
from targets.recording import FORMAT, Header, Line, Recorder, Recording, RecordingCluster
from targets.target import ClusterTarget


def record(scenario: str, plant: str = "", *, use_engine: bool = True) -> tuple[Header, list[Line]]:
    """A cluster's answers, in a fixed order. RuntimeError names the facts that failed though all is healthy."""
    with (
        tempfile.TemporaryDirectory(prefix="examples-") as folder,
        Practice(scenario, FixedClock(), use_engine=use_engine) as practice,
    ):
        if plant:
            practice.plant(plant)
        recorder = Recorder(Path(folder) / "whole", "practice", practice.world.plan.api_url)

        def wrap(cluster: ClusterTarget, nodes: NodeSource) -> tuple[ClusterTarget, NodeSource]:
            return RecordingCluster(cluster, recorder), RecordingNodes(Patient(nodes), recorder)

        session = session_on(practice, wrap)
        session.gather([question.fact for question in load()])
        recorder.close()
        failed = [f"{fact.__name__} {node}: {a.value.why}" for (fact, node), a in session.answers.by_key.items()
                  if isinstance(a.value, Failed)]  # fmt: skip
        if failed and not plant:
            raise RuntimeError("; ".join(failed))
        urls = {practice.url: practice.world.plan.api_url}
        addresses = {name: machine.address for name, machine in practice.world.windows.items()}
        recording = Recording(Path(folder) / "whole")
    lines = {(line.node, line.ask): _fixed(line, addresses, urls) for line in recording.lines}
    header = Header(FORMAT, MOMENT, recording.header.context, recording.header.server)
    return header, [lines[key] for key in sorted(lines)]


def _fixed(line: Line, addresses: dict[str, str], urls: dict[str, str]) -> Line:
    value, error = line.value, line.error
    if error is not None:
        for url, known in urls.items():
            error = msgspec.structs.replace(error, what=error.what.replace(url, known))
    if line.ask == "access":
        access = converted(value, Access)
        hello = access.hello
        assert hello is not None and abs(hello.now - MOMENT) < timedelta(minutes=10), access
        attempts = [
            msgspec.structs.replace(a, address=f"https://{addresses[line.node]}:5986")
            for a in access.attempts
        ]
        hello = msgspec.structs.replace(hello, now=MOMENT, received=MOMENT, round_trip=0.1)
        value = msgspec.json.decode(msgspec.json.encode(Access(tuple(attempts), hello)))
    return msgspec.structs.replace(line, at=MOMENT, ms=0, value=_unhurried(value), error=error)


def _unhurried(value: Any) -> Any:
    """Answers that were measured in milliseconds took 20."""
    if isinstance(value, dict):
        return {key: 20 if key == "ms" else _unhurried(item) for key, item in value.items()}
    return [_unhurried(item) for item in value] if isinstance(value, list) else value


def write(path: Path, header: Header, lines: Sequence[Line]) -> None:
    """The file, the same bytes for the same answers."""
    text = b"".join(msgspec.json.encode(line, order="sorted") + b"\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(msgspec.json.encode(header) + b"\n" + text, mtime=0))


def differences(stored: Sequence[Line], made: Sequence[Line]) -> list[str]:
    """Which answers are not the same, one sentence each."""
    old, new = ({(line.node, line.ask): line for line in lines} for lines in (stored, made))
    said = []
    for node, ask in sorted(old.keys() | new.keys()):
        before, after = old.get((node, ask)), new.get((node, ask))
        if before is None or after is None:
            said.append(
                f"{node or 'cluster'} {ask}: only in the {'stored' if after is None else 'new'} example"
            )
        elif (before.value, before.error) != (after.value, after.error):
            said.append(
                f"{node or 'cluster'} {ask}: {before.value or before.error} is now {after.value or after.error}"
            )
    return said


def main(scenarios: Sequence[str]) -> int:
    if find_pwsh() is None:
        print("The PowerShell engine is needed: set KWINNOW_PWSH or put pwsh on PATH.", file=sys.stderr)
        return 2
    for scenario in scenarios or STACKS:
        header, lines = record(scenario)
        path = path_of(scenario)
        changed = not path.exists() or differences(Recording(path).lines, lines)
        if changed:
            write(path, header, lines)
        print(f"{scenario}: {'written' if changed else 'as it was'}, {len(lines)} answers", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
