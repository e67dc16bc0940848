"""Every command that was sent, as it can be pasted, with how long it took and how it ended."""

from __future__ import annotations

import base64
import gzip
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec
from rich.text import Text

from facts.fact import QUESTIONS, Failed
from targets.decoding import decoded
from targets.target import Sent
from tui.commands import SENT, bindings
from tui.look import BAD, GOOD, INFO, QUIET, UNSURE, block, line, word
from tui.panes.table import Column, Row, Table
from tui.screens.overlays import ReaderScreen
from tui.screens.page import ListPage

UNDER_WAY = ("", "running")


@dataclass(frozen=True)
class Came:
    """How many questions a run asked, and of how many the answers are known and still shown."""

    asked: int = 0
    known: int = 0

    def __str__(self) -> str:
        if not self.asked:
            return ""
        return f"{self.known} of {self.asked} answers" if self.known else f"{self.asked} asked"


def questions(text: str) -> tuple[str, ...]:
    """The questions in what was sent to a collector, by name; none where it is something else."""
    packed = "".join(text.partition("#payload\n")[2].partition("#end")[0].split())
    try:
        payload = decoded(gzip.decompress(base64.b64decode(packed, validate=True)), _Payload)
    except (ValueError, EOFError, OSError, zlib.error, msgspec.DecodeError):
        return ()
    return tuple(q.id for q in payload.questions)


class _Question(msgspec.Struct):
    id: str


class _Payload(msgspec.Struct):
    questions: tuple[_Question, ...] = ()


class SentScreen(ListPage):
    NAME = SENT
    HELP = """Every command that was sent to the cluster and to the nodes, the newest first, as it can be pasted into a
shell. Secrets are left out. Enter shows the whole of one, y copies it."""
    BINDINGS = bindings(SENT)
    EMPTY = "Nothing was sent. A recording is read; its evidence names what was sent."
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("At", width=8),
        Column("To", most=16),
        Column("Took", width=8),
        Column("Outcome", most=20),
        Column("Sent", share=1),
    )

    def __init__(self) -> None:
        super().__init__()
        self._questions: dict[int, tuple[str, ...]] = {}  # by the entry's identity: decoded once

    def _entries(self) -> list[Sent]:
        held = self.kwinnow.held
        return held.session.log.entries[:] if held else []

    def tick(self) -> None:
        """Commands come and end while this is open, without any other news."""
        state = [(e.at, e.outcome) for e in self._entries()]
        if state != getattr(self, "_state", None) and self.query(
            Table
        ):  # a tick may come before the first layout
            self._state = state
            self.paint()

    def rows(self) -> list[Row]:
        rows = [
            Row(str(i), _cells(e, self._came(e)))
            for i, e in enumerate(self._entries())
            if self.keeps(f"{e.target} {e.outcome} {e.text}")
        ]
        return rows[::-1]

    def _came(self, entry: Sent) -> Came:
        """What became of the questions of this run, as far as that is still known: a refresh lets the old ones go."""
        asked = self._asked(entry)
        held, known = self.kwinnow.held, 0
        of_node = [e for e in self._entries() if e.target == entry.target]
        for name in asked if held else ():
            latest = next((e for e in reversed(of_node) if name in self._asked(e)), None)
            fact = next((f for f, q in QUESTIONS.items() if q.name == name), None)
            if held and fact is not None and latest is entry:
                known += not isinstance(held.session.get(fact, entry.target), Failed)
        return Came(len(asked), known)

    def _asked(self, entry: Sent) -> tuple[str, ...]:
        if id(entry) not in self._questions:
            self._questions[id(entry)] = questions(entry.text) if "#payload" in entry.text else ()
        return self._questions[id(entry)]

    def _entry(self) -> Sent | None:
        return self._entries()[int(self.current)] if self.current else None

    def detail(self, key: str) -> Text:
        entry = self._entry()
        return whole(entry, self._came(entry)) if entry else Text()

    def action_open(self) -> None:
        entry = self._entry()
        if entry is not None:
            self.app.push_screen(
                ReaderScreen(f"Sent to {entry.target}", self.detail(self.current), entry.text)
            )

    def on_table_chosen(self) -> None:
        self.action_open()

    def action_copy(self) -> None:
        entry = self._entry()
        if entry is not None:
            self.kwinnow.copy_text(f"{entry.text}\n", f"sent-{entry.target}")


def _cells(entry: Sent, came: Came) -> tuple[Text, ...]:
    at = datetime.fromtimestamp(entry.at)
    ended = entry.outcome not in UNDER_WAY
    took = word(f"{entry.ms / 1000:6.2f} s" if ended else "…", QUIET)
    outcome = word("✔ ok", GOOD) if entry.outcome == "ok" else line(f"✖ {entry.outcome}", BAD)
    if entry.outcome == "stopped":
        outcome = _ended(came)
    if not ended:
        outcome = word("◌ under way", INFO)
    return Text(f"{at:%H:%M:%S}"), line(entry.target), took, outcome, line(entry.text)


def _ended(came: Came) -> Text:
    """How a collector ended: what matters is how many of its questions were answered."""
    if not came.known:
        return word(f"■ ended {came}".rstrip(), QUIET)
    return word(f"✔ {came}", GOOD) if came.known == came.asked else word(f"? {came}", UNSURE)


def whole(entry: Sent, came: Came) -> Text:
    """All of an entry: how it ended, then what was sent."""
    text = Text()
    how = entry.detail
    if entry.outcome == "stopped":  # the collector waits for more input, which nobody has for it
        told = f" ({came})" if came.asked else ""
        after = f"{entry.ms / 1000:.2f} s after it began"
        how = f"The collector had come to its end{told}; kwinnow closed it {after} ({entry.detail})."
    if how:
        text.append("It ended  " if entry.outcome not in UNDER_WAY else "It runs by  ", INFO)
        text.append_text(block(f"{how}\n\n"))
    return text.append_text(block(entry.text))
