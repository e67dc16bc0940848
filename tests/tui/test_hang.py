"""A node that never answers: keys go on painting, the other rows fill, and leaving does not wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from consolekit import SIZES, console, judged, screen_text, session_with, until
from nodedoubles import InFront

from checks.edits import not_ready, service
from facts.answers import Answers
from facts.collector.source import NodeSource, OnAnswer
from facts.collector.wire import Asked
from facts.examples import FLANNEL_2022, path_of
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording
from targets.target import NodeRef
from tui.app import KwinnowApp
from tui.panes.table import Table

KEY_SECONDS = 0.1


class Held(InFront):
    """Nodes of a recording, of which one answers only when the test lets it."""

    def __init__(self, nodes: NodeSource, silent: str) -> None:
        super().__init__(nodes)
        self.silent = silent
        self.let_go = threading.Event()
        self.asked = threading.Event()
        self.cancelled: list[str] = []

    def cancel(self, node: str) -> None:
        self.cancelled.append(node)

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        if node.name == self.silent:
            self.asked.set()
            self.let_go.wait(120)
        return questions


def held(silent: str) -> tuple[Session, Held]:
    session = opened(Recording(path_of(FLANNEL_2022)))
    nodes = Held(session.nodes, silent)
    return Session(session.cluster, nodes, now=session._recorded_now), nodes


def best_of(measure: Callable[[], float], goal: float, tries: int = 40) -> float:
    """The best of several: a busy machine delays some, a console that hangs delays all."""
    best = measure()
    for _ in range(tries):
        if best < goal:
            break
        best = min(best, measure())
    return best


def test_keys_paint_and_other_rows_fill_while_one_node_hangs() -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        app = console(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, nodes.asked.is_set)
            await until(
                pilot, lambda: app.seen.asked.get("win-2") is not None and app.seen.asked["win-2"].finished
            )
            await until(pilot, lambda: "winrm" in row(app, "win-2") and "✔" in row(app, "win-2"))
            assert app.work is not None and app.work.running
            assert "✔ none" not in row(app, "win-1"), "nothing is known of it: that is not the same as well"
            assert "asking" in screen_text(app).splitlines()[0]
            table = app.screen.query_one(Table)
            times = []
            for key in ("down", "up") * 10:
                before, start = table.cursor, time.monotonic()
                await pilot.press(key)
                assert table.cursor != before or table.index in (0, len(table.rows) - 1)
                screen_text(app)
                times.append(time.monotonic() - start)
            assert min(times) < KEY_SECONDS, times
            await pilot.press("f")
            await until(pilot, lambda: "findings" in screen_text(app).splitlines()[0])
            nodes.let_go.set()
            await judged(pilot, app)
            await pilot.press("escape")
            await until(pilot, lambda: "winrm" in row(app, "win-1"))

    asyncio.run(run())


def row(app: KwinnowApp, name: str) -> str:
    return next((line for line in screen_text(app).splitlines() if line.strip().startswith(name)), "")


def test_leaving_does_not_wait_for_a_node_that_hangs() -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        app = console(session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, nodes.asked.is_set)
            await pilot.press("q")
            await until(pilot, lambda: "win-1" in nodes.cancelled)
        assert not nodes.let_go.is_set()
        assert all(t.daemon for t in threading.enumerate() if t.name.startswith("kwinnow"))
        nodes.let_go.set()

    asyncio.run(run())


def test_where_there_is_little_room_a_refresh_shows_how_far_each_node_is() -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        nodes.let_go.set()
        session.answers = session_with(service("containerd", state="Stopped", node="win-1")).answers.copy()
        app = console(session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            assert "✖ 1" in row(app, "win-1")
            nodes.let_go.clear()
            await pilot.press("r")
            await until(pilot, lambda: "▱ 0/" in row(app, "win-1") and "▱" not in row(app, "win-2"))
            nodes.let_go.set()
            await judged(pilot, app)
            assert "▱" not in screen_text(app)

    asyncio.run(run())


def test_a_refresh_keeps_what_is_known_while_one_node_hangs() -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        nodes.let_go.set()
        app = console(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            nodes.let_go.clear()
            nodes.asked.clear()
            await pilot.press("r")
            await until(pilot, nodes.asked.is_set)
            await until(
                pilot, lambda: app.seen.asked.get("win-2") is not None and app.seen.asked["win-2"].finished
            )
            assert "winrm" in row(app, "win-1") and "20348" in row(app, "win-1"), (
                "the former answers are still shown"
            )
            assert app.report is not None and not [
                o for o in app.report.outcomes if "not been asked" in o.why
            ]
            nodes.let_go.set()
            await judged(pilot, app)
            assert app.held is not None and app.held.session is app.knows

    asyncio.run(run())


def test_the_session_of_an_edited_example_has_its_answers_already() -> None:
    """The tests of the screens rely on it: nothing is asked where everything is known."""
    session = session_with()
    assert isinstance(session.answers, Answers)
    before = {key: answer.value for key, answer in session.answers.by_key.items()}
    session.gather([f for f, _ in before])
    assert {key: session.answers.by_key[key].value for key in before} == before


@pytest.mark.parametrize("key", ["w", "f"])
@pytest.mark.parametrize("size", SIZES)
def test_an_old_verdict_says_that_it_is_old_until_the_new_one_takes_its_place(
    key: str, size: tuple[int, int]
) -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        nodes.let_go.set()
        ill = session_with(
            service("containerd", state="Stopped", pid=0, node="win-1"), not_ready("it is down")
        )
        session.answers = ill.answers.copy()
        app = console(session=session)
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            app.screen.query_one(Table).put("win-1")
            await pilot.press(key)
            await until(pilot, lambda: "containerd.stopped" in screen_text(app))
            assert "being asked" not in screen_text(app)
            nodes.let_go.clear()
            nodes.asked.clear()
            await pilot.press("r")
            await until(pilot, nodes.asked.is_set)
            await until(pilot, lambda: "win-1 is being asked again" in screen_text(app))
            text = screen_text(app)
            assert "what stands here is from" in text and "containerd.stopped" in text
            verdicts = [r for r in app.screen.query_one(Table).rows if not r.heading]
            assert all(r.cells[0].plain.startswith("◌") for r in verdicts), "no sign looks like the present"
            styles = {str(c.style) for r in verdicts for c in r.cells} | {
                str(s.style) for r in verdicts for c in r.cells for s in c.spans
            }
            assert styles <= {"dim", ""}, "and no colour does"
            assert "› win-1" in text.splitlines()[0], "and nothing lies over the status line"
            nodes.let_go.set()
            await judged(pilot, app)
            assert "being asked" not in screen_text(app) and "✖" not in screen_text(app)
            assert "◌" not in screen_text(app)

    asyncio.run(run())


def test_what_is_not_the_whole_yet_says_so() -> None:
    async def run() -> None:
        session, nodes = held("win-1")
        app = console(session=session)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, nodes.asked.is_set)
            await until(pilot, lambda: "✔" in row(app, "win-2"))
            await pilot.press("f")
            await until(pilot, lambda: "1 of 2 nodes are still being asked" in screen_text(app))
            nodes.let_go.set()
            await judged(pilot, app)
            assert "still being asked" not in screen_text(app)

    asyncio.run(run())
