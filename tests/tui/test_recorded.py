"""A recording: what cannot work there is not offered, and where nothing was found one sees what was checked."""

from __future__ import annotations

import asyncio

import pytest
from consolekit import SIZES, console, judged, screen_text, until

from checks.cases import fails
from facts.examples import FLANNEL_2022, path_of
from facts.node.hns import Hns
from tui.app import KwinnowApp
from tui.commands import of_screen
from tui.opening import Options
from tui.panes.keys import Keys
from tui.screens.findings import FindingsScreen
from tui.screens.overlays import ReaderScreen


def recorded() -> KwinnowApp:
    return KwinnowApp(Options(open=path_of(FLANNEL_2022)))


@pytest.mark.parametrize("size", SIZES)
def test_footer_help_and_palette_offer_only_what_can_work(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = recorded()
        async with app.run_test(size=(200, size[1]), notifications=True) as pilot:
            await judged(pilot, app)
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            last = screen_text(app).splitlines()[-1]
            assert "y Copy" in last and not any(
                k in last for k in ("F Fix", "l Logs", "P Probe", "r Refresh")
            )
            for key, told in (
                ("F", "no finding here"),
                ("U", "recording"),
                ("l", "recording"),
                ("r", "recording"),
            ):
                await pilot.press(key)
                await until(pilot, lambda told=told: told in screen_text(app))  # type: ignore[misc]
                app.clear_notifications()
            await pilot.resize_terminal(*size)
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))
            told = app.screen.text.plain  # type: ignore[attr-defined]
            assert "Left out are F U l P r C" in told and "Take the last step" not in told
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            await pilot.press("colon", *"undo")
            await until(pilot, lambda: "check runtime.docker.too-old" in screen_text(app))
            assert "Undo" not in screen_text(app)

    asyncio.run(run())


def test_a_live_cluster_offers_them() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(200, 40)) as pilot:
            await judged(pilot, app)
            assert app.screen.query_one(Keys).recorded is False
            assert "l Logs" in screen_text(app).splitlines()[-1]
            assert {c.id for c in of_screen("findings")} > {
                c.id for c in of_screen("findings", recorded=True)
            }

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_enter_on_nothing_found_shows_what_was_checked(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(fails(Hns, node="win-2"))
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            await pilot.press("f")
            await until(pilot, lambda: "Nothing found" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))
            told = app.screen.text.plain  # type: ignore[attr-defined]
            assert "could not be told" in told.splitlines()[0] and "passed" in told.splitlines()[0]
            assert told.index("? could not be told") < told.index("✔ passed"), "doubts come first"
            assert "hns.network.absent  win-2  it hangs" in told and "runtime.containerd.stopped" in told

    asyncio.run(run())
