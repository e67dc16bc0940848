"""What all screens share: the status line, a filter, the footer, and that they paint what is known when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.banner import BAD, NOTE, WARN, Banner
from tui.panes.detail import Detail
from tui.panes.keys import Keys
from tui.panes.prompt import Prompt
from tui.panes.status import Status, StatusBar
from tui.panes.table import Column, Row, Table

if TYPE_CHECKING:
    from checks.finding import Finding
    from tui.app import KwinnowApp


class Page(Screen[None]):
    """`HELP` is the prose of the help page; `path` says where we are; `node` whom the screen is about, if anybody."""

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""

    node: str = ""
    needle: str = ""

    @property
    def kwinnow(self) -> KwinnowApp:
        from tui.app import KwinnowApp

        app = self.app
        assert isinstance(app, KwinnowApp)
        return app

    @property
    def path(self) -> str:
        """Where we are, for the status line."""
        return self.NAME

    def body(self) -> list[Widget]:
        """The widgets between status line and footer."""
        return []

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Static(id="banner")
        yield from self.body()
        with Vertical(id="foot"):  # what docks by itself at the same edge lies over the others
            yield from self.prompts()
            yield Keys(self.NAME)

    def prompts(self) -> list[Prompt]:
        """The lines to type into."""
        hint = "only rows that contain …  (Enter keeps it, Esc takes it away)"
        return [Prompt("filter /", hint, id="filter")]

    def on_mount(self) -> None:
        self.kwinnow.paint(self)

    def on_screen_resume(self) -> None:
        self.kwinnow.paint(self)

    def on_resize(self) -> None:
        self.kwinnow.paint(self)

    def refreshed(self) -> None:
        """Something is known anew; called before `path` is read and `paint` is called."""

    def paint(self) -> None:
        """Show what is known now. Called on the tick when something has changed."""

    def tick(self) -> None:
        """Called on every tick while this screen is on top."""

    def tell(self, status: Status, banner: Banner) -> None:
        """Status line, banner, and which keys can work."""
        self.query_one(StatusBar).tell(status)
        self.offer()
        widget = self.query_one("#banner", Static)
        for kind in (BAD, WARN, NOTE):
            widget.set_class(kind == banner.kind, kind)
        widget.set_class(bool(banner.text.plain), "shown")
        if getattr(self, "_banner", "") != banner.text.plain:
            self._banner = banner.text.plain
            widget.update(banner.text)

    def idle(self) -> frozenset[str]:
        """Ids of commands with nothing to work on now. Footer and palette leave them out; their keys say why."""
        return frozenset()

    def offer(self) -> None:
        """Let the footer offer what can work now."""
        self.query_one(Keys).tell(recorded=self.kwinnow.recorded, idle=self.idle())

    # ---- filter --------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        self.query_one("#filter", Prompt).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter-field":
            self.needle = event.value.lower()
            self.filtered()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter-field":
            self._leave_filter(keep=bool(event.value))

    def _leave_filter(self, *, keep: bool) -> None:
        prompt = self.query_one("#filter", Prompt)
        if keep:
            prompt.rest()
        else:
            prompt.field.value = ""
            prompt.close()
        self.main.focus()

    def filtered(self) -> None:
        """The filter has changed."""
        self.paint()

    def keeps(self, text: str) -> bool:
        """Whether a row with this text passes the filter."""
        return not self.needle or self.needle in text.lower()

    @property
    def main(self) -> Widget:
        """The pane that has the focus when nothing else does."""
        return self.query_one(Table)

    def action_back(self) -> None:
        """First the filter goes, then the screen."""
        if self.needle or self.query_one("#filter", Prompt).shown:
            self._leave_filter(keep=False)
        else:
            self.kwinnow.back()

    # ---- keys that all have --------------------------------------------------------------------------------

    def action_move(self, where: str) -> None:
        self.query_one(Table).move(where)

    def action_detail(self, by: int) -> None:
        for detail in self.query(Detail):
            detail.scroll_relative(y=by * max(1, detail.size.height - 2), animate=False)

    def chosen_node(self) -> str:
        """The node that node commands are about."""
        return self.node

    def action_why(self) -> None:
        self.kwinnow.open_why(self.chosen_node())

    def action_findings(self) -> None:
        self.kwinnow.open_findings(self.chosen_node())

    def action_probe(self) -> None:
        self.kwinnow.try_flows(self.chosen_node())

    def action_logs(self) -> None:
        self.kwinnow.open_logs(self.chosen_node())

    def action_undo(self) -> None:
        self.kwinnow.open_undo(self.chosen_node())


class ListPage(Page):
    """A table over the whole text of its current row."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    EMPTY: ClassVar[str] = ""

    def body(self) -> list[Widget]:
        return [Table(self.COLUMNS, empty=self.EMPTY), Detail()]

    def on_mount(self) -> None:
        self.query_one(Table).focus()

    def rows(self) -> list[Row]:
        """What the table shows, the filter applied."""
        return []

    def detail(self, key: str) -> Text:
        """The whole text about the row `key` ("" without rows)."""
        return Text()

    def paint(self) -> None:
        table = self.query_one(Table)
        table.show(self.rows())
        trouble = self.kwinnow.trouble
        self.set_class(not table.rows and trouble is not None and trouble.lasting, "lost")
        self.query_one(Detail).show(self.detail(table.cursor), table.cursor)
        self.offer()

    def on_table_moved(self) -> None:
        key = self.query_one(Table).cursor
        self.query_one(Detail).show(self.detail(key), key)
        self.offer()

    def chosen_finding(self) -> Finding | None:
        """The finding that the current row is about."""
        return None

    def mends(self, finding: Finding) -> bool:
        """Whether a step mends it, and may."""
        app = self.kwinnow
        return bool(finding.node) and finding.id in app.steps and not app.recorded and not app.read_only

    def idle(self) -> frozenset[str]:
        finding = self.chosen_finding()
        return frozenset() if finding is not None and self.mends(finding) else frozenset({"fix"})

    @property
    def current(self) -> str:
        """The key of the row under the cursor."""
        return self.query_one(Table).cursor
