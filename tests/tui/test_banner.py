"""A cluster that was not opened, and rights that are missing, are said above what they concern."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from consolekit import CONTEXT, SIZES, console, judged, screen_text, session_with, until
from msgspec.structs import replace

from facts.answers import Answer
from facts.cluster.control_plane import Rights
from facts.cluster.workloads import Pods
from facts.fact import Failed
from facts.session import Session
from targets.errors import TargetError
from tui.app import KwinnowApp
from tui.opening import Opened, Options
from tui.panes.table import Table

DENIED = "User “reader” of context “shop” may not list pods at the scope of the cluster."


def few_rights() -> Session:
    session = session_with()
    for fact, value in (
        (Rights, replace(session.get(Rights), rules=(), everywhere=())),  # type: ignore[type-var]
        (Pods, Failed("permission-denied", DENIED, "Ask for a role with verb list on pods.")),
    ):
        known = session.answer(fact)  # type: ignore[arg-type]
        session.answers.put(fact, "", Answer(value, known.source, known.at))  # type: ignore[arg-type]
    return session


@pytest.mark.parametrize("size", SIZES)
def test_what_could_not_be_opened_is_not_opening_for_ever(size: tuple[int, int]) -> None:
    def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
        raise TargetError("The kubeconfig /home/me/x does not exist.", "Name another one with --kubeconfig.")

    async def run() -> None:
        app = KwinnowApp(Options(), opening)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "✖ not opened" in screen_text(app).splitlines()[0])
            await until(pilot, lambda: "--kubeconfig" in screen_text(app))
            text = " ".join(screen_text(app).split())
            assert "opening …" not in text
            assert "/home/me/x does not exist" in text and "--kubeconfig" in text
            await pilot.press("C")
            await until(pilot, lambda: "sent" in screen_text(app).splitlines()[0])
            assert "/home/me/x does not exist" in screen_text(app).splitlines()[1], (
                "and on every other screen"
            )

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_missing_rights_are_told_with_the_checks_that_cannot_tell_and_the_fix(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(session=few_rights())
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            lines = screen_text(app).splitlines()
            assert CONTEXT in lines[0] and "▲ This user may not list nodes, list pods" in lines[1]
            assert {r.key for r in app.screen.query_one(Table).rows} >= {"win-1", "win-2"}, (
                "nothing is hidden"
            )
            assert "✔ none" not in next(line for line in lines if line.strip().startswith("cp-1"))
            detail = app.screen.detail("(cluster)").plain  # type: ignore[attr-defined]
            assert "Ask for a role that grants these: list nodes, pods" in detail
            assert f"{DENIED} Cannot tell: " in detail and "get configmaps/kubeadm-config" in detail

    asyncio.run(run())


def test_with_all_rights_there_is_no_such_line() -> None:
    async def run() -> None:
        app = console()
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            assert "may not" not in screen_text(app)

    asyncio.run(run())
