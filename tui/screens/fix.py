"""Mend what was found: the plan is shown whole, confirmed by a button that names node and cluster, then run.

The run has a thread of its own; what it says comes through a queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from checks.finding import Finding, Outcome, OutcomeKind
from playbooks.audit import Audit
from playbooks.engine import Ended, Plan, StepRunner
from playbooks.journal import Journal, Mark
from playbooks.node_side import around
from playbooks.plan import told
from playbooks.step import NotPossible, Step
from playbooks.undo import plan_last_undo
from targets.errors import TargetError
from tui.commands import FIX, bindings
from tui.look import BAD, GOOD, INFO, QUIET, UNSURE, WARN, block, word
from tui.panes.hanging import Hanging
from tui.panes.keys import Keys
from tui.places import state_folder

if TYPE_CHECKING:
    from playbooks.lock import Locking
    from tui.app import KwinnowApp

Said = str | Plan | Outcome | Ended | TargetError | NotPossible | None  # None: the thread broke off

LABEL = 14  # cells of a label; what it says stands to the right of them
RUNS = "It runs on the node"
BUTTONS = frozenset({"fix-choose", "fix-press"})  # commands that need a choice of buttons
LABELS = (
    "Finding",
    "Takes back",
    "Goes on with",
    "Step",
    "Node",
    "Cluster",
    "Blast radius",
    "Undo",
    "Does",
    "Go back",
    "Parameters",
)


def open_fix(app: KwinnowApp, finding: Finding) -> None:
    """Open the fix of a finding, or say why there is none."""
    step = app.steps.get(finding.id)
    if step is None:
        app.notify(f"No step mends {finding.id} yet; the remedy is told in words.", markup=False)
    elif not finding.node:
        app.notify("This finding belongs to no single node, so no step can run for it.")
    elif _may(app):
        app.push_screen(FixScreen(app, step, finding.node))


def open_undo(app: KwinnowApp, node: str) -> None:
    """Open the undo of the last step that was run on the node, by whomever (for "": on any node from here)."""
    if not _may(app):
        return
    if not node:
        _, server = app.place
        ours = [e.node for e in Journal(state_folder()).entries() if e.server == server]
        node = ours[-1] if ours else ""
    if not node or app.windows(node, "what was done"):
        if node:
            app.push_screen(FixScreen(app, None, node))
        else:
            app.notify("From here nothing was done in this cluster; choose a node to read its journal.")


def _may(app: KwinnowApp) -> bool:
    """Whether anything may be changed now; says why not."""
    context, _ = app.place
    why = ""
    if app.recorded:
        why = "This is a recording: nothing can be mended in it."
    elif app.read_only:
        file = app.held.config.file if app.held and app.held.config else ""
        why = f"The context {context} is marked read_only in {file}: kwinnow changes nothing there."
    elif app.work is None or app.work.held is None or app.work.running:
        why = "Wait until the answers are in."
    if why:
        app.notify(why, severity="warning", markup=False)
    return not why


class FixScreen(ModalScreen[None]):
    """Plan, confirmation, run, result; then an undo. Without a step it is about the last one that was run there."""

    NAME = FIX
    BINDINGS = bindings(FIX)

    def __init__(self, app: KwinnowApp, step: Step | None, node: str) -> None:
        super().__init__(classes="overlay")
        assert app.held is not None
        session, folder = app.held.session, state_folder()
        self.step, self.node = step, node
        self.steps = app.steps
        self.context, _ = app.place
        self.said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        locking = cast("Locking", session.cluster)
        self.runner = StepRunner(session, locking, Journal(folder), Audit(folder), self.said.put)
        self.plan: Plan | None = None
        self.acting = False
        self.changed = False
        self.stale = False  # what was found before is not so any more
        # What is shown, newest step of the dialog first: how it ended, how it came to that, what was shown before.
        self.result, self.course, self.older = Text(), Text(), Text()

    @property
    def text(self) -> Text:
        """All that is shown."""
        return Text().append_text(self.result).append_text(self.course).append_text(self.older)

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="tall") as box:
            title = f"Fix: {self.step.check}" if self.step else f"Undo the last step on {self.node}"
            box.border_title = Text(title)
            with VerticalScroll():
                yield Static(id="plan")
            with Horizontal(id="buttons"):
                yield Button("Close", id="cancel", compact=True)
                yield Button("", id="run", variant="warning", compact=True, disabled=True)
        yield Keys(self.NAME)

    def on_mount(self) -> None:
        self.query_one("#run", Button).display = False
        self.query_one(Keys).tell(idle=BUTTONS)
        self.query_one("#cancel", Button).focus()
        self.set_interval(1 / 15, self._drain)
        step = self.step
        if step is None:
            self._say(word(f"Reading the journal on {self.node} …\n", INFO))
            self._run(lambda: plan_last_undo(self.runner, self.steps, self.node))
        else:
            self._say(word(f"Checking {step.check} on {self.node} anew …\n", INFO))
            self._run(lambda: self.runner.plan(step, self.node))

    # ---- the thread ----------------------------------------------------------------------------------------

    def _run(self, work: Callable[[], Said], *, acts: bool = False) -> None:
        self.acting = acts
        threading.Thread(target=self._guarded, args=(work,), daemon=True, name="kwinnow-fix").start()

    def _guarded(self, work: Callable[[], Said]) -> None:
        result: Said = None
        try:
            result = work()
        except (TargetError, NotPossible) as error:
            result = error
        finally:
            self.said.put(result)

    def _drain(self) -> None:
        while True:
            try:
                said = self.said.get_nowait()
            except queue.Empty:
                return
            if isinstance(said, str):
                self._say(word(f"… {said}\n", INFO))
                continue
            self.acting = False
            if not self.changed:
                self.course = Text()  # that it is being looked at is no news any more
            if isinstance(said, Plan):
                self.plan = said
                self._say(plan_text(said))
                self._offer(f"{'Undo' if said.undoes else 'Run'} on {self.node} in {self.context}")
            else:
                self.result.append_text(result_text(said))
                self._say(Text())
                if isinstance(said, Ended):
                    self._after(said)
                elif isinstance(said, Outcome):
                    self.stale = said.kind in (OutcomeKind.PASSED, OutcomeKind.SKIPPED)

    # ---- what is shown -------------------------------------------------------------------------------------

    def _say(self, text: Text) -> None:
        self.course.append_text(text)
        page = Hanging()
        for part in self.text.split("\n"):
            page.add(
                part, LABEL if part.plain[:LABEL].strip() in LABELS else 2 if part.plain[:2] == "│ " else 0
            )
        self.query_one("#plan", Static).update(page)

    def _offer(self, label: str) -> None:
        button = self.query_one("#run", Button)
        button.label = Text(label)
        button.display, button.disabled = True, False
        self.query_one(Keys).tell()

    def _after(self, ended: Ended) -> None:
        """Offer to take back what has just been done."""
        plan = self.plan
        if plan is None or plan.undoes is not None or ended.mark not in (Mark.DONE, Mark.FAILED):
            return
        run = self.runner.journal.last_run(plan.step.check, plan.node, plan.server)
        if all(entry.before is None or entry.run != ended.run for entry in run):
            return  # it failed before anything was changed
        if plan.step.undo:
            self._say(word(f"… reading the journal on {self.node}, for an undo\n", INFO))
            self._run(lambda: self.runner.plan_undo(plan.step, self.node))
        else:
            self._say(word(f"\nThere is no undo: {plan.step.undo_says}\n", WARN))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id != "run":
            self.action_close()
            return
        event.button.disabled, event.button.display = True, False
        self.query_one("#cancel", Button).focus()
        self.query_one(Keys).tell(idle=BUTTONS)
        self.changed = True
        before = word("\n── what was shown before ──\n", QUIET).append_text(self.text)
        self.result, self.course, self.older = Text(), Text(), before
        self.action_move("top")
        plan = self.plan
        if plan is not None:
            self._run(lambda: self.runner.run(plan), acts=True)

    def action_close(self) -> None:
        if self.acting:
            self.notify(f"{RUNS}; the end is awaited, so that it stands in the journal.")
            return
        self.dismiss()
        if self.changed or self.stale:
            # Everything, not only what was verified: judged by one moment, or heartbeats would look old.
            from tui.app import KwinnowApp

            assert isinstance(self.app, KwinnowApp)
            self.app.action_refresh_all()

    def action_press(self) -> None:
        """Enter while the text has the focus; a button takes its own."""
        if isinstance(self.focused, Button):
            self.focused.press()
        else:
            self.notify("Tab goes to the buttons; Enter presses the one that is marked.")

    def action_move(self, where: str) -> None:
        pane = self.query_one(VerticalScroll)
        page = max(1, pane.size.height - 1)
        if where in ("top", "bottom"):
            pane.scroll_to(y=0 if where == "top" else pane.max_scroll_y, animate=False)
        else:
            by = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}[where]
            pane.scroll_relative(y=by, animate=False)


def _fact(label: str, value: str, style: str = "") -> Text:
    assert label in LABELS
    return word(f"{label:{LABEL}}", QUIET).append_text(block(f"{value}\n", style))


def plan_text(plan: Plan) -> Text:
    """What will run, where, and who else feels it."""
    step = plan.step
    text = Text("\n")
    if plan.undoes is not None:
        text.append_text(_fact("Takes back", f"the run {told(plan.undoes)}"))
    else:
        text.append_text(_fact("Finding", plan.finding.message))
    if plan.goes_on is not None:
        text.append_text(_fact("Goes on with", f"the run {told(plan.goes_on)}"))
    text.append_text(_fact("Step", step.title, "bold"))
    if plan.undoes is not None:
        text.append_text(_fact("Does", plan.does, "bold"))
    text.append_text(_fact("Node", plan.node, "bold"))
    text.append_text(_fact("Cluster", f"{plan.context}  {plan.server}", "bold"))
    text.append_text(_fact("Blast radius", plan.blast_radius, WARN))
    text.append_text(_fact("Go back" if plan.undoes else "Undo", plan.back))
    text.append_text(_fact("Parameters", f"$p = {msgspec.json.encode(plan.sent).decode()}"))
    return text.append_text(_script(plan))


def _script(plan: Plan) -> Text:
    """The exact script: what this plan does first, then what is the same around each of them."""
    before, after = around()
    text = word(f"\nThe exact script of the {plan.act}\n", QUIET).append_text(_rows(plan.own_script))
    text.append("\nSent around it, for lock and journal on the node: before it\n", QUIET)
    text.append_text(_rows(before)).append("… and after it\n", QUIET)
    return text.append_text(_rows(after)).append("\n")


def _rows(script: str) -> Text:
    text = Text()
    for row in script.rstrip().splitlines():
        text.append("│ ", INFO).append_text(block(f"{row}\n"))
    return text


def result_text(said: Said) -> Text:
    """How it went, as a sentence."""
    if isinstance(said, Ended):
        if said.mark is Mark.DONE:
            return word("✔ Done; the check passes now.\n", f"bold {GOOD}")
        if said.mark is Mark.DROPPED:
            return word("✔ Nothing was left to do. ", f"bold {GOOD}").append_text(block(f"{said.why}\n"))
        if said.mark is Mark.UNDONE:
            found = said.outcome is not None and said.outcome.kind is OutcomeKind.FOUND
            why = f" {said.why}" if said.why else ""
            again = "; the check finds the fault again" if found else ""
            return word(f"✔ Undone{again}.", f"bold {GOOD}").append_text(block(f"{why}\n"))
        return word("✖ Failed: ", f"bold {BAD}").append_text(block(f"{said.why}\n"))
    if isinstance(said, Outcome):
        if said.kind in (OutcomeKind.PASSED, OutcomeKind.SKIPPED):
            return word(f"✔ Nothing to do: {said.id} {said.kind.value}. ", GOOD).append_text(
                block(f"{said.why}\n")
            )
        return word("? Could not tell whether there is anything to do: ", UNSURE).append_text(
            block(f"{said.why} {said.hint}\n")
        )
    if isinstance(said, TargetError | NotPossible):
        return word("✖ ", f"bold {BAD}").append_text(block(f"{said}\n"))
    return word("✖ kwinnow itself broke off here; the journal says how far it came.\n", f"bold {BAD}")
