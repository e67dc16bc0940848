"""Every node at once: is it ready, how is it reached, what was found, what could not be told, and the first cause."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from checks.chain import NOT_READY
from checks.finding import OutcomeKind
from facts.access import Access
from tui.commands import FLEET, bindings
from tui.look import BAD, GOOD, INFO, QUIET, SEVERITY, UNSURE, WARN, block, counts, line, word
from tui.panes.table import Column, Row
from tui.screens.page import ListPage
from tui.seen import Asked, FleetRow, fleet

BAR = 6
NARROW = 100  # cells; below, what was asked and what is unsure stand in the column of the findings
CLUSTER_ROW = "(cluster)"


class FleetScreen(ListPage):
    NAME = FLEET
    HELP = """Every node of the cluster, filling in while answers arrive; the first row is the cluster as a whole.

Ready is what the API says. Way is how kwinnow gets into a Windows node, or why it does not. Asked counts answers.
Findings: ✖ errors, ▲ warnings, · notes. Unsure counts checks that could not be told: not the same as nothing wrong.
First cause is the finding that accounts for most of what is wrong there; of a node that is not ready, the one that
makes it so (w walks the way to it)."""
    BINDINGS = bindings(FLEET)
    EMPTY = "Waiting for the list of nodes …"
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Node", most=24),
        Column("Ready", width=10),
        Column("Way", most=14),
        Column("Asked", width=11, least=NARROW - 1),
        Column("Findings", most=16),
        Column("Unsure", width=6, least=NARROW - 1),
        Column("Build", least=104, most=12),
        Column("Kubelet", least=130, most=12),
        Column("Runtime", least=150, most=24),
        Column("First cause", share=1),
    )

    def __init__(self) -> None:
        super().__init__()
        self._fleet: list[FleetRow] = []

    @property
    def path(self) -> str:
        return "fleet"

    def refreshed(self) -> None:
        """Once for all that is painted of it: fleets are large, and news come many times a second."""
        app = self.kwinnow
        self._fleet = fleet(app.knows, app.report, app.seen)

    def rows(self) -> list[Row]:
        return [
            Row(r.name or CLUSTER_ROW, cells(r, narrow=self.size.width < NARROW))
            for r in self._fleet
            if self.keeps(f"{r.name} {r.os} {r.ready} {r.way} {r.build} {r.cause.id if r.cause else ''}")
        ]

    def chosen_node(self) -> str:
        return "" if self.current == CLUSTER_ROW else self.current

    def action_open(self) -> None:
        name = self.chosen_node()
        if name:
            self.kwinnow.open_node(name)
        else:
            self.kwinnow.open_findings("")

    def on_table_chosen(self) -> None:
        self.action_open()

    def action_copy(self) -> None:
        lines = [
            "| Node | Ready | Way | Findings | Unsure | Build | First cause |",
            "|---|---|---|---|---|---|---|",
        ]
        for r in self._fleet:
            cause = r.cause.id if r.cause else ""
            found = f"{r.errors} errors, {r.warnings} warnings"
            row = (r.name or CLUSTER_ROW, r.ready, r.way, found, str(r.unsure), r.build, cause)
            lines.append(f"| {' | '.join(row)} |")
        self.kwinnow.copy_text("\n".join(lines), "fleet")

    def detail(self, key: str) -> Text:
        trouble = self.kwinnow.trouble
        found = next((r for r in self._fleet if (r.name or CLUSTER_ROW) == key), None)
        if found is None:
            return nothing(trouble.what, trouble.hint) if trouble else Text()
        text = Text()
        text.append_text(line(f"{found.name or 'The cluster as a whole'}   ", "bold"))
        versions = "   ".join(v for v in (found.os, found.build, found.kubelet, found.runtime) if v)
        text.append_text(line(versions, QUIET)).append("\n")
        if found.cause is not None:
            sign, style = SEVERITY[found.cause.severity]
            ill = found.os == "windows" and found.ready != "True"
            why = (
                "Not ready, and no cause was found" if found.cause.id == NOT_READY else "Why it is not ready"
            )
            text.append(f"{sign} {why if ill else 'First cause'}  ", style)
            text.append_text(block(f"{found.cause.id}: {found.cause.message}\n"))
            text.append_text(block(f"  Remedy: {found.cause.remedy}\n" if found.cause.remedy else ""))
        elif found.judged and not found.doubted and not found.errors + found.warnings:
            text.append("✔ Every check that could be made here passes.\n", GOOD)
        access = self.kwinnow.get(Access, found.name) if found.os == "windows" else None
        for attempt in access.attempts if isinstance(access, Access) else ():
            sign, style = ("✔", GOOD) if attempt.worked else ("✖", BAD)
            text.append(f"{sign} {attempt.way} ", style)
            text.append_text(block(f"{attempt.address} {attempt.why} {attempt.hint}".strip() + "\n"))
        if not found.name:
            from tui.rights import whole_text  # not before the first paint

            text.append_text(whole_text(self.kwinnow.get))
        text.append_text(self._unsure(found.name))
        return text

    def _unsure(self, node: str) -> Text:
        """Each reason once, with how many checks it stopped."""
        report = self.kwinnow.report
        reasons: dict[tuple[str, str], int] = {}
        for outcome in report.outcomes if report else ():
            if outcome.node == node and outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN):
                why = outcome.why.splitlines()[-1] if outcome.why else "no reason given"
                reasons[why, outcome.hint] = reasons.get((why, outcome.hint), 0) + 1
        text = Text()
        for (why, hint), count in sorted(reasons.items(), key=lambda item: -item[1]):
            text.append(f"? {count} check{'s' * (count > 1)} could not tell: ", UNSURE)
            text.append_text(block(f"{why} {hint}".strip() + "\n"))
        return text


def nothing(what: str, hint: str) -> Text:
    """What stands where there is nothing to show: what is wrong, and what a person can do."""
    text = Text("\n")
    text.append_text(block(f"✖ {what}\n", f"bold {BAD}"))
    text.append_text(block(f"\n{hint}\n" if hint else ""))
    text.append("\nr tries again   c chooses another context   q leaves", QUIET)
    return text


def cells(row: FleetRow, *, narrow: bool = False) -> tuple[Text, ...]:
    """One node as the table's cells, in the order of COLUMNS."""
    name = line(
        row.name or CLUSTER_ROW, "bold" if row.os == "windows" else QUIET if row.name else "bold italic"
    )
    return (
        name,
        ready(row),
        way(row),
        progress(row.asked),
        together(row) if narrow else findings(row),
        word(f"? {row.unsure}", UNSURE) if row.unsure else word("–" if row.judged else "", QUIET),
        line(row.build),
        line(row.kubelet),
        line(row.runtime),
        cause(row),
    )


def ready(row: FleetRow) -> Text:
    if not row.name:
        return Text("")
    text = {"True": word("✔ Ready", GOOD), "False": word("✖ NotReady", BAD)}.get(
        row.ready, word("? Unknown", UNSURE)
    )
    return text.append(" ⊘", WARN) if row.cordoned else text


def way(row: FleetRow) -> Text:
    if row.os != "windows":
        return word("api" if not row.name else row.os, QUIET)
    if row.way:
        return line(row.way)
    if row.asked and row.asked.done and not row.asked.finished:
        return word("…", QUIET)  # why there was none before is no longer true: answers come
    return line(f"✖ {row.way_error}", BAD) if row.way_error else word("…", QUIET)


def progress(asked: Asked | None) -> Text:
    if asked is None or not asked.total:
        return Text("")
    if asked.finished:
        text = word(f"✔ {asked.total}", GOOD if not asked.failed else "")
        return text.append(f" ?{asked.failed}", UNSURE) if asked.failed else text
    full = BAR * asked.done // asked.total
    return word("▰" * full + "▱" * (BAR - full), INFO).append(f" {asked.done}/{asked.total}", QUIET)


def together(row: FleetRow) -> Text:
    """Findings and doubts in one cell, or the progress while the node is being asked."""
    if row.asked and not row.asked.finished:
        return progress(row.asked)
    doubt = word(f"? {row.unsure}", UNSURE) if row.unsure else Text()
    found = counts(row.errors, row.warnings, row.infos)
    return found.append_text(doubt) if found.plain or doubt.plain else findings(row)


def findings(row: FleetRow) -> Text:
    if row.errors + row.warnings + row.infos:
        return counts(row.errors, row.warnings, row.infos)
    if not row.judged:
        return word("…", QUIET) if row.os == "windows" or not row.name else Text("")
    return word("none found", QUIET) if row.doubted else word("✔ none", GOOD)


def cause(row: FleetRow) -> Text:
    if row.cause is None:
        return Text("")
    sign, style = SEVERITY[row.cause.severity]
    return (
        word(f"{sign} ", style)
        .append_text(line(f"{row.cause.id}  ", "bold"))
        .append_text(line(row.cause.message))
    )
