"""P tries connections from one Windows node, and what comes of them is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from consolekit import console, judged, screen_text, until
from nodedoubles import InFront

from facts.collector.source import NodeSource, OnAnswer
from facts.collector.wire import Asked, RawAnswer
from facts.examples import FLANNEL_2022, path_of
from facts.node.probes import FlowProbes, RawProbe, RawTcpProbes
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording
from targets.target import NodeRef
from tui.app import KwinnowApp
from tui.opening import Opened, Options
from tui.panes.table import Table


class Silent(InFront):
    """Nodes of a recording, from which every connection that somebody wants times out."""

    def __init__(self, nodes: NodeSource) -> None:
        super().__init__(nodes)
        self.tried: list[tuple[str, list[str]]] = []  # the node, and everything that it was asked then

    def ahead(self, node: NodeRef, questions: Sequence[Asked], on_answer: OnAnswer) -> Sequence[Asked]:
        for question in questions:
            if question.id == "flow_probes":
                self.tried.append((node.name, [q.id for q in questions]))
                probes = RawTcpProbes(
                    tuple(RawProbe(**t, open=False) for t in question.parameters["targets"])
                )
                raw = msgspec.Raw(msgspec.json.encode(probes))
                on_answer(question.id, RawAnswer(datetime.now(UTC), 3000, raw, None))
        return [q for q in questions if q.id != "flow_probes"]


def silent() -> tuple[Session, Silent]:
    session = opened(Recording(path_of(FLANNEL_2022)))
    nodes = Silent(session.nodes)
    return Session(session.cluster, nodes, now=session._recorded_now), nodes


def test_a_key_tries_connections_from_the_node_under_the_cursor() -> None:
    async def run() -> None:
        session, nodes = silent()
        app = console(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            assert nodes.tried == [] and app.report is not None and app.report.findings == ()
            app.screen.query_one(Table).put("win-2")
            await pilot.press("P")
            await until(pilot, lambda: app.report is not None and app.report.findings)
            await judged(pilot, app)
            assert nodes.tried == [("win-2", ["flow_probes"])], "this node, and nothing else is asked again"
            assert app.report is not None
            found = {f.id for f in app.report.findings}
            assert {"service.nodeport.loopback", "service.clusterip.from-host"} <= found
            assert {f.node for f in app.report.findings} == {"win-2"}
            assert "service.nodeport.from-own-host" not in found, "another node's port does not answer either"
            await pilot.press("f")
            await until(pilot, lambda: "service.nodeport.loopback" in screen_text(app))
            assert not isinstance(session.get(FlowProbes, "win-1"), FlowProbes)

    asyncio.run(run())


def test_without_a_windows_node_or_on_a_recording_nothing_is_tried() -> None:
    async def run() -> None:
        session, nodes = silent()
        app = console(session=session)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, app)
            app.screen.query_one(Table).put("cp-1")
            await pilot.press("P")
            await until(pilot, lambda: "cp-1 is not one" in screen_text(app))
        recorded = KwinnowApp(
            Options(open=path_of(FLANNEL_2022)), lambda options, _: Opened(session, options)
        )
        async with recorded.run_test(size=(120, 40), notifications=True) as pilot:
            await judged(pilot, recorded)
            recorded.screen.query_one(Table).put("win-1")
            await pilot.press("P")
            await until(pilot, lambda: "nothing can be tried" in screen_text(recorded))
        assert nodes.tried == []

    asyncio.run(run())
