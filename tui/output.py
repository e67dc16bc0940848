"""stdout and stderr that say so when they cannot be written: a full disk must not look like a finding."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any


class OutputLost(Exception):
    """The system took no more of what we print."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why


class Output:
    """A stream in the place of sys.stdout or sys.stderr. Raises OutputLost, but for a reader that has gone."""

    def __init__(self, under: Any, name: str) -> None:
        self._under = under
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._under, name)

    def write(self, text: str) -> int:
        with self._watched():
            return int(self._under.write(text))

    def flush(self) -> None:
        with self._watched():
            self._under.flush()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:  # click's own concern
                raise
            raise OutputLost(self._name, (error.strerror or "it failed").lower()) from None


def watch_outputs() -> None:
    """From now on stdout and stderr are watched."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Output):
            setattr(sys, name, Output(stream, name))


def give_up(name: str) -> None:
    """What is left in the stream goes nowhere, or the interpreter would try again when it ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, getattr(sys, name).fileno())
        os.close(nowhere)
