"""A node that is not ready: what makes it so comes first wherever the node is shown, before what ranks higher."""

from __future__ import annotations

import asyncio

import pytest
from consolekit import SIZES, console, judged, screen_text, session_with, until

from checks.cases import fails
from checks.chain import first_cause
from checks.cni.flannel_vni import of_net_conf
from checks.edits import condition, node_object, service
from checks.engine import judge
from facts.node.windows import Services
from tui.panes.table import Table
from tui.screens.findings import FindingsScreen
from tui.seen import Whys, first_causes

VNI, STOPPED = "cni.flannel.vni", "runtime.containerd.stopped"
ILL = (
    of_net_conf(vni=1),
    service("containerd", state="Stopped", pid=0, node="win-1"),
    node_object(condition("Ready", "False", "container runtime is down", "KubeletNotReady"), node="win-1"),
)


@pytest.mark.parametrize("size", SIZES)
def test_the_fleet_names_what_makes_a_node_not_ready(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            assert app.report is not None
            assert first_causes(app.report)["win-1"].id == VNI, "the list of the node begins with another one"
            rows = {r.key: r.cells[-1].plain for r in app.screen.query_one(Table).rows}
            assert STOPPED in rows["win-1"]
            assert VNI in rows["win-2"], "a node that is ready has its first cause as before"
            app.screen.query_one(Table).put("win-1")
            await until(pilot, lambda: f"Why it is not ready  {STOPPED}" in screen_text(app))
            app.screen.query_one(Table).put("win-2")
            await until(pilot, lambda: f"First cause  {VNI}" in screen_text(app))

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_where_no_cause_was_found_none_is_named(size: tuple[int, int]) -> None:
    ready = node_object(condition("Ready", "False", "nobody knows", "KubeletNotReady"), node="win-1")

    async def run() -> None:
        app = console(ready, fails(Services, node="win-1"))
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            app.screen.query_one(Table).put("win-1")
            await until(pilot, lambda: "Not ready, and no cause was found" in screen_text(app))
            await pilot.press("f")
            await until(pilot, lambda: "node.notready" in screen_text(app))
            assert "◀" not in screen_text(app)
            await pilot.press("w")
            await until(pilot, lambda: "No link was found broken, but" in screen_text(app))
            assert "◀" not in screen_text(app) and "first cause" not in screen_text(app)

    asyncio.run(run())


@pytest.mark.parametrize(("size", "mark"), [(SIZES[0], "◀ why win-1 is not ready"), (SIZES[1], "◀ ")])
def test_the_findings_of_the_node_begin_with_it(size: tuple[int, int], mark: str) -> None:
    async def run() -> None:
        app = console(*ILL)
        async with app.run_test(size=size) as pilot:
            await judged(pilot, app)
            app.screen.query_one(Table).put("win-1")
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FindingsScreen))
            await until(pilot, lambda: "◀ why win-1 is not ready" in screen_text(app))
            rows = [r for r in app.screen.query_one(Table).rows if not r.heading]
            assert rows[0].cells[1].plain.startswith(STOPPED) and rows[0].cells[4].plain.startswith(mark)
            assert rows[1].cells[1].plain.startswith(VNI) and "◀" not in rows[1].cells[4].plain
            await pilot.press("a")
            rows = [r for r in app.screen.query_one(Table).rows if not r.heading]
            assert rows[0].cells[1].plain.startswith(VNI), "among all nodes the order is the report's"
            assert rows[1].cells[4].plain.startswith(mark)

    asyncio.run(run())


def test_it_is_the_same_that_the_chain_names_and_is_worked_out_once_a_report() -> None:
    report, whys = judge(session_with(*ILL)), Whys()
    assert whys.of(report) == {"win-1": first_cause(report, "win-1")}
    assert whys.of(report) is whys.of(report)
    assert whys.of(judge(session_with())) == {} == whys.of(None)
