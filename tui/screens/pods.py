"""Choose the container whose log is to be followed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from rich.text import Text

from facts.cluster.objects import PodObject
from facts.cluster.workloads import Pods
from tui.look import BAD, GOOD, QUIET, WARN, line, word
from tui.panes.table import Column, Row
from tui.screens.overlays import ChooseScreen

if TYPE_CHECKING:
    from targets.cluster import Cluster
    from targets.pod_logs import LogChoice
    from targets.pod_logs import Row as LogRow
    from targets.stream import Stream
    from tui.app import KwinnowApp

COLUMNS = (
    Column("Pod", share=3),
    Column("Container", share=2),
    Column("State", most=24),
    Column("Restarts", width=8),
    Column("Node", most=16, least=90),
)


def choose_log(app: KwinnowApp, node: str) -> None:
    """Show the containers on `node` (of all nodes for "")."""
    if app.recorded:
        app.notify("A recording has no logs to follow; what it holds of them stands in the evidence.")
        return
    pods = app.get(Pods)
    if not isinstance(pods, Pods):
        why = getattr(pods, "why", "The pods have not been asked yet.")
        app.notify(f"Which pods there are is not known: {why}", severity="warning", markup=False)
        return
    listed = pods.on(node) if node else pods.items
    rows = [row for pod in listed for row in _rows(pod)]

    def follow(key: str) -> None:
        from targets.pod_logs import LogChoice
        from tui.screens.logs import LogsScreen

        namespace, pod, container = json.loads(key)
        app.push_screen(
            LogsScreen(LogChoice(namespace, pod, container), lambda choice: _start(app, choice), node)
        )

    app.push_screen(ChooseScreen(f"Logs: pods on {node or 'all nodes'}", COLUMNS, rows, follow))


def _start(app: KwinnowApp, choice: LogChoice) -> Stream[LogRow]:
    from targets.pod_logs import follow_log

    assert app.held is not None
    return follow_log(cast("Cluster", app.held.session.cluster), choice)


def _rows(pod: PodObject) -> list[Row]:
    where = pod.metadata
    statuses = {s.name: s for s in pod.status.statuses}
    rows = []
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        status = statuses.get(container.name)
        # Not joined by a sign: what a hostile server calls a pod may hold any.
        key = json.dumps([where.namespace, where.name, container.name])
        restarts = status.restart_count if status else 0
        cells = (
            line(f"{where.namespace}/{where.name}"),
            line(container.name),
            _state(pod, container.name),
            word(str(restarts), WARN if restarts else QUIET),
            line(pod.spec.node_name),
        )
        rows.append(Row(key, cells))
    return rows


def _state(pod: PodObject, container: str) -> Text:
    status = next((s for s in pod.status.statuses if s.name == container), None)
    if status is None:
        return line(pod.status.phase, QUIET)
    if (status.state.terminated or {}).get("exitCode") == 0:
        return word("✔ done", GOOD)  # an init container that has come to its end
    for state in (status.state.waiting, status.state.terminated):
        if state is not None:
            return line(f"✖ {state.get('reason', 'not running')}", BAD)
    return word("✔ running", GOOD)
