"""What is wrong, causes first, what they account for folded beneath, then what could not be told."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from checks.chain import NOT_READY
from checks.engine import Report
from checks.finding import Finding, Outcome, OutcomeKind
from tui.banner import old_since
from tui.commands import FINDINGS, bindings
from tui.look import BAD, GOOD, INFO, QUIET, SEVERITY, UNSURE, aged, block, line, word
from tui.markdown import finding_markdown
from tui.panes.table import Column, Row
from tui.screens.checked import checked, told
from tui.screens.overlays import ReaderScreen
from tui.screens.page import ListPage

NONE = "none"  # the key of the row that says that nothing was found
NARROW = 100  # cells; below, the object is left out and marks are short
UNDER = " > "  # between the keys of a cause and of what it accounts for


class FindingsScreen(ListPage):
    NAME = FINDINGS
    HELP = """What is wrong, root causes first. ▸ n: the cause accounts for n other findings; Space shows
them.

◀ marks what makes a node not ready; among the findings of that node it stands first. The lower pane has the proof:
which fact, what was sent to get it, when, and the words. ⚒ marks findings that kwinnow can mend: F shows the exact
script, the node, the cluster and the blast radius, and asks before anything runs.
◌ before a sign: so it was before the refresh that is under way. What could not be told stands at the end: it is
neither wrong nor right."""
    BINDINGS = bindings(FINDINGS)
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("", width=5),
        Column("Check", most=36),
        Column("Object", most=30, least=NARROW),
        Column("Node", most=16),
        Column("What", share=1),
    )

    def __init__(self, node: str = "") -> None:
        super().__init__()
        self.node = node
        self.home = node  # the node that `a` comes back to
        self.open_causes: set[str] = set()
        self._old: set[str] = set()  # nodes that are being asked again

    @property
    def path(self) -> str:
        return f"findings › {self.node}" if self.node else "findings › all"

    @property
    def EMPTY(self) -> str:  # type: ignore[override]
        return ""

    def chosen_node(self) -> str:
        finding = self._finding(self.current)
        return (finding.node if finding else "") or self.node

    # ---- rows ----------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        report = self.kwinnow.report
        if report is None:
            return []
        rows: list[Row] = []
        marks = self._marks(report)
        work = self.kwinnow.work
        self._old = set(work.waits_for()) if work and old_since(self.kwinnow, "") else set()
        # On one node: what makes it not ready before all else, for that is what one came for.
        for cause in sorted(
            report.ranked.causes, key=lambda f: not (self.node and (f.key in marks or f.id == NOT_READY))
        ):
            effects = report.ranked.consequences(cause.key)
            if self.node and not any(f.node == self.node for f in (cause, *effects)):
                continue
            shown = [e for e in effects if self.keeps(words(e))]
            if not self.keeps(words(cause)) and not shown:
                continue
            opened = cause.key in self.open_causes or bool(self.needle)
            lead = fold(len(effects), opened)
            rows.append(Row(cause.key, self._cells(cause, lead, marks.get(cause.key, ""))))
            if opened:
                rows += [Row(f"{cause.key}{UNDER}{e.key}", self._cells(e, "  ↳")) for e in shown]
        doubts = [
            r for r in unsure(report, self.node) if self.keeps(f"{r.cells[1].plain} {r.cells[4].plain}")
        ]
        if not rows and not self.needle:
            rows.append(
                Row(NONE, (word("✔", GOOD), Text("Nothing found"), Text(), Text(), self._none(bool(doubts))))
            )
        if doubts:
            rows += [Row("doubts", (Text("Could not be told"),), heading=True), *doubts]
        return rows

    def _marks(self, report: Report) -> dict[str, str]:
        """By the key of a finding, whom it makes not ready."""
        nodes: dict[str, list[str]] = {}
        for node, cause in self.kwinnow.seen.whys.of(report).items():
            if self.node in ("", node) and cause.id != NOT_READY:  # no cause was found for that one
                nodes.setdefault(cause.key, []).append(node)
        return {
            key: f"{found[0]} is" if len(found) == 1 else f"{len(found)} nodes are"
            for key, found in nodes.items()
        }

    def _none(self, doubts: bool) -> Text:
        return Text(
            "… but not everything could be told; see below." if doubts else "Every check that applies passes."
        )

    def _cells(self, finding: Finding, lead: str, mark: str = "") -> tuple[Text, ...]:
        old = finding.node in self._old
        sign, style = SEVERITY[finding.severity]
        mends = " ⚒" if self.mends(finding) else ""
        first = word(f"{'◌' if old else ''}{sign}", style).append(f"{lead:>3}", QUIET)
        name = line(finding.id, "bold" if not lead.strip().startswith("↳") else "").append(mends, INFO)
        said = line(finding.message)
        if mark:
            narrow = self.size.width < NARROW
            said = word("◀ " if narrow else f"◀ why {mark} not ready  ", f"bold {BAD}").append_text(said)
        cells = first, name, line(str(finding.object)), line(finding.node), said
        return tuple(aged(c) for c in cells) if old else cells

    def _finding(self, key: str) -> Finding | None:
        report = self.kwinnow.report
        wanted = key.split(UNDER)[-1]
        return next((f for f in report.findings if f.key == wanted), None) if report else None

    # ---- the lower pane ------------------------------------------------------------------------------------

    def detail(self, key: str) -> Text:
        report = self.kwinnow.report
        finding = self._finding(key)
        if report is None:
            return word(
                "Nothing has been judged yet; findings show here as soon as a node has answered.", QUIET
            )
        if key == NONE:
            return word(f"{told(report, self.node)} Enter lists them.\n", QUIET)
        if finding is None:
            return _doubt_detail(report, key)
        mark = self._marks(report).get(finding.key, "")
        return finding_text(finding, report, mends=self.mends(finding), mark=mark)

    def chosen_finding(self) -> Finding | None:
        return self._finding(self.current)

    # ---- acts ----------------------------------------------------------------------------------------------

    def action_fold(self) -> None:
        cause = self.current.split(UNDER)[0]
        self.open_causes ^= {cause}
        self.paint()

    def action_every(self) -> None:
        self.node = "" if self.node else self.home
        if not self.node and not self.home:
            self.notify("These are the findings of all nodes already.")
        self.kwinnow.paint(self)

    def action_page(self) -> None:
        finding, report = self._finding(self.current), self.kwinnow.report
        check = finding.id if finding else self.current.partition("?")[2].partition("@")[0]
        if check:
            self.kwinnow.open_check_page(check)
        elif self.current == NONE and report is not None:
            self.app.push_screen(ReaderScreen("What was checked", checked(report, self.node)))

    def on_table_chosen(self) -> None:
        finding, report = self._finding(self.current), self.kwinnow.report
        if finding is not None and report is not None and report.ranked.consequences(finding.key):
            self.action_fold()
        else:
            self.action_page()

    def action_copy(self) -> None:
        finding, report = self._finding(self.current), self.kwinnow.report
        if finding is None or report is None:
            self.notify("There is no finding here to copy.", severity="warning")
            return
        context, server = self.kwinnow.place
        self.kwinnow.copy_text(finding_markdown(finding, report, context, server), finding.id)

    def action_fix(self) -> None:
        finding = self._finding(self.current)
        if finding is not None:
            self.kwinnow.open_fix(finding)
        else:
            self.notify("There is no finding here to mend.", severity="warning")


def words(finding: Finding) -> str:
    """What the filter looks at."""
    return f"{finding.severity.word} {finding.id} {finding.object} {finding.node} {finding.message}"


def fold(effects: int, opened: bool) -> str:
    return "" if not effects else f"{'▾' if opened else '▸'}{effects}"


def finding_text(finding: Finding, report: Report, *, mends: bool, mark: str = "") -> Text:
    """Everything about a finding: sentence, remedy, links, proof. `mark`: whom it makes not ready, with a verb."""
    sign, style = SEVERITY[finding.severity]
    text = word(f"{sign} {finding.severity.word} ", style).append_text(line(f"{finding.id}  ", "bold"))
    where = f" on {finding.node}" if finding.node and finding.object.kind != "Node" else ""
    text.append_text(line(f"{finding.object}{where}", QUIET))
    text.append(f"  ◀ why {mark} not ready\n" if mark else "\n", f"bold {BAD}")
    text.append_text(block(f"{finding.message}\n"))
    if finding.remedy:
        text.append("Remedy  ", INFO).append_text(block(f"{finding.remedy}\n"))
    if mends:
        text.append("⚒ F shows the step that mends this.\n", INFO)
    for label, keys in (
        ("Follows from  ", report.ranked.explained_by[finding.key]),
        ("Accounts for  ", [f.key for f in report.ranked.consequences(finding.key)]),
    ):
        if keys:
            text.append(label, INFO).append_text(block(", ".join(keys) + "\n"))
    for evidence in finding.evidence:
        text.append(f"\n▌ {evidence.fact} ", "bold").append(f"{evidence.at:%H:%M:%SZ}  ", QUIET)
        text.append_text(line(evidence.source, QUIET)).append("\n")
        text.append_text(block(evidence.excerpt.rstrip() + "\n"))
    return text


def unsure(report: Report, node: str) -> list[Row]:
    """A row for each reason for which checks could not tell, with how many it stopped."""
    rows: list[Row] = []
    for (where, why, _), outcomes in doubts(report, node).items():
        first = outcomes[0]
        more = f" +{len(outcomes) - 1}" if len(outcomes) > 1 else ""
        key = f"?{first.id}@{where}"
        rows.append(Row(key, (word("?", UNSURE), line(first.id + more), Text(), line(where), line(why))))
    return rows


def doubts(report: Report, node: str) -> dict[tuple[str, str, str], list[Outcome]]:
    """Outcomes that are Unknown or Broken, by node, reason and hint; the most frequent reason first."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in report.outcomes:
        if outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN) and node in ("", outcome.node):
            why = outcome.why.strip().splitlines()[-1] if outcome.why.strip() else "no reason given"
            groups.setdefault((outcome.node, why, outcome.hint), []).append(outcome)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _doubt_detail(report: Report, key: str) -> Text:
    text = Text()
    for (where, why, hint), outcomes in doubts(report, "").items():
        if f"?{outcomes[0].id}@{where}" != key:
            continue
        text.append("? could not tell  ", UNSURE)
        text.append_text(block(f"{where}\n{why}\n{hint}\n".replace("\n\n", "\n")))
        text.append("Checks it stopped  ", INFO).append_text(block(", ".join(o.id for o in outcomes) + "\n"))
        broken = next((o for o in outcomes if o.kind is OutcomeKind.BROKEN), None)
        if broken is not None:
            text.append("The check itself broke; please report this:\n", UNSURE).append_text(
                block(broken.why)
            )
    return text
