"""The time in the status line is that of the oldest answers that the verdicts stand on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from consolekit import console, judged, screen_text, session_with, until

from facts.answers import Answer
from facts.cluster.nodes import Nodes
from facts.node.windows import Services
from facts.session import Session
from tui.age import oldest
from tui.blend import Blend

BEGAN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def aged_session(at: datetime = BEGAN) -> Session:
    """All answers came at `at`, the nodes' a minute later."""
    session = session_with()
    for (fact, node), answer in session.answers.copy().by_key.items():
        when = at + timedelta(minutes=1) if node else at
        session.answers.put(fact, node, Answer(answer.value, answer.source, when, answer.ms))
    return session


def shown(at: datetime) -> str:
    return f"as of {at.astimezone():%H:%M:%S}"


def test_what_a_fix_asks_anew_makes_the_verdicts_no_younger() -> None:
    async def run() -> None:
        session = aged_session()
        app = console(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            assert shown(BEGAN) in screen_text(app).splitlines()[0]
            assert app.work is not None
            session.again([Services], nodes=["win-1"])  # as a step does, before it shows its plan
            app.paint(app.page)  # type: ignore[arg-type]
            await pilot.pause()
            assert shown(BEGAN) in screen_text(app).splitlines()[0]
            app.try_flows("win-1")  # judged anew, but most answers are still the old ones
            await until(pilot, lambda: app.work is not None and not app.work.running)
            await judged(pilot, app)
            assert shown(BEGAN) in screen_text(app).splitlines()[0]

    asyncio.run(run())


def test_while_a_node_is_asked_again_its_former_answers_count() -> None:
    later = BEGAN + timedelta(hours=1)
    blend = Blend(aged_session(later), aged_session())
    assert oldest(blend) == BEGAN
    blend.through.add("")
    assert oldest(blend) == BEGAN + timedelta(minutes=1), "the nodes' answers are the former ones"
    blend.through |= {"win-1", "win-2"}
    assert oldest(blend) == later
    assert oldest(Session(blend.fresh.cluster, blend.fresh.nodes)) is None, "nothing has been asked yet"


def test_a_refresh_makes_them_young() -> None:
    async def run() -> None:
        session = aged_session()
        app = console(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            assert app.work is not None and app.work.as_of == BEGAN
            begun = datetime.now(UTC)
            await pilot.press("r")
            await judged(pilot, app)
            assert app.work.as_of is not None and app.work.as_of >= begun
            assert isinstance(app.get(Nodes), Nodes)

    asyncio.run(run())
