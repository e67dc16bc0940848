"""One node from both sides: what the API says and what the node says, next to each other, differences marked."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from facts.access import Now
from facts.cluster.nodes import Leases, Nodes
from facts.cluster.objects import NodeObject
from facts.cluster.workloads import EndpointSlices, Pods, ServiceObjects
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns
from facts.node.kubernetes import Kubelet
from facts.node.network import Adapters
from facts.node.runtime import Containerd, Docker, Sandboxes
from facts.node.windows import Clock, Os, Services
from tui.commands import NODE, bindings
from tui.look import BAD, GOOD, QUIET, UNSURE, block, line, word
from tui.panes.table import Column, Row
from tui.screens.overlays import ReaderScreen
from tui.screens.page import ListPage
from tui.sides import Side, Verdict, addresses, clock, names, pod_network, ready, versions
from tui.sides_workloads import pods, services

STYLES = {Verdict.EQUAL: GOOD, Verdict.DIFFERS: f"bold {BAD}", Verdict.UNTOLD: UNSURE, Verdict.PLAIN: QUIET}
WORDS = {
    Verdict.EQUAL: "Both sides agree.",
    Verdict.DIFFERS: "The two sides differ.",
    Verdict.UNTOLD: "Could not be told.",
    Verdict.PLAIN: "Only one side can say this.",
}


class NodeScreen(ListPage):
    NAME = NODE
    HELP = """What the API says of this node and what the node says of itself, next to each other.

≠ the two differ   = they agree   ? one side could not be asked, which says nothing about the other.
d shows only what differs or could not be told. The lower pane has the whole of a line and what a difference means."""
    BINDINGS = bindings(NODE)
    EMPTY = "Nothing to show: no difference, or nothing matches the filter."
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("", width=1),
        Column("What", most=44, share=0),
        Column("The API says", share=1),
        Column("The node says", share=1),
    )

    def __init__(self, node: str) -> None:
        super().__init__()
        self.node = node
        self.only_differences = False
        self._compared: list[Side] = []

    @property
    def path(self) -> str:
        sides = self._compared
        differ = sum(s.verdict is Verdict.DIFFERS for s in sides)
        unsure = sum(s.verdict is Verdict.UNTOLD for s in sides)
        return f"node › {self.node}  ≠ {differ}  ? {unsure}"

    def _sides(self) -> list[Side]:
        get = self.kwinnow.get
        nodes = get(Nodes)
        node = (
            next((n for n in nodes.items if n.name == self.node), None) if isinstance(nodes, Nodes) else None
        )
        return both_sides(node, lambda fact: get(fact, self.node)) if node else []

    def refreshed(self) -> None:
        """Compare once for each time that something is known anew; rows, detail and status read the same result."""
        self._compared = self._sides()

    def rows(self) -> list[Row]:
        rows: list[Row] = []
        group = ""
        for side in self._compared:
            if self.only_differences and side.verdict in (Verdict.EQUAL, Verdict.PLAIN):
                continue
            if not self.keeps(f"{side.group} {side.what} {side.api} {side.node}"):
                continue
            if side.group != group:
                group = side.group
                rows.append(Row(f"#{group}", (Text(group),), heading=True))
            rows.append(Row(f"{side.group}/{side.what}", _cells(side)))
        return rows

    def detail(self, key: str) -> Text:
        side = next((s for s in self._compared if f"{s.group}/{s.what}" == key), None)
        if side is None:
            return Text()
        text = word(f"{side.verdict.value} ", STYLES[side.verdict]).append_text(
            line(f"{side.what}  ", "bold")
        )
        text.append(f"{WORDS[side.verdict]}\n", STYLES[side.verdict])
        if side.note:
            text.append_text(block(f"{side.note}\n"))
        text.append("The API says   ", QUIET).append_text(block(f"{side.api or '–'}\n"))
        text.append("The node says  ", QUIET).append_text(block(f"{side.node or '–'}\n"))
        return text

    def action_differences(self) -> None:
        self.only_differences = not self.only_differences
        self.paint()

    def action_open(self) -> None:
        if self.current:
            self.app.push_screen(ReaderScreen(self.node, self.detail(self.current)))

    def on_table_chosen(self) -> None:
        self.action_open()

    def action_copy(self) -> None:
        context, server = self.kwinnow.place
        lines = [f"## Node {self.node}, cluster `{context}` ({server})", ""]
        lines += ["| | What | The API says | The node says | |", "|---|---|---|---|---|"]
        lines += [
            f"| {s.verdict.value} | {s.what} | {s.api} | {s.node} | {s.note} |"
            for s in self._compared
            if not self.only_differences or s.verdict in (Verdict.DIFFERS, Verdict.UNTOLD)
        ]
        self.kwinnow.copy_text("\n".join(lines) + "\n", f"node-{self.node}")


def _cells(side: Side) -> tuple[Text, ...]:
    style = "" if side.verdict is not Verdict.DIFFERS else "bold"
    there = (
        line(side.node, f"bold {BAD}" if side.bad else style)
        if side.verdict is not Verdict.UNTOLD
        else line(f"? {side.note}", UNSURE)
    )
    return word(side.verdict.value, STYLES[side.verdict]), line(side.what), line(side.api, style), there


def both_sides(node: NodeObject, get: object) -> list[Side]:
    """All comparisons, in the order in which a person reads them. `get` gives an answer by its fact."""
    assert callable(get)
    hns, system, kubelet = get(Hns), get(Os), get(Kubelet)
    return [
        *ready(node, get(Services), get(Leases), get(Now)),
        *names(node, system, kubelet),
        *addresses(node, get(Adapters), hns),
        *pod_network(node, hns, get(FlannelFiles)),
        *versions(node, system, kubelet, get(Containerd), get(Docker)),
        *pods(node.name, get(Pods), get(Sandboxes), hns),
        *services(node.name, get(ServiceObjects), get(EndpointSlices), hns),
        *clock(get(Now), get(Clock)),
    ]


__all__ = ["NodeScreen", "both_sides"]
