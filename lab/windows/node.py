"""A Windows node of the lab: a machine's state behind real WinRM listeners."""

from __future__ import annotations

import copy
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.windows import commands, engine
from lab.windows.auth import Credentials
from lab.windows.clock import Clock, WallClock
from lab.windows.conditions import Conditions
from lab.windows.listener import Listener, Tls
from lab.windows.replay import replay as packaged_replay
from lab.windows.runs import Delayed, Run
from lab.windows.shells import Shells
from lab.windows.state import NodeState
from lab.world.machine import Machine

# How a node without an engine answers PowerShell text. What it calls with a changed machine becomes the state.
Replay = Callable[[str, Machine, Clock, Callable[[Machine], None]], Run]


class WindowsNode:
    """One node. Start it, connect to `port` (HTTP) or `tls_port` (HTTPS), change `conditions`, `apply` new states.

    `on_change` is called, in a thread of the node, with the machine after a process has changed it; consequences
    may be derived from it and put back by `apply`.

    Without an engine (none found, or `use_engine` false) PowerShell text is answered by `replay`. The node's own
    folder is made in `beside`, or where temporary folders are.
    """

    def __init__(
        self,
        machine: Machine,
        credentials: Credentials,
        *,
        tls: Tls | None = None,
        clock: Clock | None = None,
        on_change: Callable[[Machine], None] | None = None,
        use_engine: bool = True,
        replay: Replay = packaged_replay,
        port: int = 0,
        tls_port: int = 0,
        max_shells: int = 30,
        beside: Path | None = None,
    ) -> None:
        self._machine = copy.deepcopy(machine)
        self._clock = clock or WallClock()
        self._on_change = on_change
        self._pwsh = engine.find_pwsh() if use_engine else None
        self._replay = replay
        self._conditions = Conditions()
        self._folder = Path(tempfile.mkdtemp(prefix=f"lab-{machine.name}-", dir=beside))
        # Without an engine nobody looks at the folder, and Windows would not take its links.
        self._state = NodeState(self._folder, self._clock.epoch) if self._pwsh else None
        if self._state is not None:
            self._state.write(self._machine)
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._running: set[Run] = set()
        host = machine.os.hostname or machine.name
        self.shells = Shells(self._start_line, host=host, max_shells=max_shells)
        self._plain = self._listener(credentials, None, host, port)
        self._secure = self._listener(credentials, tls, host, tls_port) if tls else None

    def _listener(self, credentials: Credentials, tls: Tls | None, host: str, port: int) -> Listener:
        return Listener(self.shells, credentials, tls, host, lambda: self._conditions, port, self._folder)

    # -- life

    def start(self) -> WindowsNode:
        """Opens the ports."""
        for listener in self._listeners():
            listener.start()
        return self

    def stop(self) -> None:
        """Ends all processes, closes the ports, removes the folder."""
        self._stopping.set()
        for listener in self._listeners():
            listener.stop()
        self.shells.close()
        with self._lock:
            running = list(self._running)
        for run in running:
            run.kill()
            run.wait(5)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> WindowsNode:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listeners(self) -> list[Listener]:
        return [self._plain] + ([self._secure] if self._secure else [])

    @property
    def port(self) -> int:
        """The HTTP port on 127.0.0.1."""
        return self._plain.port

    @property
    def tls_port(self) -> int | None:
        """The HTTPS port on 127.0.0.1, if there is one."""
        return self._secure.port if self._secure else None

    @property
    def requests(self) -> int:
        """HTTP requests seen so far."""
        return sum(listener.requests for listener in self._listeners())

    # -- what the node is

    @property
    def machine(self) -> Machine:
        """A copy of the state as it is now."""
        with self._lock:
            return copy.deepcopy(self._machine)

    def apply(self, machine: Machine) -> None:
        """Puts a new state in place; processes that run see it at once."""
        with self._lock:
            self._machine = copy.deepcopy(machine)
            if self._state is not None:
                self._state.write(self._machine)

    def edit(self, change: Callable[[Machine], None]) -> None:
        """Changes the state in place, together with whatever a process has changed meanwhile; nothing is told."""
        with self._lock:
            if self._state is not None:
                self._state.read(self._machine)
            change(self._machine)
            self.apply(self._machine)

    @property
    def conditions(self) -> Conditions:
        return self._conditions

    @conditions.setter
    def conditions(self, new: Conditions) -> None:
        before, self._conditions = self._conditions, new
        if (before.refused, before.filtered, before.silent) != (new.refused, new.filtered, new.silent):
            for listener in self._listeners():
                listener.conditions_changed()

    # -- what runs on it

    def run(self, words: Sequence[str], variables: Mapping[str, str] | None = None) -> Run:
        """Starts a program by its words, as an exec into a HostProcess container does."""
        return self._start(list(words), dict(variables or {}))

    def _start_line(self, line: str, variables: dict[str, str]) -> Run:
        conditions = self._conditions
        if conditions.delay <= 0:
            return self._spoil(self._start(commands.split(line), variables), conditions)
        late = Delayed()

        def begin() -> None:
            if not self._clock.wait(conditions.delay, self._stopping):
                late.begin(self._start(commands.split(line), variables))

        threading.Thread(target=begin, daemon=True, name="lab-delay").start()
        return self._spoil(late, conditions)

    @staticmethod
    def _spoil(run: Run, conditions: Conditions) -> Run:
        run.garbled = conditions.garbled
        if conditions.truncated:
            run.cut_after(3000)
        return run

    def _start(self, words: list[str], variables: dict[str, str]) -> Run:
        wanted = commands.parse(words)
        with self._lock:
            machine = self._machine
        if wanted is None:
            return commands.other(machine, words)
        if self._pwsh is None or self._state is None:
            return self._replay(wanted.text, copy.deepcopy(machine), self._clock, self._changed)
        variables = {"COMPUTERNAME": machine.os.hostname.upper()[:15]} | variables
        ahead = self._clock.now() - time.time() + machine.os.clock_offset
        epoch = self._clock.epoch + machine.os.clock_offset
        run = engine.start(self._pwsh, wanted.text, self._state, variables, epoch=epoch, ahead=ahead)
        with self._lock:
            self._running.add(run)
        run.when_ended(lambda: self._ended(run))
        return run

    def _changed(self, machine: Machine) -> None:
        self.apply(machine)
        if self._on_change is not None:
            self._on_change(copy.deepcopy(machine))

    def _ended(self, run: Run) -> None:
        with self._lock:
            self._running.discard(run)
            if self._stopping.is_set() or self._state is None:
                return
            changed = self._state.read(self._machine)
            machine = copy.deepcopy(self._machine) if changed else None
        if machine is not None and self._on_change is not None:
            self._on_change(machine)
