"""The console: opens the investigation, takes its news on a tick, and leads from screen to screen."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType

from tui.banner import banner
from tui.look import ON_DARK, ON_LIGHT, THEMES, context_colour
from tui.palette import CommandTable, Places
from tui.panes.keys import Keys
from tui.panes.status import Status
from tui.remember import Remembered, keep, recall
from tui.screens.fleet import FleetScreen
from tui.screens.page import Page

if TYPE_CHECKING:
    from textual.notifications import Notify

    from checks.engine import Report
    from checks.finding import Finding
    from checks.ids import CheckId
    from facts.fact import Fact
    from playbooks.step import Step
    from tui.investigation import Investigation, Knows, Open, Trouble
    from tui.opening import Opened, Options
    from tui.seen import Seen

TICKS = 15  # a second


class KwinnowApp(App[None]):
    """Holds what all screens read: the investigation, what has been seen of it, and the last trouble."""

    CSS_PATH: ClassVar[str | Path] = Path(__file__).parent / "styles" / "console.tcss"
    TITLE = "kwinnow"
    NOTIFICATION_TIMEOUT = 4.0  # seconds
    COMMANDS = {CommandTable, Places}
    # ctrl+c copies a selection (textual); ctrl+q stays, because it is what textual's own users know.
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, options: Options, opening: Open | None = None) -> None:
        super().__init__()
        self.options = options
        self.opening = opening
        self.work: Investigation | None = None
        self.trouble: Trouble | None = None
        self._seen: Seen | None = None
        self._steps: dict[CheckId, Step] | None = None
        self._insists = False  # on leaving, though a step runs
        self._stale = False  # something came that is not painted yet
        self._rested = 0.0  # before that moment nothing is painted again
        for theme in THEMES:
            self.register_theme(theme)
        kept = recall().theme
        self.theme = kept if kept in self.available_themes else THEMES[0].name
        self.ansi_theme_dark, self.ansi_theme_light = ON_DARK, ON_LIGHT

    # ---- what screens read ---------------------------------------------------------------------------------

    @property
    def knows(self) -> Knows | None:
        return self.work.knows if self.work else None

    @property
    def report(self) -> Report | None:
        return self.work.report if self.work else None

    @property
    def held(self) -> Opened | None:
        return self.work.held if self.work else None

    @property
    def seen(self) -> Seen:
        if self._seen is None:
            from tui.seen import Seen

            self._seen = Seen()
        return self._seen

    @property
    def recorded(self) -> bool:
        """Nobody can be asked or mended: this is a recording."""
        return self.options.open is not None

    @property
    def place(self) -> tuple[str, str]:
        """Context and server; empty while the session is not open."""
        held = self.held
        return (held.session.cluster.context, held.session.cluster.server) if held else ("", "")

    @property
    def read_only(self) -> bool:
        held = self.held
        return bool(held and held.config and held.config.context(held.session.cluster.context).read_only)

    @property
    def steps(self) -> dict[CheckId, Step]:
        """Every step, by the check that it mends."""
        if self._steps is None:
            from playbooks.step import steps

            self._steps = steps()
        return self._steps

    def get(self, fact: type[Fact], node: str = "") -> object:
        """An answer, or None while no session is open."""
        return self.knows.get(fact, node) if self.knows else None

    @property
    def as_of(self) -> str:
        """When the oldest answers came that the verdicts stand on; of a recording, when it was made."""
        from facts.access import Now

        if self.recorded:
            now = self.get(Now)
            return f"{now.utc.astimezone():%Y-%m-%d %H:%M}" if isinstance(now, Now) else ""
        at = self.work.as_of if self.work else None
        return f"{at.astimezone():%H:%M:%S}" if at else ""

    # ---- life ----------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.push_screen(FleetScreen())
        self.call_after_refresh(self._begin)
        self.set_interval(1 / TICKS, self._tick)

    def _begin(self) -> None:
        """After the first paint: what is imported from here on keeps nobody from seeing the console."""
        from tui.investigation import Investigation

        self.work = Investigation(self.options, self.opening) if self.opening else Investigation(self.options)
        self.work.start()

    async def action_quit(self) -> None:
        """Leave. In the middle of an act only when asked twice: the journal would end there, until somebody goes on."""
        if self._acting and not self._insists:
            self._insists = True
            told = "A step runs on the node. Quit again leaves it there; the next fix goes on with it."
            self.notify(told, severity="warning", markup=False)
            return
        if self.work is not None:
            self.work.close()
        keep(Remembered(self.theme))
        self.exit()

    @property
    def _acting(self) -> bool:
        return any(getattr(screen, "acting", False) for screen in self.screen_stack)

    def _tick(self) -> None:
        """Take what happened since the last tick, and paint once."""
        page = self.page
        self._insists = self._insists and self._acting
        if self.work is not None and (news := self.work.drain()):
            from tui.news import take

            take(self, news)
            self._stale = True
        if page is None:
            return
        if self._stale and time.monotonic() >= self._rested:
            begun = time.monotonic()
            self._stale = False
            self.paint(page)
            # A fleet of thousands is painted less often: most of the time belongs to the keys.
            self._rested = time.monotonic() + 3 * (time.monotonic() - begun)
        page.tick()

    @property
    def page(self) -> Page | None:
        """The topmost screen that is no overlay."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, Page)), None)

    def paint(self, page: Page) -> None:
        """Have a screen show what is known now."""
        if page.is_mounted and page.query(Keys):
            page.refreshed()
            page.tell(self._status(page), banner(self, page))
            page.paint()

    def _status(self, page: Page) -> Status:
        context, server = self.place
        held = self.held
        configured = held.config.context(context).colour if held and held.config else ""
        running = self.work is not None and self.work.running
        return Status(
            context=context,
            server=server,
            colour=context_colour(context, configured),
            read_only=self.read_only,
            recording=self.options.open.name if self.options.open else "",
            lost=not context and self.trouble is not None and not running,
            asking=self.seen.total if running and self.work and self.work.held else None,
            as_of=self.as_of,
            where=page.path,
        )

    # ---- from screen to screen -----------------------------------------------------------------------------

    def back(self) -> None:
        """To the screen before; the fleet is the first."""
        if len([s for s in self.screen_stack if isinstance(s, Page)]) > 1:
            self.pop_screen()

    def open_node(self, name: str) -> None:
        from tui.screens.node import NodeScreen

        self.push_screen(NodeScreen(name))

    def open_findings(self, node: str) -> None:
        from tui.screens.findings import FindingsScreen

        self.push_screen(FindingsScreen(node))

    def open_why(self, node: str) -> None:
        from tui.screens.why import WhyScreen

        if self.windows(node, "why it is not ready"):
            self.push_screen(WhyScreen(node))

    def open_logs(self, node: str) -> None:
        from tui.screens.pods import choose_log

        choose_log(self, node)

    def open_check_page(self, check: str) -> None:
        from tui.screens.check_page import check_page

        self.push_screen(check_page(check))

    def open_fix(self, finding: Finding) -> None:
        from tui.screens.fix import open_fix

        open_fix(self, finding)

    def open_undo(self, node: str) -> None:
        from tui.screens.fix import open_undo

        open_undo(self, node)

    def try_flows(self, node: str) -> None:
        """Connections from a Windows node towards Services; what comes of them is among its findings."""
        if self.recorded:
            self.notify("From a recording nothing can be tried.", severity="warning")
        elif self.windows(node, "what can be reached"):
            trying = self.work is not None and self.work.try_flows(node)
            self._stale = True
            told = f"Trying node ports, ClusterIPs and pods from {node}; f shows what comes of it."
            self.notify(told if trying else "Still asking; try when that has ended.", markup=False)

    def windows(self, node: str, what: str) -> bool:
        """Whether `node` is a Windows node of this session; says so where it is not."""
        if self.knows is not None and node in self.knows.windows_nodes():
            return True
        where = f"{node} is not one" if node else "choose one first"
        self.notify(f"kwinnow can tell {what} for Windows nodes; {where}.", severity="warning", markup=False)
        return False

    # ---- commands of everywhere ----------------------------------------------------------------------------

    def action_refresh_all(self) -> None:
        if self.recorded and self.trouble is None:
            self.notify("A recording is read, not asked: it says the same again.")
            return
        if self.work is None or not self.work.again():
            self.notify("Still asking; what hangs is given up at its deadline.")
            return
        self.trouble = None
        self.seen.anew()
        self._stale = True  # what is on screen is old from now on, and says so

    def action_commands_run(self) -> None:
        from tui.screens.sent import SentScreen

        self.push_screen(SentScreen())

    def action_contexts(self) -> None:
        from tui.screens.contexts import choose_context

        choose_context(self)

    def action_help(self) -> None:
        from tui.screens.help import help_page

        page = self.page
        if page is not None:
            self.push_screen(help_page(page.NAME, page.HELP, recorded=self.recorded))

    def open_options(self, options: Options) -> None:
        """Begin anew with other options: another context, another recording."""
        if self.work is not None:
            self.work.close()
        while len([s for s in self.screen_stack if isinstance(s, Page)]) > 1:
            self.pop_screen()
        self.options, self.work, self.trouble, self._seen = options, None, None, None
        self.call_after_refresh(self._begin)
        if self.page is not None:
            self.call_after_refresh(partial(self.paint, self.page))

    def on_notify(self, _: Notify) -> None:
        """Something is said in passing. Only the last is shown: a heap would hide what it is about."""
        self.clear_notifications()

    def copy_text(self, text: str, name: str) -> None:
        """Copy, and say what was done."""
        from tui.clipboard import copy

        self.notify(str(copy(text, self.copy_to_clipboard, name)), markup=False)
