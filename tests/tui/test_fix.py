"""Mending from the console: the plan is shown whole, nothing runs unasked, the result and the undo are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from consolekit import CONTEXT, SERVER, console, judged, screen_text, until
from fixkit import BEFORE, FINDING, made, to_the_finding
from textual.containers import VerticalScroll
from textual.widgets import Button

from checks.cases import fields
from facts.node.hns import Hns
from playbooks import node_side
from playbooks.journal import Journal, Mark
from tui.app import KwinnowApp
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen
from tui.screens.fix import FixScreen
from tui.screens.why import WhyScreen


def footer(app: KwinnowApp) -> str:
    return screen_text(app).splitlines()[-1]


def first_row(app: KwinnowApp) -> int:
    """The screen's row in which the text of the dialog begins."""
    return app.screen.query_one(VerticalScroll).region.y


def look(app: KwinnowApp) -> str:
    """How what can have the focus is drawn."""
    drawn = [app.screen.query_one(VerticalScroll), *app.screen.query(Button)]
    return str([(w.styles.border_left, w.styles.background, w.styles.text_style) for w in drawn])


def said(app: KwinnowApp) -> str:
    assert isinstance(app.screen, FixScreen)
    return app.screen.text.plain


def offered(app: KwinnowApp) -> str:
    button = app.screen.query_one("#run", Button)
    return str(button.label) if button.display and not button.disabled else ""


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_a_fix_is_shown_confirmed_run_verified_and_undone(state: Path, size: tuple[int, int]) -> None:
    async def run() -> None:
        app, machine, cluster = made()
        async with app.run_test(size=size, notifications=True) as pilot:
            await to_the_finding(pilot, app)
            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FixScreen))
            await until(pilot, lambda: offered(app) == f"Run on win-1 in {CONTEXT}")
            step = app.steps[FINDING]
            for part in (
                "win-1",
                CONTEXT,
                SERVER,
                step.blast_radius,
                step.undo_says,
                '"name":"containerd"',
            ):
                assert part in said(app)
            assert "Tab Choose   Enter Press   Esc Close" in footer(app)
            script = said(app).replace("│ ", "")
            assert all(line in script for line in step.text().splitlines()), "the exact script"
            assert machine.acts == [] and cluster.writes == [], "nothing has run"
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            assert machine.acts == [], "Close has the focus, not Run"

            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and offered(app) != "")
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "✔ Done; the check passes now." in said(app))
            assert len(machine.acts) == 1 and any("kwinnow-win-1" in w for w in cluster.writes)
            await until(pilot, lambda: offered(app) == f"Undo on win-1 in {CONTEXT}")
            assert all(line in said(app).replace("│ ", "") for line in step.undo_text().splitlines())
            assert step.undo_blast_radius in said(app)
            assert "✔ Done" in screen_text(app).splitlines()[first_row(app)], "the result stands at the top"
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            await judged(pilot, app)
            keys = [r.key for r in app.screen.query_one(Table).rows]
            assert not any(k.startswith(FINDING) for k in keys), "what was mended is gone from the list"

            await pilot.press("U")
            await until(
                pilot,
                lambda: isinstance(app.screen, FixScreen) and offered(app) == f"Undo on win-1 in {CONTEXT}",
            )
            assert "Does" in said(app) and step.undo_says in said(app)
            assert step.undo_blast_radius in said(app) and step.blast_radius not in said(app)
            assert f"Run the step again: kwinnow fix {FINDING} --node win-1" in said(app)
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "✔ Undone; the check finds the fault again." in said(app))
            assert "✔ Undone" in screen_text(app).splitlines()[first_row(app)]
            assert machine.acts[1]["before"] == {"state": "Stopped", "start_mode": "Auto"}
            await pilot.press("escape")
            await judged(pilot, app)
            await until(pilot, lambda: FINDING in screen_text(app))
            await pilot.press("U")
            await until(
                pilot, lambda: isinstance(app.screen, FixScreen) and "has been undone already" in said(app)
            )
            assert offered(app) == ""
        assert [e.mark for e in Journal(state).entries()][-2:] == [Mark.UNDOING, Mark.UNDONE]

    asyncio.run(run())


def test_the_dialog_can_be_read_and_worked_by_keys_alone() -> None:
    async def run() -> None:
        app, machine, _ = made()
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await to_the_finding(pilot, app)
            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and offered(app) != "")
            step, pane = app.steps[FINDING], app.screen.query_one(VerticalScroll)
            own, around = step.own_text().splitlines()[0], node_side.around()[0].splitlines()[0]
            assert said(app).index(own) < said(app).index(around), (
                "what it does before what is always the same"
            )
            assert pane.scroll_y == 0 < pane.max_scroll_y and isinstance(app.focused, Button)
            for key, there in (
                ("pagedown", 1),
                ("end", 2),
                ("pageup", 1),
                ("home", 0),
                ("down", 1),
                ("up", 0),
            ):
                before = pane.scroll_y
                await pilot.press(key)
                await pilot.pause()
                assert (pane.scroll_y > before) == (key in ("pagedown", "end", "down")), key
                assert (pane.scroll_y == 0, pane.scroll_y == pane.max_scroll_y) == (there == 0, there == 2), (
                    key
                )
            looks = []
            for _ in range(3):  # Close, Run, the text: each is seen to have the focus
                looks.append(look(app))
                await pilot.press("tab")
                await pilot.pause()
            assert len(set(looks)) == 3
            await pilot.press("shift+tab")
            assert app.focused is pane
            await pilot.press("enter")
            await until(pilot, lambda: "Tab goes to the buttons" in screen_text(app))
            assert machine.acts == []

    asyncio.run(run())


def test_a_read_only_context_refuses_and_says_why() -> None:
    async def run() -> None:
        app, machine, _ = made(read_only=True)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await to_the_finding(pilot, app)
            assert "⊘ read-only" in screen_text(app).splitlines()[0]
            assert "F Fix" not in footer(app) and "⚒" not in screen_text(app)
            for key in ("F", "U"):
                await pilot.press(key)
                await until(
                    pilot, lambda: "marked read_only in config.toml" in " ".join(screen_text(app).split())
                )
                assert isinstance(app.screen, FindingsScreen)
            await pilot.press("w")
            await until(pilot, lambda: isinstance(app.screen, WhyScreen) and app.screen.query(Table))
            app.screen.query_one(Table).put(FINDING)
            await until(pilot, lambda: f"✖ error {FINDING}" in screen_text(app))
            assert "F Fix" not in footer(app) and "⚒" not in screen_text(app)
            assert machine.acts == []

    asyncio.run(run())


def test_what_is_no_longer_wrong_is_not_acted_on() -> None:
    async def run() -> None:
        app, machine, _ = made()
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await to_the_finding(pilot, app)
            machine.running = True  # somebody else started it
            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and "Nothing to do" in said(app))
            assert offered(app) == "" and machine.acts == [] and "Checking" not in said(app)
            await pilot.press("escape")
            await judged(pilot, app)
            await until(pilot, lambda: FINDING not in screen_text(app))

    asyncio.run(run())


def test_leaving_while_a_step_runs_wants_to_be_said_twice() -> None:
    async def run() -> None:
        app, machine, _ = made()
        machine.may_end.clear()
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await to_the_finding(pilot, app)
            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and offered(app) != "")
            await pilot.press("tab", "enter")
            await until(pilot, lambda: machine.acts != [])
            try:
                await pilot.press("ctrl+q")
                await until(pilot, lambda: "Quit again leaves it there" in screen_text(app))
                assert app.is_running
                await pilot.press("ctrl+q")
                await until(pilot, lambda: app._exit)
            finally:
                machine.may_end.set()

    asyncio.run(run())


def test_a_finding_without_a_step_says_so() -> None:
    async def run() -> None:
        app = console(fields(Hns, load_balancers=()))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.press("f", "F")
            await until(pilot, lambda: "No step mends" in screen_text(app))
            assert isinstance(app.screen, FindingsScreen)
            assert "F Fix" not in footer(app) and "Why?" in footer(app)
            await pilot.press("colon")
            await until(pilot, lambda: "Copy  (y)" in screen_text(app))
            assert "Fix  (F)" not in screen_text(app)

    asyncio.run(run())


def test_only_where_a_step_mends_it_a_fix_is_offered() -> None:
    async def run() -> None:
        app, _, _ = made(fields(Hns, load_balancers=()))
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await to_the_finding(pilot, app)
            await until(pilot, lambda: "F Fix" in footer(app))
            await pilot.press("space", "down")  # unfolded or not: another finding
            await until(pilot, lambda: "F Fix" not in footer(app))
            await pilot.press("up")
            await until(pilot, lambda: "F Fix" in footer(app))
            await pilot.press("w")
            await until(pilot, lambda: isinstance(app.screen, WhyScreen))
            app.screen.query_one(Table).put(FINDING)
            await until(pilot, lambda: "F Fix" in footer(app))
            app.screen.query_one(Table).move("top")
            await until(pilot, lambda: "F Fix" not in footer(app))  # what passed needs no mending
            await pilot.press("escape", "colon")
            await until(pilot, lambda: "Fix  (F)" in screen_text(app))

    asyncio.run(run())


def test_a_second_person_at_another_desk_takes_back_what_a_first_one_did(state: Path) -> None:
    """Nothing stands in the journal here; the node's own journal has it."""

    async def run() -> None:
        app, machine, _ = made()
        run = {"run": "r1", "step": FINDING, "context": CONTEXT, "server": SERVER, "node": "win-1"}
        given = {"name": "containerd", "start_mode": "Automatic"}
        run |= {"at": "2026-01-01T00:00:00Z", "who": "ann@desk", "parameters": given}
        marks: list[dict[str, Any]] = [{"mark": "acting"}, {"mark": "acted", "before": BEFORE}]
        machine.journal = "".join(msgspec.json.encode(run | mark).decode() + "\n" for mark in marks)
        machine.running = True
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.press("U")
            await until(pilot, lambda: "choose a node" in screen_text(app))
            app.screen.query_one(Table).put("win-2")
            await pilot.press("U")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and "could be undone" in said(app))
            assert offered(app) == "" and machine.acts == []
            await pilot.press("escape")
            app.screen.query_one(Table).put("win-1")
            await pilot.press("U")
            await until(pilot, lambda: isinstance(app.screen, FixScreen) and offered(app) != "")
            assert offered(app) == f"Undo on win-1 in {CONTEXT}"
            assert "by ann@desk at 2026-01-01 00:00:00 UTC" in said(app)
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "✔ Undone" in said(app))
            assert machine.acts[0]["before"] == BEFORE
            assert machine.acts[0]["journal"]["run"] == "r1"

    asyncio.run(run())
