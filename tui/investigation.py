"""The session's work, beside the console: asks in threads of its own, tells by a queue that the console drains.

Nothing here touches a widget. Textual's own thread pool is small and must not be filled with questions that hang.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from checks.check import Check, load
from checks.engine import Report, judge
from facts.answers import Progress
from facts.fact import Fact
from targets.errors import TargetError
from tui.opening import Opened, Options, open_session


@dataclass(frozen=True)
class Judged:
    """A new report is there."""

    report: Report
    final: bool


@dataclass(frozen=True)
class Trouble:
    """The investigation as a whole could not go on."""

    what: str
    hint: str


@dataclass(frozen=True)
class Ready:
    """The session is open: cluster and context are known."""

    held: Opened


News = Progress | Judged | Trouble | Ready
Ask = Callable[[str], str]


@dataclass
class Investigation:
    """One session and its thread. `prompt` is called from that thread when a password must be asked for."""

    options: Options
    prompt: Ask | None = None
    held: Opened | None = None
    report: Report | None = None
    news: queue.SimpleQueue[News] = field(default_factory=queue.SimpleQueue)
    running: bool = False
    _work: threading.Thread | None = None
    _judging: threading.Lock = field(default_factory=threading.Lock)

    @property
    def wanted(self) -> set[type[Fact]]:
        return {fact for check in load().values() for fact in check.facts}

    def start(self) -> None:
        """Open the session and ask everything."""
        self._run(self._first)

    def again(self) -> bool:
        """Ask everything anew. False while something is still being asked."""
        if self.running or self.held is None:
            return False
        self._run(self._anew)
        return True

    def drain(self) -> list[News]:
        """What happened since the last call. Never waits."""
        found: list[News] = []
        while True:
            try:
                found.append(self.news.get_nowait())
            except queue.Empty:
                return found

    def stop(self) -> None:
        """Stop asking; what is known stays. Returns at once."""
        if self.held is not None:
            self.held.session.cancel()

    def close(self) -> None:
        self.stop()
        if self.held is not None:
            self.held.close()

    def _run(self, work: Callable[[], None]) -> None:
        self.running = True
        self._work = threading.Thread(target=self._guarded, args=(work,), daemon=True, name="kwinnow-investigation")
        self._work.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except TargetError as error:
            self.news.put(Trouble(error.what, error.hint))
        finally:
            self.running = False

    def _first(self) -> None:
        self.held = open_session(self.options, self.prompt)
        self.news.put(Ready(self.held))
        self.held.session.gather(self.wanted, self._watch)
        self._judge(final=True)

    def _anew(self) -> None:
        assert self.held is not None
        self.held.session.again(self.wanted, self._watch)
        self._judge(final=True)

    def _watch(self, progress: Progress) -> None:
        self.news.put(progress)
        # Causes show as soon as one node is through; the others are still on their way.
        if progress.outcome == "finished":
            self._judge(final=False)

    def _judge(self, *, final: bool, checks: list[Check] | None = None) -> None:
        if self.held is None:
            return
        with self._judging:
            self.report = judge(self.held.session, checks)
        self.news.put(Judged(self.report, final))
