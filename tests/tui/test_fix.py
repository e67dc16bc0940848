"""Mending from the console: the plan is shown whole, nothing runs unasked, the result and the undo are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from consolekit import CONTEXT, SERVER, console, judged, screen_text, session_with, until
from nodedoubles import InFront
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Button

from checks.cases import Change, fields
from checks.edits import service
from facts.access import Now
from facts.collector.source import OnAnswer
from facts.collector.wire import Asked, RawAnswer
from facts.node.hns import Hns
from facts.node.windows import Services
from facts.session import Session
from playbooks import node_side
from playbooks.journal import Journal, Mark
from targets.config import Config, ContextLook
from targets.errors import NotFound
from targets.target import ClusterTarget, NodeRef
from tui.app import KwinnowApp
from tui.opening import Opened, Options
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen
from tui.screens.fix import FixScreen
from tui.screens.why import WhyScreen

T = TypeVar("T")
FINDING = "runtime.containerd.stopped"
BEFORE = {"state": "Stopped", "start_mode": "Auto"}


class Leases:
    """A cluster that answers as the example does and keeps the one lease that a lock needs."""

    def __init__(self, cluster: ClusterTarget) -> None:
        self._cluster = cluster
        self.context, self.server = cluster.context, cluster.server
        self.writes: list[str] = []
        self._lease: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def get(self, path: str, as_type: type[T]) -> T:
        if "/leases/kwinnow-" not in path:
            return self._cluster.get(path, as_type)
        if self._lease is None:
            raise NotFound("There is no such lease.")
        return msgspec.convert(self._lease, as_type)

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        if "/leases" not in path:
            return self._cluster.create(path, body, as_type)
        return self.request("POST", path, as_type, body=body)

    def request(self, method: str, path: str, as_type: type[T], *, body: object = None) -> T:
        self.writes.append(f"{method} {path}")
        self._lease = None if method == "DELETE" else msgspec.to_builtins(body)
        return msgspec.convert(self._lease or {"metadata": {}, "spec": {}}, as_type)


class Machine(InFront):
    """A Windows node with one service that a step may start; every other question is answered as recorded."""

    def __init__(self, session: Session, node: str) -> None:
        super().__init__(session.nodes)
        self.session, self.node = session, node
        self.running = False
        self.journal = ""  # what the node's own journal holds
        self.acts: list[dict[str, Any]] = []

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        ours: dict[str, Callable[[dict[str, Any]], object]] = {
            "act": self._act,
            "services": lambda _: self._services(node.name),
            "node_journal": lambda _: {"journal": self.journal if node.name == self.node else ""},
        }
        at = self.session.answer(Services, node.name).at
        for question in questions:
            if question.id in ours:
                value = ours[question.id](dict(question.parameters))
                on_answer(question.id, RawAnswer(at, 1, _raw(value), None))
        return [q for q in questions if q.id not in ours]

    def _act(self, parameters: dict[str, Any]) -> object:
        self.acts.append(parameters)
        self.running = "before" not in parameters
        return {"before": {"state": "Stopped", "start_mode": "Auto"}, "after": {}, "changed": True}

    def _services(self, node: str) -> object:
        found = self.session.get(Services, node)
        assert isinstance(found, Services)
        told = msgspec.to_builtins(found)
        for item in told["services"]:
            if node == self.node and item["name"] == "containerd":
                item["state"] = "Running" if self.running else "Stopped"
        return told


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def made(*more: Change, read_only: bool = False) -> tuple[KwinnowApp, Machine, Leases]:
    example = session_with(service("containerd", state="Stopped", pid=0, node="win-1"), *more)
    machine = Machine(example, "win-1")
    cluster = Leases(example.cluster)
    now = example.get(Now)
    assert isinstance(now, Now)
    session = Session(cluster, machine, now=now.utc)
    session.answers = example.answers.copy()
    config = Config(Path("config.toml"), contexts={cluster.context: ContextLook(read_only=read_only)})

    def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
        return Opened(session, options, config)

    return KwinnowApp(Options(), opening), machine, cluster


async def to_the_finding(pilot: Pilot[None], app: KwinnowApp) -> None:
    await judged(pilot, app)
    await pilot.press("f")
    await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
    table = app.screen.query_one(Table)
    table.put(f"{FINDING}:node/win-1")
    assert table.cursor.startswith(FINDING)


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
            for key in ("F", "U"):
                await pilot.press(key)
                await until(
                    pilot, lambda: "marked read_only in config.toml" in " ".join(screen_text(app).split())
                )
                assert isinstance(app.screen, FindingsScreen)
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
            assert offered(app) == "" and machine.acts == []

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
