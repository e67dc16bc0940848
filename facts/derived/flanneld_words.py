"""What flanneld on one Windows node said, wherever it said it."""

from __future__ import annotations

from facts.access import ThisNode
from facts.cluster.flannel import FlannelDaemons
from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.kubernetes import NodeLogs

RUNS = "Running backend."  # flanneld's last word of a start that worked (flannel main.go)


@derived
class FlanneldWords(Fact, frozen=True):
    """The log of the node's flannel pod (through the API), else flanneld's log file on the node.

    `lines` are in the order of time and may be empty: a service without redirected output keeps no log.
    """

    lines: tuple[str, ...]
    origin: str

    @property
    def now(self) -> tuple[str, ...]:
        """The lines after the last start that worked: complaints before it are over."""
        last = max((i for i, line in enumerate(self.lines) if RUNS in line), default=-1)
        return self.lines[last + 1 :]

    def saying(self, *phrases: str) -> str:
        """The last line of `now` that has one of `phrases`; empty if there is none."""
        return next((line.strip() for line in reversed(self.now) if any(p in line for p in phrases)), "")

    @classmethod
    def derive(
        cls,
        node: ThisNode,
        daemons: FlannelDaemons | Failed | NotApplicable,
        logs: NodeLogs | Failed | NotApplicable,
    ) -> FlanneldWords | Failed:
        daemon = daemons.on(node.name) if isinstance(daemons, FlannelDaemons) else None
        if daemon is not None and not daemon.error:
            tail = daemon.tail.splitlines()
            earlier = [line for line in daemon.errors if line not in tail]
            return cls((*earlier, *tail), f"the log of pod {daemon.namespace}/{daemon.pod}")
        if isinstance(logs, NodeLogs):
            paths = [log.path for log in logs.logs if log.component == "flanneld"]
            return cls(tuple(logs.lines("flanneld")), ", ".join(paths) or "no log of flanneld on the node")
        if isinstance(daemons, Failed):
            return daemons
        if daemon is not None:
            return Failed("derived", daemon.error, daemon.hint)
        return logs if isinstance(logs, Failed) else cls((), "no log of flanneld")
