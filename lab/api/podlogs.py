"""GET …/pods/NAME/log with the options of PodLogOptions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from lab.api.errors import ApiError, not_found
from lab.api.request import Request, Target
from lab.api.state import ApiState
from lab.world.state import LogLine, Object
from lab.world.text import rfc3339_nano


def _container(pod: Object, asked: str) -> str:
    names = [c["name"] for c in pod["spec"]["containers"]]
    pod_name = pod["metadata"]["name"]
    if not asked and len(names) > 1:
        raise ApiError(
            400, f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]"
        )
    if asked and asked not in names:
        raise ApiError(400, f"container {asked} is not valid for pod {pod_name}")
    return asked or str(names[0])


def open_log(state: ApiState, request: Request, target: Target) -> Iterator[str]:
    """Lines of the log, with what the query asks for; follows until the pod or the server ends, yielding "" between."""
    pod = state.store.get(("v1", "Pod", target.namespace, target.name))
    if pod is None:
        raise not_found("", "pods", target.name)
    container = _container(pod, request.query.get("container", ""))
    status = next((s for s in pod["status"].get("containerStatuses", []) if s["name"] == container), None)
    waiting = (status or {}).get("state", {}).get("waiting", {}).get("reason", "")
    started = bool(status and (status.get("containerID") or status.get("restartCount")))
    node = pod["spec"].get("nodeName", "")
    down = state.kubelet_down(node)
    if down:
        path = f"containerLogs/{target.namespace}/{target.name}/{container}"
        raise ApiError(500, f'Get "https://{pod["status"].get("hostIP", node)}:10250/{path}": {down}')
    if not started:
        raise ApiError(
            400,
            f'container "{container}" in pod "{target.name}" is waiting to start: {waiting or "ContainerCreating"}',
        )
    if request.flag("previous") and not (status or {}).get("restartCount"):
        raise ApiError(400, f'previous terminated container "{container}" in pod "{target.name}" not found')
    return _lines(state, request, target, container)


def _since(state: ApiState, query: dict[str, str]) -> float:
    if query.get("sinceTime"):
        return datetime.fromisoformat(query["sinceTime"].replace("Z", "+00:00")).timestamp()
    return state.now() - float(query["sinceSeconds"]) if query.get("sinceSeconds") else float("-inf")


def _lines(state: ApiState, request: Request, target: Target, container: str) -> Iterator[str]:
    query, stamps = request.query, request.flag("timestamps")

    def show(line: LogLine) -> str:
        return (f"{rfc3339_nano(line[0])} " if stamps else "") + line[1] + "\n"

    since = _since(state, query)
    everything = state.read_log(target.namespace, target.name, container)
    chosen = [line for line in everything if line[0] >= since]
    if query.get("tailLines"):
        count = int(query["tailLines"])
        chosen = chosen[-count:] if count else []
    text = "".join(show(line) for line in chosen)
    limit = int(query.get("limitBytes") or 0)
    yield text.encode()[:limit].decode(errors="ignore") if limit else text
    if not request.flag("follow"):
        return
    last = everything[-1] if everything else (float("-inf"), "")
    while not state.stopping.is_set():
        with state.log_changed:
            state.log_changed.wait(1.0)
        # Not within: who writes a log holds the world's lock while it tells of the change, and reading takes it too.
        log = state.read_log(target.namespace, target.name, container)
        fresh = [line for line in log if line[0] > last[0]]
        if fresh:
            last = fresh[-1]
            yield "".join(show(line) for line in fresh)
        elif state.store.get(("v1", "Pod", target.namespace, target.name)) is None:
            return
        else:
            yield ""
