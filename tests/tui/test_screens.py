"""The screens on a cluster with known ills: what they show, at both sizes, and where their keys lead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from consolekit import CONTEXT, SIZES, console, judged, screen_text, until
from msgspec.structs import replace
from textual.pilot import Pilot

from checks.cases import change, fails
from checks.edits import not_ready, service
from facts.node.hns import Hns
from facts.node.windows import Os
from tui.app import KwinnowApp
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen
from tui.screens.fleet import FleetScreen
from tui.screens.node import NodeScreen
from tui.screens.overlays import ReaderScreen
from tui.screens.sent import SentScreen
from tui.screens.why import WhyScreen

HOSTILE = "\x1b[31mit hangs\x1b]0;owned\x07 [bold]x[/bold] [@click=app.quit]y[/]"
ILL = (
    service("containerd", state="Stopped", pid=0, node="win-1"),
    not_ready("container runtime is down"),
    change(Hns, lambda hns: replace(hns, load_balancers=hns.load_balancers[1:]), "win-1"),
    fails(Os, HOSTILE, node="win-2"),
)


async def go_to(pilot: Pilot[None], app: KwinnowApp, key: str) -> None:
    """Put the cursor on a row of the screen's table."""
    table = app.screen.query_one(Table)
    table.focus()
    table.put(key)
    await pilot.pause()
    assert table.cursor == key


@pytest.mark.parametrize("size", SIZES)
def test_the_fleet_shows_what_is_ill_what_is_well_and_what_could_not_be_told(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            text = screen_text(app)
            rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
            assert CONTEXT in text.splitlines()[0], "the context is always on screen"
            assert "✖ NotReady" in rows["win-1"] and "✖" in rows["win-1"]
            assert "runtime.containerd.stopped"[:18] in rows["win-1"]
            assert "✔ Ready" in rows["win-2"] and "? " in rows["win-2"] and "✔ none" not in rows["win-2"]
            assert "cp-1" in rows and "linux" in rows["cp-1"]

    asyncio.run(run())


def test_the_lower_pane_tells_the_first_cause_and_the_reasons_of_doubt() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            assert "First cause" in screen_text(app) and "Remedy" in screen_text(app)
            await go_to(pilot, app, "win-2")
            text = screen_text(app)
            assert "could not tell: it hangs [bold]x[/bold] [@click=app.quit]y[/]" in text
            assert "\x1b" not in text and "owned" not in text

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_findings_lead_with_causes_and_fold_what_they_account_for(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            table = app.screen.query_one(Table)
            assert app.report is not None
            cause = next(c for c in app.report.ranked.causes if c.id == "runtime.containerd.stopped")
            effects = [e.key for e in app.report.ranked.consequences(cause.key)]
            assert effects
            before = [r.key for r in table.rows]
            assert table.rows[0].key == cause.key and not any(k.startswith(f"{cause.key} > ") for k in before)
            await pilot.press("space")
            after = [r.key for r in table.rows]
            assert after[1 : 1 + len(effects)] == [f"{cause.key} > {e}" for e in effects]
            await pilot.press("space")
            assert [r.key for r in table.rows] == before
            assert "Remedy" in screen_text(app) and "▌ services" in screen_text(app)

    asyncio.run(run())


def test_findings_list_what_could_not_be_told_with_the_reason() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-2")
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            text = screen_text(app)
            assert "Could not be told" in text and "it hangs [bold]x[/bold]" in text
            assert "Every check that applies passes" not in text

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_a_node_is_shown_from_both_sides(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, NodeScreen))
            assert "The API says" in screen_text(app) and "The node says" in screen_text(app)
            table = app.screen.query_one(Table)
            everything = len(table.rows)
            await pilot.press("d")
            assert 0 < len(table.rows) < everything
            signs = {r.cells[0].plain for r in table.rows if not r.heading}
            assert signs <= {"≠", "?"}
            assert "no load balancer" in screen_text(app)

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_why_walks_the_chain_and_names_the_first_cause(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            await pilot.press("w")
            await until(pilot, lambda: isinstance(app.screen, WhyScreen))
            await pilot.pause()
            table = app.screen.query_one(Table)
            assert table.cursor == "runtime.containerd.stopped", "the cursor starts on the first cause"
            text = screen_text(app)
            assert "◀ first cause" in text and "✔" in text and "✖" in text

    asyncio.run(run())


def test_why_is_refused_for_a_node_that_is_no_windows_node() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "cp-1")
            await pilot.press("w")
            await until(pilot, lambda: "cp-1 is not one" in screen_text(app))
            assert isinstance(app.screen, FleetScreen)

    asyncio.run(run())


def test_a_filter_narrows_and_escape_takes_it_away_before_it_leaves_the_screen() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            table = app.screen.query_one(Table)
            await pilot.press("slash", *"WIN-2", "enter")
            assert [r.key for r in table.rows] == ["win-2"]
            assert app.focused is table, "keys are for the rows again"
            await pilot.press("escape")
            assert len(table.rows) == 4
            await pilot.press("escape")
            assert isinstance(app.screen, FleetScreen), "the fleet is the first screen; quitting is q"

    asyncio.run(run())


def test_help_page_of_a_check_and_back() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.press("f", "h")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))
            text = screen_text(app)
            assert "Rule" in text and "Remedy" in text and "Source" in text
            await pilot.press("q")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, FleetScreen))

    asyncio.run(run())


def test_copying_a_finding_writes_markdown_and_says_where(state: Path) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            await pilot.press("f", "y")
            (file,) = (state / "copied").iterdir()
            text = file.read_text("utf-8")
            assert text.startswith("## error: ") and "`runtime.containerd.stopped`" in text and "```" in text
            assert app.clipboard == text, "by OSC 52 where there is no native tool"
            await until(pilot, lambda: "by OSC 52" in screen_text(app))

    asyncio.run(run())


def test_commands_that_were_sent_are_listed_newest_first() -> None:
    from consolekit import session_with

    from targets.target import Sent

    async def run() -> None:
        session = session_with()
        session.log.add(Sent(1_700_000_000.0, "lab", "kubectl get nodes", 12.0, "ok"))
        session.log.add(
            Sent(1_700_000_001.0, "win-1", "powershell [x]\nGet-Service", 900.0, "deadline", "too slow")
        )
        app = console(session=session)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.press("C")
            await until(pilot, lambda: isinstance(app.screen, SentScreen) and app.screen.query(Table))
            table = app.screen.query_one(Table)
            assert [r.key for r in table.rows] == ["1", "0"]
            text = screen_text(app)
            assert "✖ deadline" in text and "too slow" in text and "Get-Service" in text
            session.log.add(Sent(1_700_000_002.0, "lab", "kubectl get pods", outcome="running"))
            await until(pilot, lambda: "under way" in screen_text(app))
            assert "✖ running" not in screen_text(app)
            copied: list[str] = []
            app.copy_to_clipboard = copied.append  # type: ignore[method-assign]
            table.put("0")
            await pilot.press("y")
            await until(pilot, lambda: copied)
            assert copied == ["kubectl get nodes\n"], "it can be pasted into a shell as it is"

    asyncio.run(run())


def test_a_collector_that_kwinnow_closed_says_how_many_answers_came() -> None:
    from consolekit import session_with

    from facts.collector.wire import Asked, standard_input
    from targets.target import Sent

    async def run() -> None:
        session = session_with(fails(Os, node="win-1"))
        asked = [Asked(name, "", {}, 5.0) for name in ("os", "hns", "services")]
        text = standard_input(asked).decode()
        session.log.add(Sent(1_700_000_000.0, "win-1", text, 2500.0, "stopped", "winrm https://win-1:5986"))
        app = console(session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await pilot.press("C")
            await until(pilot, lambda: "? 2 of 3 answers" in screen_text(app))
            text = " ".join(screen_text(app).split())
            assert (
                "The collector had come to its end (2 of 3 answers)" in text
                and "2.50 s after it began" in text
            )
            assert "stopped" not in text

    asyncio.run(run())


def test_the_mouse_opens_a_node() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.double_click(Table, offset=(3, 3))
            await until(pilot, lambda: isinstance(app.screen, NodeScreen))

    asyncio.run(run())


def test_resizing_keeps_the_cursor_and_the_screen() -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-2")
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: len(screen_text(app).splitlines()) == 24)
            await pilot.pause()
            assert app.screen.query_one(Table).cursor == "win-2"
            assert "win-2" in screen_text(app) and "q Quit" in screen_text(app)
            await pilot.resize_terminal(40, 10)
            await until(pilot, lambda: len(screen_text(app).splitlines()) == 10)
            await until(pilot, lambda: screen_text(app).count("win-2") == 2)  # in the table, and beneath it

    asyncio.run(run())


def test_a_healthy_cluster_says_so() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await go_to(pilot, app, "win-1")
            assert "✔ none" in screen_text(
                app
            ) and "Every check that could be made here passes" in screen_text(app)

    asyncio.run(run())
