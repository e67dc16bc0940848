"""The table of commands: everything in it can be done where it says, by a key of its own, and is told in help."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
from consolekit import console, judged, screen_text, until
from rich.text import Text
from textual.command import Matcher
from textual.screen import Screen
from textual.screen import Screen as TextualScreen

from targets.pod_logs import LogChoice, Row
from targets.stream import Stream
from tui.app import KwinnowApp
from tui.commands import COMMANDS, FIX, OVERLAYS, PAGES, Command, bindings, key_names, of_screen
from tui.palette import marked, score
from tui.screens.findings import FindingsScreen
from tui.screens.fix import FixScreen
from tui.screens.fleet import FleetScreen
from tui.screens.logs import LogsScreen
from tui.screens.node import NodeScreen
from tui.screens.overlays import ChooseScreen, ReaderScreen
from tui.screens.sent import SentScreen
from tui.screens.why import WhyScreen

SCREENS: dict[str, type[TextualScreen[object]]] = {
    screen.NAME: screen  # type: ignore[attr-defined]
    for screen in (
        FleetScreen,
        NodeScreen,
        FindingsScreen,
        WhyScreen,
        SentScreen,
        LogsScreen,
        ReaderScreen,
        ChooseScreen,
        FixScreen,
    )
}


class Silent:
    """A source of log rows that has none."""

    def batches(self) -> list[list[Row]]:
        return []

    def stop(self) -> None:
        """Nothing runs."""


def page_of(name: str) -> Screen[None]:
    made = {
        "fleet": FleetScreen,
        "node": lambda: NodeScreen("win-1"),
        "findings": lambda: FindingsScreen("win-1"),
        "why": lambda: WhyScreen("win-1"),
        "sent": SentScreen,
        "logs": lambda: LogsScreen(LogChoice("shop", "web", "web"), lambda _: Stream(Silent()).start()),  # type: ignore[arg-type]
        "reader": lambda: ReaderScreen("Title", Text("text")),
        "choose": lambda: ChooseScreen("Title", (), (), lambda _: None),
    }
    return made[name]()  # type: ignore[operator,no-any-return]


def test_every_screen_is_in_the_table_and_every_place_in_it_is_a_screen() -> None:
    assert set(SCREENS) == {*PAGES, *OVERLAYS} == {place for c in COMMANDS for place in c.where}


@pytest.mark.parametrize("name", sorted(SCREENS))
def test_a_key_means_one_thing_on_a_screen(name: str) -> None:
    keys = Counter(key for command in of_screen(name) for key in command.keys.split(","))
    assert [k for k, n in keys.items() if n > 1] == []
    ids = Counter(command.id for command in of_screen(name))
    assert [i for i, n in ids.items() if n > 1] == []
    assert [getattr(b, "id", "") for b in bindings(name)] == [c.id for c in of_screen(name)]


PAIRS = [(name, command) for name in sorted(SCREENS) for command in of_screen(name)]


@pytest.mark.parametrize(("name", "command"), PAIRS, ids=[f"{n}-{c.id}" for n, c in PAIRS])
def test_every_command_has_its_action(name: str, command: Command) -> None:
    action = command.action
    owner = KwinnowApp if action.startswith("app.") else SCREENS[name]
    method = re.sub(r"\(.*", "", action.removeprefix("app."))
    assert hasattr(owner, f"action_{method}"), f"{owner.__name__} has no action_{method}"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_help_tells_every_command_of_the_screen(name: str) -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 60)) as pilot:
            await judged(pilot, app)
            if name != "fleet":
                await app.push_screen(page_of(name))
                await pilot.pause()
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))
            told = app.screen.text.plain  # type: ignore[attr-defined]
            for command in of_screen(name):
                assert command.help in told and key_names(command) in told
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, ReaderScreen))

    asyncio.run(run())


@pytest.mark.parametrize("name", [n for n in sorted({*PAGES, *OVERLAYS}) if n != FIX])
@pytest.mark.parametrize("width", [120, 80])
def test_the_last_line_always_names_help_and_the_way_out(name: str, width: int) -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(width, 24)) as pilot:
            await judged(pilot, app)
            if name != "fleet":
                await app.push_screen(page_of(name))
            await pilot.pause()
            await pilot.pause()
            last = screen_text(app).splitlines()[-1]
            wanted = ("? Help", ": Commands", "q Quit") if name in PAGES else ("Esc Close",)
            assert all(hint in last for hint in wanted), last

    asyncio.run(run())


def test_the_palette_finds_commands_nodes_and_checks() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            await pilot.press("colon", *"findings win-2")
            await until(pilot, lambda: "What is wrong with it." in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            assert app.screen.node == "win-2"  # type: ignore[attr-defined]

    asyncio.run(run())


def test_a_click_on_a_hint_runs_its_command() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            at = screen_text(app).splitlines()[-1].index("? Help")
            await pilot.click("Keys", offset=(at + 2, 0))
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))

    asyncio.run(run())


def test_the_palette_puts_the_name_that_begins_so_before_what_only_mentions_it() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await pilot.press("colon", *"the")
            await until(pilot, lambda: "Walk the chain" in screen_text(app))
            text = screen_text(app)
            assert text.index("Theme  (T)") < text.index("Why?  (w)")
            first = next(line for line in text.partition("🔎 the")[2].splitlines()[1:] if line.strip())
            assert first.strip() == "Theme  (T)"
            await pilot.press("enter")
            await until(pilot, lambda: "kwinnow-light" in screen_text(app))

    asyncio.run(run())


def test_a_name_in_the_palette_is_no_markup() -> None:
    hostile = "node [@click=app.quit]x[/] [b]"
    matcher = Matcher("node")
    assert marked(matcher, hostile).plain == hostile and score(matcher, hostile) > 3


def test_help_goes_on_under_its_own_column_where_it_wraps() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(80, 50)) as pilot:
            await judged(pilot, app)
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))
            lines = [line.partition("│")[2].rpartition("│")[0] for line in screen_text(app).splitlines()]
            at = next(i for i, line in enumerate(lines) if "What the API says of this node and" in line)
            assert lines[at].index("What the API") == lines[at + 1].index("what the node says.")

    asyncio.run(run())
