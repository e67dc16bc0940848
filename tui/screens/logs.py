"""The log of one container, followed live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Input, Static

from targets.pod_logs import LogChoice
from targets.pod_logs import Row as LogRow
from targets.stream import Stream
from tui.commands import LOGS, bindings
from tui.look import INFO, QUIET, WARN, line
from tui.panes.log_lines import Line, harmless
from tui.panes.log_pane import TIMES, LogPane
from tui.panes.prompt import Prompt
from tui.places import kept_folder
from tui.screens.page import Page

Start = Callable[[LogChoice], Stream[LogRow]]
AT_MOST = 20_000  # rows a tick: more would hold the keys up
# What the keys 0 to 6 ask for: words, lines at the end, seconds.
WINDOWS: tuple[tuple[str, int | None, int | None], ...] = (
    ("last 500 lines", 500, None),
    ("from the start", None, None),
    ("last minute", None, 60),
    ("last 5 min", None, 300),
    ("last 15 min", None, 900),
    ("last 30 min", None, 1800),
    ("last hour", None, 3600),
)


class LogsScreen(Page):
    NAME = LOGS
    HELP = """The log of one container. The end is followed until you scroll up; then the pane stands still and counts
what comes below. G (or Space) follows again.

0 to 6 choose how far back. / shows only lines that contain a text (with ! before it: that do not). f searches, n and N
go on. m marks the line at the top, ' goes to the next mark. y copies what is selected with the mouse, or all that is
shown; s writes it to a file. Rows in italics are kwinnow's own: gaps, reconnects, the end. Nothing is dropped
unsaid."""
    BINDINGS = bindings(LOGS)

    def __init__(self, choice: LogChoice, start: Start, node: str = "") -> None:
        super().__init__()
        self.choice, self.start, self.node = choice, start, node
        self.window = 0
        self.ended = False
        self.stream: Stream[LogRow] | None = None

    @property
    def path(self) -> str:
        return f"logs › {self.choice.namespace}/{self.choice.pod} {self.choice.container}"

    @property
    def main(self) -> Widget:
        return self.query_one(LogPane)

    @property
    def pane(self) -> LogPane:
        return self.query_one(LogPane)

    def body(self) -> list[Widget]:
        return [Static(id="log-status"), LogPane()]

    def prompts(self) -> list[Prompt]:
        hint = "go to lines that contain …  (Enter goes there, n and N go on, Esc ends it)"
        return [Prompt("find", hint, id="search"), *super().prompts()]

    def on_mount(self) -> None:
        self.pane.focus()
        self._open()

    def on_unmount(self) -> None:
        if self.stream is not None:
            self.stream.stop()

    def _open(self) -> None:
        if self.stream is not None:
            self.stream.stop()
        self.ended = False
        self.pane.clear()
        self.stream = self.start(self.choice)
        self.paint()  # what was shown is gone, and it may be long until something comes

    def tick(self) -> None:
        """Take what came, in one batch."""
        if self.stream is None or self.ended:
            return
        feed = self.stream.feed
        closed = feed.closed  # read first: what is put before closing is still drained below
        rows = feed.drain(AT_MOST)
        batch = [Line(r.time, harmless(r.text), r.kind == "notice") for r in rows]
        if closed and len(rows) < AT_MOST:
            self.ended = True
            why = f" {self.stream.error}" if self.stream.error else ""
            batch.append(Line("", f"── The log has ended.{why} ──", True))
        if batch:
            self.pane.feed(batch)
        if self.ended or feed.dropped != getattr(self, "_dropped", 0):
            self._dropped = feed.dropped
            self.paint()

    def on_log_pane_changed(self) -> None:
        self.paint()

    def paint(self) -> None:
        self.query_one("#log-status", Static).update(self._says())

    def _says(self) -> Text:
        """What the reader must know about what is on screen."""
        pane, lines = self.pane, self.pane.log_lines
        text = Text(no_wrap=True, overflow="ellipsis")
        if self.ended:
            text.append("■ ended", QUIET)
        elif pane.follow:
            text.append("▼ following", INFO)
        else:
            text.append("❚❚ standing still", WARN)
        if pane.unseen:
            text.append(f"  ↓ {pane.unseen} new below (G)", f"bold {INFO}")
        lost = self.stream.feed.dropped if self.stream else 0
        if lost:
            text.append(f"  ⚠ {lost} lost, came too fast", f"bold {WARN}")
        if lines.let_go:
            text.append(f"  oldest {lines.let_go} let go", QUIET)
        name = WINDOWS[self.window][0] + (", previous" if self.choice.previous else "")
        many = len(lines.lines)
        told = f"no line yet: {name}" if not many else f"{many} line{'s' * (many > 1)}, {name}"
        text.append(f"  {told}", QUIET)
        if self.needle:
            text.append_text(line(f"  /{self.needle}", INFO))
        if pane.word:
            text.append_text(line(f"  find {pane.word}", INFO))
        return text.append(f"  times {TIMES[pane.times]}{'  wrap' if pane.wrapped else ''}", QUIET)

    def filtered(self) -> None:
        self.pane.narrow(self.needle)

    # ---- keys ----------------------------------------------------------------------------------------------

    def action_move(self, where: str) -> None:
        pane = self.pane
        if where == "top":
            pane.scroll_to(y=0, animate=False)
        elif where == "bottom":
            pane.set_follow(True)
        elif where in ("down", "up"):
            pane.scroll_relative(y=1 if where == "down" else -1, animate=False)
        else:
            pane.scroll_relative(x=10 if where == "right" else -10, animate=False)

    def action_follow(self) -> None:
        self.pane.set_follow(not self.pane.follow)

    def action_wrap(self) -> None:
        self.pane.set_wrapped(not self.pane.wrapped)

    def action_times(self) -> None:
        self.pane.set_times(self.pane.times + 1)

    def action_since(self, window: int) -> None:
        self.window = window
        _, tail, since = WINDOWS[window]
        self.choice = replace(self.choice, tail=tail, since=since)
        self._open()

    def action_previous(self) -> None:
        self.choice = replace(self.choice, previous=not self.choice.previous)
        self._open()

    def action_find(self) -> None:
        self.query_one("#search", Prompt).open()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "search-field":
            self.query_one("#search", Prompt).close()
            self.pane.focus()
            self._find(event.value, 1)

    def action_find_next(self, by: int) -> None:
        """Without a search there is nothing to go on with: it is asked for."""
        if self.pane.word:
            self._find(self.pane.word, by)
        else:
            self.action_find()

    def _find(self, word: str, by: int) -> None:
        if not self.pane.find(word, by):
            self.notify(f"No line contains “{word}”.", severity="warning", markup=False)
        self.paint()

    def action_back(self) -> None:
        search = self.query_one("#search", Prompt)
        if search.shown or self.pane.word:
            search.close()
            self.pane.focus()
            self._find("", 1)
        else:
            super().action_back()

    def action_mark(self) -> None:
        self.notify(
            "Marked; ' comes back to it." if self.pane.mark() else "The mark is taken away.", timeout=2
        )

    def action_next_mark(self) -> None:
        if not self.pane.next_mark():
            self.notify("There is no mark; m marks the line at the top.")

    def action_copy(self) -> None:
        selected = self.get_selected_text()
        if not selected and not self.pane.log_lines.text():
            self.notify("There is no line to copy.", severity="warning")
            return
        shown = selected if selected else "\n".join(self.pane.log_lines.text()) + "\n"
        self.kwinnow.copy_text(shown, f"log-{self.choice.pod}")

    def action_save(self) -> None:
        """What is shown (the filter counts), with all its times."""
        file = (
            kept_folder()
            / "logs"
            / f"{datetime.now():%Y%m%d-%H%M%S}-{self.choice.pod}-{self.choice.container}.log"
        )
        rows = self.pane.log_lines.text()
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_text("\n".join(rows) + "\n", "utf-8")
            file.chmod(0o600)
        except OSError as error:
            self.notify(f"{file} cannot be written: {error.strerror}.", severity="error", markup=False)
            return
        self.notify(f"{len(rows)} lines are in {file}", markup=False)
