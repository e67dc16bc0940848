"""A command that runs on a node: what it reads, what it has written so far, how it ended.

A `Run` is fed by whatever does the work (the engine, a recording, a few lines of Python) and read by whatever
carries the output away (a WinRM Receive, an exec stream of the API server).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from lab.windows.soap import Output


class Run:
    """Output in the order in which it came, and the exit code once there is one. Safe for threads."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._chunks: deque[tuple[str, bytes]] = deque()
        self._exit_code: int | None = None
        self._ending = False
        self._on_end: list[Callable[[], None]] = []
        self._cut: int | None = None
        self._given = 0
        self.garbled = False

    # -- for the worker

    def emit(self, stream: str, data: bytes) -> None:
        """Adds output. Nothing is added after the end."""
        with self._news:
            if self._ending:
                return
            if data:
                self._chunks.append((stream, data))
                self._news.notify_all()

    def end(self, exit_code: int) -> None:
        """The command is over. Callbacks run once, in the caller's thread, before any reader hears of the end."""
        with self._news:
            if self._ending:
                return
            self._ending = True
            callbacks, self._on_end = self._on_end, []
        for callback in callbacks:
            callback()
        with self._news:
            self._exit_code = exit_code
            self._news.notify_all()

    def cut_after(self, length: int) -> None:
        """Gives nothing to the reader after so many bytes."""
        self._cut = length

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Calls back at the end, at once if that is past."""
        with self._news:
            if not self._ending:
                self._on_end.append(callback)
                return
        callback()

    # -- for the reader

    def take(self, limit: int, timeout: float) -> Output | None:
        """What there is, at most `limit` bytes, after at most `timeout` seconds; None if there is nothing yet."""
        with self._news:
            self._news.wait_for(lambda: bool(self._chunks) or self._exit_code is not None, timeout)
            taken: list[tuple[str, bytes]] = []
            while self._chunks and limit > 0:
                stream, data = self._chunks.popleft()
                if len(data) > limit:
                    self._chunks.appendleft((stream, data[limit:]))
                    data = data[:limit]
                limit -= len(data)
                if taken and taken[-1][0] == stream:
                    taken[-1] = (stream, taken[-1][1] + data)
                else:
                    taken.append((stream, data))
            ended = self._exit_code if not self._chunks else None
            if not taken and ended is None:
                return None
            return Output(self._spoiled(taken), ended)

    def _spoiled(self, chunks: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        spoiled = []
        for stream, data in chunks:
            if self._cut is not None:
                data = data[: max(0, self._cut - self._given)]
            self._given += len(data)
            if self.garbled:
                data = bytes(byte ^ 0x21 if index % 61 == 60 else byte for index, byte in enumerate(data))
            if data:
                spoiled.append((stream, data))
        return spoiled

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end; false if it did not come in time."""
        with self._news:
            return self._news.wait_for(lambda: self._exit_code is not None, timeout)

    @property
    def exit_code(self) -> int | None:
        return self._exit_code

    # -- what a worker may override

    def write(self, data: bytes) -> None:
        """Standard input. A command that reads none ignores it."""

    def close_input(self) -> None:
        """The end of standard input."""

    def kill(self) -> None:
        """Ends the command from outside, as Ctrl+C does."""
        self.end(-1073741510)


class Said(Run):
    """A command that has said all it will say."""

    def __init__(self, stdout: bytes = b"", stderr: bytes = b"", exit_code: int = 0) -> None:
        super().__init__()
        self.emit("stdout", stdout)
        self.emit("stderr", stderr)
        self.end(exit_code)


class Delayed(Run):
    """A run that begins later: input is kept until `begin` is called with the run that does the work."""

    def __init__(self) -> None:
        super().__init__()
        self._inner: Run | None = None
        self._kept: list[bytes | None] = []
        self._lock = threading.Lock()

    def begin(self, inner: Run) -> None:
        with self._lock:
            self._inner = inner
            for data in self._kept:
                inner.close_input() if data is None else inner.write(data)
            self._kept.clear()
        threading.Thread(target=self._copy, args=(inner,), daemon=True, name="lab-delayed").start()

    def _copy(self, inner: Run) -> None:
        while True:
            output = inner.take(1 << 20, 5.0)
            if output is None:
                continue
            for stream, data in output.chunks:
                self.emit(stream, data)
            if output.exit_code is not None:
                self.end(output.exit_code)
                return

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._inner is None:
                self._kept.append(data)
            else:
                self._inner.write(data)

    def close_input(self) -> None:
        with self._lock:
            if self._inner is None:
                self._kept.append(None)
            else:
                self._inner.close_input()

    def kill(self) -> None:
        with self._lock:
            inner = self._inner
        if inner is not None:
            inner.kill()
        self.end(-1073741510)
