"""Why is this node not ready? The chain of links, in order, down to the first cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text

from checks.chain import chain, first_cause, unexplained
from checks.check import load
from checks.engine import Report
from checks.finding import Finding, Outcome, OutcomeKind
from tui.banner import old_since
from tui.commands import WHY, bindings
from tui.look import BAD, GOOD, INFO, OUTCOME, QUIET, UNSURE, aged, block, line, word
from tui.markdown import finding_markdown
from tui.panes.table import Column, Row, Table
from tui.screens.findings import finding_text
from tui.screens.page import ListPage


class WhyScreen(ListPage):
    NAME = WHY
    HELP = """The links that can make this node not ready, from the way in to the kubelet's report, each judged.

✔ passed   ✖ found   ? could not be told   ! the check itself broke. Links that do not apply here are left out.
◌ before it: so it was before the refresh that is under way.
◀ marks the first cause: mend that one first (F, where kwinnow has a step for it). Enter shows the help page of a
link, f all findings of the node."""
    BINDINGS = bindings(WHY)
    EMPTY = "Nothing has been judged yet."
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("", width=2),
        Column("Link", most=36),
        Column("", share=1),
    )

    def __init__(self, node: str) -> None:
        super().__init__()
        self.node = node
        self._placed = ""  # the row on which this screen put the cursor

    @property
    def path(self) -> str:
        return f"why › {self.node}"

    def _links(self) -> tuple[list[Outcome], Finding | None]:
        report = self.kwinnow.report
        if report is None:
            return [], None
        links = [o for o in chain(report, self.node) if o.kind is not OutcomeKind.SKIPPED]
        return links, first_cause(report, self.node)

    def rows(self) -> list[Row]:
        links, cause = self._links()
        titles = {str(c.id): c.title for c in load().values()}
        old = old_since(self.kwinnow, self.node)
        open_end = unexplained(cause, links)
        rows = []
        for outcome in links:
            sign, style = OUTCOME[outcome.kind]
            said = " ".join(f.message for f in outcome.findings) or outcome.why.strip().split("\n")[-1]
            first = cause is not None and not open_end and cause.id == outcome.id
            name = line(outcome.id, "bold" if outcome.kind is OutcomeKind.FOUND else "")
            passed = outcome.kind is OutcomeKind.PASSED
            shown = line(titles[outcome.id] if passed or not said else said, QUIET if passed else "")
            if first:
                shown = word(f"◀ first cause{' then' if old else ''}  ", f"bold {BAD}").append_text(shown)
            if self.keeps(f"{outcome.id} {said}"):
                cells = (word(f"◌{sign}" if old else sign, style), name, shown)
                rows.append(Row(outcome.id, tuple(aged(c) for c in cells) if old else cells))
        return rows

    def paint(self) -> None:
        """The cursor is on the first cause, also when that becomes another one, until a person moves it."""
        untouched = self.current == self._placed
        super().paint()
        _, cause = self._links()
        if untouched:
            if cause is not None:
                self.query_one(Table).put(cause.id)
            self._placed = self.current

    def detail(self, key: str) -> Text:
        text, since = self._verdict(key), old_since(self.kwinnow, self.node)
        if not since:
            return text
        return word(f"◌ So it was at {since}; {self.node} is being asked again.\n", INFO).append_text(
            aged(text)
        )

    def _verdict(self, key: str) -> Text:
        links, cause = self._links()
        report = self.kwinnow.report
        text = Text()
        if report is None:
            return text
        if open_end := unexplained(cause, links):
            text.append_text(block(f"{open_end}\n\n", UNSURE))
        elif cause is not None and cause.id not in {o.id for o in links}:
            text.append("First cause  ", BAD).append_text(block(f"{cause.id}: {cause.message}\n\n"))
        elif cause is None and not any(o.kind is OutcomeKind.FOUND for o in links):
            unsure = any(o.kind is OutcomeKind.UNKNOWN for o in links)
            verdict = (
                "Nothing was found, but not every link could be told.\n" if unsure else "Every link holds.\n"
            )
            text.append(verdict, UNSURE if unsure else GOOD)
        outcome = next((o for o in links if o.id == key), None)
        return text.append_text(_outcome_text(outcome, report, self.mends)) if outcome else text

    def action_page(self) -> None:
        if self.current:
            self.kwinnow.open_check_page(self.current)

    def on_table_chosen(self) -> None:
        self.action_page()

    def chosen_finding(self) -> Finding | None:
        outcome = next((o for o in self._links()[0] if o.id == self.current), None)
        return outcome.findings[0] if outcome is not None and outcome.findings else None

    def action_fix(self) -> None:
        finding = self.chosen_finding()
        if finding is not None:
            self.kwinnow.open_fix(finding)
        else:
            self.notify("Nothing was found by this link, so there is nothing to mend.")

    def action_copy(self) -> None:
        links, cause = self._links()
        report = self.kwinnow.report
        context, server = self.kwinnow.place
        lines = [f"## Why is {self.node} not ready? (cluster `{context}`, {server})", ""]
        for outcome in links:
            said = " ".join(f.message for f in outcome.findings) or outcome.why
            lines.append(f"- {OUTCOME[outcome.kind][0]} `{outcome.id}` {said}".rstrip())
        text = "\n".join(lines) + "\n"
        if open_end := unexplained(cause, links):
            text += f"\n{open_end}\n"
        elif cause is not None and report is not None:
            text += "\nFirst cause:\n\n" + finding_markdown(cause, report, context, server)
        self.kwinnow.copy_text(text, f"why-{self.node}")


def _outcome_text(outcome: Outcome, report: Report, mends: Callable[[Finding], bool]) -> Text:
    text = Text()
    for finding in outcome.findings:
        text.append_text(finding_text(finding, report, mends=mends(finding))).append("\n")
    if not outcome.findings:
        check = next(c for c in load().values() if c.id == outcome.id)
        sign, style = OUTCOME[outcome.kind]
        text.append(f"{sign} {outcome.kind.value}  ", style).append(f"{check.title}\n", "bold")
        text.append_text(block(f"{outcome.why} {outcome.hint}".strip() + "\n"))
    elif outcome.why:
        text.append("? partly untold  ", INFO).append_text(block(f"{outcome.why} {outcome.hint}\n"))
    return text
