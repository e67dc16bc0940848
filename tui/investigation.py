"""The session's work, beside the console: asks in threads of its own, tells by a queue that the console drains.

Nothing here touches a widget. Textual's own thread pool is small and must not be filled with questions that hang.
Wires are imported in the thread, so that the first paint waits for none of them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from checks.check import load
from checks.engine import Report
from facts.access import Wishes
from facts.answers import Answer, Progress
from facts.catalogue import load as load_facts
from facts.cluster.nodes import Nodes
from facts.cluster.workloads import Pods
from facts.fact import Fact, Failed
from facts.session import Session
from targets.errors import TargetError
from tui.age import oldest
from tui.blend import Blend
from tui.judging import EVERYTHING, Judging
from tui.places import state_folder

if TYPE_CHECKING:
    from tui.opening import Opened, Options

Knows = Session | Blend
LOG = "console.log"  # in the state folder
PATIENCE = 300.0  # seconds that a question to the person stays open


@dataclass(frozen=True)
class Judged:
    """A new report is there."""

    report: Report
    final: bool


@dataclass(frozen=True)
class Trouble:
    """The investigation as a whole could not go on. `lasting`: there is nothing to show instead."""

    what: str
    hint: str
    lasting: bool


@dataclass(frozen=True)
class Ready:
    """The session is open: cluster and context are known."""

    held: Opened


@dataclass(frozen=True)
class PasswordWanted:
    """A thread waits for a password. Put it into `reply`, or "" for none."""

    user: str
    reply: queue.SimpleQueue[str]


@dataclass(frozen=True)
class Rested:
    """Nothing is being asked any more."""


News = Progress | Judged | Trouble | Ready | PasswordWanted | Rested
Open = Callable[["Options", Callable[[str], str]], "Opened"]


def _open(options: Options, prompt: Callable[[str], str]) -> Opened:
    from tui.opening import open_session

    return open_session(options, prompt)


@dataclass
class Investigation:
    """One session and its thread. `opening` makes the session, in that thread."""

    options: Options
    opening: Open = _open
    held: Opened | None = None
    knows: Knows | None = None
    report: Report | None = None
    news: queue.SimpleQueue[News] = field(default_factory=queue.SimpleQueue)
    running: bool = False
    as_of: datetime | None = None  # the oldest answers that the report stands on
    former_as_of: datetime | None = None  # of what stands in for answers that are being asked anew
    _closed: bool = False
    _fresh: Session | None = None
    _asked: str | None = None  # the node that is asked; "": all are

    def __post_init__(self) -> None:
        self._judging = Judging(lambda report: self._tell(report, final=False))

    def waits_for(self, node: str = "") -> list[str]:
        """Of this Windows node (of all, for "") those whose verdict is not by the answers that are being asked for."""
        if not self.running or self.knows is None or self._asked is None:
            return []
        mine = [n for n in self.knows.windows_nodes() if node in ("", n) and self._asked in ("", n)]
        return [n for n in mine if n not in self._judging.done]

    @property
    def former(self) -> Session | None:
        """What stands in for answers that are being asked anew."""
        return self.knows.former if isinstance(self.knows, Blend) else None

    @property
    def wanted(self) -> set[type[Fact]]:
        """Everything that a check or a screen looks at."""
        load_facts()
        return {fact for check in load().values() for fact in check.facts} | _shown()

    def start(self) -> None:
        """Open the session and ask everything."""
        self._run(self._first, "")

    def again(self) -> bool:
        """Ask everything anew. False while something is still being asked."""
        if self.running:
            return False
        self._run(self._first if self.held is None else self._anew, "")
        return True

    def try_flows(self, node: str) -> bool:
        """Try connections to Services from this Windows node. False while something is still being asked."""
        held = self.held
        if self.running or held is None:
            return False

        def work() -> None:
            held.session.wish(Wishes(flows=True), node)
            held.session.again([Wishes], nodes=[node])
            self._judge()

        self._run(work, node)
        return True

    def drain(self) -> list[News]:
        """What happened since the last call. Never waits."""
        found: list[News] = []
        while True:
            try:
                found.append(self.news.get_nowait())
            except queue.Empty:
                return found

    def close(self) -> None:
        """Stop asking; nothing more is told. Returns at once."""
        self._closed = True
        for session in (self._fresh, self.held.session if self.held else None):
            if session is not None:
                session.cancel()
        if self.held is not None:
            self.held.close()

    def ask_password(self, user: str) -> str:
        """Called in a thread that cannot go on without: waits until the console has put a password."""
        reply: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.news.put(PasswordWanted(user, reply))
        try:
            return reply.get(timeout=PATIENCE)
        except queue.Empty:
            return ""

    def _run(self, work: Callable[[], None], node: str) -> None:
        self._asked = node
        self._judging.done = set()
        self.running = True
        threading.Thread(
            target=self._guarded, args=(work,), daemon=True, name="kwinnow-investigation"
        ).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        whole = False
        try:
            work()
            whole = True
        except TargetError as error:
            whole = True
            self.news.put(Trouble(error.what, error.hint, lasting=self.report is None))
        finally:
            self.running = False
            if not whole:  # a fault of ours: the thread's traceback goes where threading.excepthook puts it
                hint = f"Please report it; {state_folder() / LOG} has the traceback."
                self.news.put(Trouble("kwinnow itself broke off.", hint, lasting=self.report is None))
            self.news.put(Rested())

    def _first(self) -> None:
        held = self.opening(self.options, self.ask_password)
        if self._closed:  # another context was chosen in the meantime
            held.close()
            return
        self.held = held
        self.knows = self._fresh = held.session
        self.news.put(Ready(held))
        with self._judging.beside(held.session):
            held.session.gather(self.wanted, lambda progress: self._watch(held.session, progress))
        self._end(held.session)
        self._judge()

    def _anew(self) -> None:
        assert self.held is not None
        former = self.held.session
        fresh = former.renewed()
        blend = Blend(fresh, former)
        self.former_as_of = oldest(former)
        self.knows, self._fresh = blend, fresh
        with self._judging.beside(blend):
            fresh.gather(self.wanted, lambda progress: self._watch_blend(blend, progress))
        if "" not in blend.through and not isinstance(fresh.get(Nodes), Nodes):
            self.knows = former
            self._say_lost(fresh.answer(Nodes))
            return
        self.held.session = self.knows = fresh
        self._end(fresh)
        self._judge()

    def _end(self, session: Session) -> None:
        answer = session.answer(Nodes)
        if isinstance(answer.value, Failed):
            self._say_lost(answer)

    def _say_lost(self, answer: Answer) -> None:
        if isinstance(answer.value, Failed):
            self.news.put(Trouble(answer.value.why, answer.value.hint, lasting=self.report is None))

    def _watch(self, session: Session, progress: Progress) -> None:
        self.news.put(progress)
        # Causes show as soon as one node is through; the others are still on their way.
        if progress.node and progress.outcome == "finished":
            self._judging.through(session, progress.node)

    def _watch_blend(self, blend: Blend, progress: Progress) -> None:
        self.news.put(progress)
        if not progress.node and progress.done == progress.total:
            if isinstance(blend.fresh.get(Nodes), Nodes):
                blend.through.add("")
                self._judging.through(blend, EVERYTHING)
        elif progress.node and progress.outcome == "finished":
            blend.through.add(progress.node)
            self._judging.through(blend, progress.node)

    def _judge(self) -> None:
        if self.knows is not None and not self._closed:
            self._tell(self._judging.whole(self.knows), final=True)

    def _tell(self, report: Report, *, final: bool) -> None:
        if not self._closed:
            self.report = report
            self.as_of = oldest(self.knows) if self.knows is not None else None
            self.news.put(Judged(report, final))


def _shown() -> set[type[Fact]]:
    """What the screens show besides what checks look at."""
    from tui.sides import COMPARED

    return {Nodes, Pods, *COMPARED}
