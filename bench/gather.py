"""One node's questions over WinRM with NTLM: kwinnow's way against pypsrp's WinRS with the same standard input."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.pairs import Ratio, side_by_side

NODE = "win-1"


@contextmanager
def _practice() -> Iterator[dict[str, str]]:
    """A practice cluster in a process of its own; what it says about how it is reached."""
    command = [sys.executable, "-m", "tui.cli", "lab", "--scenario", "flannel-2022", "--no-console"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as lab:
        assert lab.stdout is not None
        told: dict[str, str] = {}
        while "KWINNOW_PASSWORD" not in told:
            line = lab.stdout.readline()
            assert line, "the practice cluster did not start"
            name, _, value = line.removeprefix("export ").strip().partition("=")
            told[name] = value
        try:
            yield told
        finally:
            lab.terminate()


def _standard_input() -> bytes:
    """The questions that need no parameters."""
    from facts.catalogue import load
    from facts.collector.wire import Asked, script_text, standard_input
    from facts.fact import Origin, method

    simple = [q for q in load() if q.origin is Origin.NODE and method(q.fact, "parameters") is None]
    return standard_input([Asked(q.name, script_text(q.script), {}, q.seconds) for q in simple])


def measure(pairs: int) -> list[Ratio]:
    """The time on the wall holds the node's own work; the CPU time is the client's alone."""
    from pypsrp.shell import Process, WinRS
    from pypsrp.wsman import WSMan

    from facts.collector.wire import command
    from targets.config import load as load_config
    from targets.configured_ways import ConfiguredWays
    from targets.deadline import Deadline
    from targets.passwords import Passwords
    from targets.target import CommandLog, NodeRef

    text = _standard_input()
    with _practice() as told:
        config = load_config(told["KWINNOW_CONFIG"])
        ways = ConfiguredWays(config, Passwords(environ=told), CommandLog())
        node = NodeRef(NODE)
        peer = config.settings(node)[0].peer
        authority: Any = str(Path(told["KWINNOW_CONFIG"]).parent / "ca.pem")

        def ours() -> None:
            found = b"".join(ways.open(node).run(command(), text, Deadline(300)))
            assert len(found) > 10_000

        def theirs() -> None:
            manager = WSMan(
                "127.0.0.1",
                port=peer.port,
                ssl=True,
                auth="ntlm",
                username=peer.user,
                password=told["KWINNOW_PASSWORD"],
                cert_validation=authority,
            )
            program, _, arguments = command().partition(" ")
            with manager, WinRS(manager) as shell:
                process = Process(shell, program, arguments.split(), no_shell=True)
                process.begin_invoke()
                process.send(text, end=True)
                process.end_invoke()
                assert len(process.stdout) > 10_000

        ours()
        theirs()
        return [
            side_by_side("one node over WinRM with NTLM: pypsrp ÷ kwinnow, wall", ours, theirs, pairs),
            side_by_side("the same, CPU time of the client", ours, theirs, pairs, time.process_time),
        ]
