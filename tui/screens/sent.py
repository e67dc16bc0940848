"""Every command that was sent, as it can be pasted, with how long it took and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text

from facts.fact import QUESTIONS, Origin
from targets.target import Sent
from tui.commands import SENT, bindings
from tui.look import BAD, GOOD, INFO, QUIET, block, line, word
from tui.markdown import fenced
from tui.panes.table import Column, Row
from tui.screens.overlays import ReaderScreen
from tui.screens.page import ListPage

UNDER_WAY = ("", "running")
SLACK = 1.0  # seconds between the moment of an answer and that of the run that brought it


class SentScreen(ListPage):
    NAME = SENT
    HELP = """Every command that was sent to the cluster and to the nodes, the newest first, as it can be pasted into a
shell. Secrets are left out. Enter shows the whole of one, y copies it."""
    BINDINGS = bindings(SENT)
    EMPTY = "Nothing was sent. (A recording is read, not asked: evidence names what was sent then.)"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("At", width=8),
        Column("To", most=16),
        Column("Took", width=8),
        Column("Outcome", most=18),
        Column("Sent", share=1),
    )

    def _entries(self) -> list[Sent]:
        held = self.kwinnow.held
        return held.session.log.entries[:] if held else []

    def tick(self) -> None:
        """Commands come and end while this is open, without any other news."""
        state = [(e.at, e.outcome) for e in self._entries()]
        if state != getattr(self, "_state", None):
            self._state = state
            self.paint()

    def rows(self) -> list[Row]:
        rows = [
            Row(str(i), _cells(e, self._answers(e)))
            for i, e in enumerate(self._entries())
            if self.keeps(f"{e.target} {e.outcome} {e.text}")
        ]
        return rows[::-1]

    def _answers(self, entry: Sent) -> int:
        """How many answers this run brought, of those that are still known (a refresh lets the old ones go)."""
        held = self.kwinnow.held
        if held is None or entry.outcome != "stopped":
            return 0
        since, until = entry.at - SLACK, entry.at + entry.ms / 1000 + SLACK
        known = held.session.answers.copy().by_key.items()
        return sum(
            node == entry.target
            and QUESTIONS[fact].origin is Origin.NODE
            and since <= answer.at.timestamp() <= until
            for (fact, node), answer in known
        )

    def _entry(self) -> Sent | None:
        return self._entries()[int(self.current)] if self.current else None

    def detail(self, key: str) -> Text:
        entry = self._entry()
        return whole(entry, self._answers(entry)) if entry else Text()

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
            self.kwinnow.copy_text(f"{fenced(entry.text)}\n", f"sent-{entry.target}")


def _cells(entry: Sent, answers: int) -> tuple[Text, ...]:
    at = datetime.fromtimestamp(entry.at)
    ended = entry.outcome not in UNDER_WAY
    took = word(f"{entry.ms / 1000:6.2f} s" if ended else "…", QUIET)
    outcome = word("✔ ok", GOOD) if entry.outcome == "ok" else line(f"✖ {entry.outcome}", BAD)
    if entry.outcome == "stopped":
        outcome = word(f"✔ {answers} answers", GOOD) if answers else word("■ ended", QUIET)
    if not ended:
        outcome = word("◌ under way", INFO)
    return Text(f"{at:%H:%M:%S}"), line(entry.target), took, outcome, line(entry.text)


def whole(entry: Sent, answers: int = 0) -> Text:
    """All of an entry: how it ended, then what was sent."""
    text = Text()
    how = entry.detail
    if entry.outcome == "stopped":  # the collector waits for more input, which nobody has for it
        came = f"{answers} answers came, and then" if answers else "After the last answer that was waited for"
        how = f"{came} kwinnow closed it, {entry.ms / 1000:.2f} s after it began ({entry.detail})."
    if how:
        text.append("It ended  " if entry.outcome not in UNDER_WAY else "It runs by  ", INFO)
        text.append_text(block(f"{how}\n\n"))
    return text.append_text(block(entry.text))
