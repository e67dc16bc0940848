"""Records what the lab answers without an engine: `python tests/record_lab.py [--anew] [SCENARIO…]`.

Part of `make recordings`.

Every scenario is looked at with everything that the product asks: healthy, with each fault and each question
planted, and in constrained language; where all is well or a Service is ill, connections are tried as well; steps
are done and undone where their own fault is planted. The fault that `make lab` plants is looked at together with
each other one of its scenario, since the README says to plant more while that cluster runs. What the store knows
is not asked again; what nobody asks any more is left out. --anew asks everything again, as a change of the
stand-ins demands.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from practicekit import FixedClock, session_on

from facts.access import Wishes
from facts.catalogue import load
from facts.collector.source import LiveNodes, NodeSource
from facts.session import Session
from lab.catalogue import DEFAULT, catalogue
from lab.faults import FAULTS, QUESTIONS
from lab.practice import Practice
from lab.windows import commands
from lab.windows.engine import find_pwsh
from lab.windows.learning import Learner
from lab.windows.node import WindowsNode
from lab.windows.recordings import STORE, Store
from playbooks.audit import Audit
from playbooks.engine import Plan, StepRunner
from playbooks.journal import Journal
from playbooks.lock import Locking
from playbooks.step import NotPossible, Step, steps
from targets.deadline import Deadline
from targets.errors import Unreachable
from targets.target import ClusterTarget, NodeRef

FIRST = "cni.flannel.vni"  # what `make lab` plants
SHARES = 3  # clusters of each scenario that share the work: most of it is waiting for one process
CONDITIONS = ("clm", "not-elevated")  # those that change what scripts answer


@dataclass
class DirectWay:
    """Into a node of the lab without a network: what is recorded is the same, and thousands of logons are spared."""

    node: WindowsNode
    way: str = "winrm"
    address: str = "direct"

    def run(self, command: str, stdin: bytes, deadline: Deadline) -> Iterator[bytes]:
        run = self.node.run(commands.split(command))
        run.write(stdin)
        run.close_input()
        while True:
            took = run.take(1 << 20, deadline.left(1.0))
            if took is None:
                deadline.check("The engine")
                continue
            yield from (data for stream, data in took.chunks if stream == "stdout")
            if took.exit_code is not None:
                return

    def cancel(self) -> None:
        """Nobody cancels a recording."""


@dataclass
class DirectWays:
    practice: Practice

    def open(self, node: NodeRef) -> DirectWay:
        if node.name not in self.practice.nodes:
            raise Unreachable(f"{node.name} is no node of the lab.")
        return DirectWay(self.practice.nodes[node.name])


class Recording:
    """One scenario's practice cluster, looked at in every state, or in each one of `shares`, the first at `share`."""

    def __init__(self, scenario: str, learner: Learner, share: int = 0, shares: int = 1) -> None:
        self.scenario = scenario
        self.share, self.shares = share, shares
        self.learner = learner
        self.practice = Practice(scenario, FixedClock(), use_engine=False, replay=learner.replay)
        self.cluster: ClusterTarget | None = None

    def session(self) -> Session:
        def wrap(cluster: ClusterTarget, nodes: NodeSource) -> tuple[ClusterTarget, NodeSource]:
            self.cluster = cluster
            return cluster, LiveNodes(DirectWays(self.practice))

        return session_on(self.practice, wrap)

    def look(self, *, flows: bool = False) -> Session:
        session = self.session()
        session.wish(Wishes(flows=flows))
        session.gather([question.fact for question in load()])
        return session

    def everything(self) -> None:
        with self.practice:
            self.look(flows=True)
            self.each_planted()
            if self.scenario == DEFAULT:
                first = self.practice.plant(FIRST)
                self.each_planted()
                self.practice.unplant(first)

    def each_planted(self) -> None:
        names = [fault.id for fault in FAULTS.values() if self.scenario in fault.scenarios]
        names += [
            f"ask:{question.id}" for question in QUESTIONS.values() if self.scenario in question.scenarios
        ]
        for name in [*names, *CONDITIONS][self.share :: self.shares]:
            if name not in self.practice.planted:
                self.planted(name, next((s for i, s in steps().items() if i == name.split(":")[0]), None))

    def planted(self, name: str, step: Step | None = None) -> None:
        full = self.practice.plant(name)
        print(f"{self.scenario}: {' + '.join(self.practice.planted)}", file=sys.stderr)
        session = self.look(flows=name.removeprefix("ask:").startswith("service."))
        if step is not None:
            self.mended(session, step)
        if len(self.practice.planted) > 1:
            self.learner.mixed(self.scenario, self.practice.planted)
        self.practice.unplant(full)

    def mended(self, session: Session, step: Step) -> None:
        """Do the step and take it back, wherever its check finds something; look after each."""
        with tempfile.TemporaryDirectory(prefix="recording-") as folder:
            locking = cast(Locking, self.cluster)
            runner = StepRunner(session, locking, Journal(Path(folder)), Audit(Path(folder)))
            for node in session.windows_nodes():
                try:
                    plan = runner.plan(step, node)
                except NotPossible:
                    continue  # kube-proxy as a pod: there is no service to start
                for _ in range(2):  # the dialog of an undo says to run the step again, if one likes
                    if isinstance(plan, Plan):
                        runner.run(plan)
                        self.look()
                        runner.undo(step, node)
                        self.look()
                        plan = runner.plan(step, node)


def main(words: Sequence[str]) -> int:
    if find_pwsh() is None:
        print("The PowerShell engine is needed: set KWINNOW_PWSH or put pwsh on PATH.", file=sys.stderr)
        return 2
    everything = [str(s) for s in catalogue()["scenarios"]]
    scenarios = [w for w in words if not w.startswith("-")] or everything
    learner = Learner(Store() if "--anew" in words else Store.load())
    recordings = [
        Recording(scenario, learner, share, SHARES) for scenario in scenarios for share in range(SHARES)
    ]
    threads = [threading.Thread(target=r.everything, daemon=True, name=r.scenario) for r in recordings]
    whole = False
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
        whole = not broken and not learner.failures and scenarios == everything
    finally:
        store = learner.store if whole else learner.whole()
        store.save()
        for recording in recordings:
            recording.practice.stop()
    for failure in [*learner.failures, *broken]:
        print(f"failed: {failure}", file=sys.stderr)
    rows = sum(len(rows) for rows in store.questions.values())
    size = STORE.stat().st_size
    print(f"{rows} answers, {learner.asked} of them new; {STORE} has {size:,} bytes", file=sys.stderr)
    return 1 if learner.failures or broken else 0


broken: list[str] = []


def _note(what: threading.ExceptHookArgs) -> None:
    """An exception in a scenario's thread must not end as a recording that looks whole."""
    broken.append(f"{what.thread.name if what.thread else ''}: {what.exc_value!r}")
    threading.__excepthook__(what)


if __name__ == "__main__":
    threading.excepthook = _note
    sys.exit(main(sys.argv[1:]))
