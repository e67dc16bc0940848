"""Runs one step on one node: verify → act → verify, under a lock, with a journal line before and after each act."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from checks.check import load as load_checks
from checks.engine import one
from checks.finding import Finding, Outcome, OutcomeKind
from checks.ids import CheckId
from facts.access import Access
from facts.collector.wire import Asked, RawAnswer
from facts.fact import Failed
from facts.session import Session
from playbooks.audit import Audit, audit_line, who
from playbooks.journal import Entry, Journal, Mark, now
from playbooks.lock import Locking, locked
from playbooks.step import NotPossible, Parameters, Step
from targets.deadline import Deadline
from targets.decoding import decoded
from targets.errors import TargetError
from targets.target import NodeRef

Tell = Callable[[str], None]


class Acted(msgspec.Struct):
    """What an act script returns."""

    before: Any = None
    after: Any = None
    changed: bool = True


@dataclass(frozen=True)
class Plan:
    """A step with everything worked out, ready to be shown and confirmed."""

    step: Step
    node: str
    context: str
    server: str
    finding: Finding
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a run ended. `outcome` is the goal's check after it."""

    mark: Mark
    why: str
    outcome: Outcome | None = None


@dataclass
class StepRunner:
    """What all runs share: the session, where journal and audit lie, and who holds the lock."""

    session: Session
    locking: Locking
    journal: Journal
    audit: Audit
    tell: Tell = field(default=lambda _: None)

    def plan(self, step: Step, node: str) -> Plan | Outcome:
        """Verify first. An Outcome instead of a Plan says that there is nothing to do, or that nobody can tell."""
        outcome = self.verify(step.check, node)
        if outcome.kind is not OutcomeKind.FOUND:
            return outcome
        finding = outcome.findings[0]
        parameters: Parameters = step.prepare(self.session, node, finding)
        cluster = self.session.cluster
        return Plan(step, node, cluster.context, cluster.server, finding, dict(parameters))

    def verify(self, check_id: CheckId, node: str) -> Outcome:
        """Ask the goal's facts anew and judge."""
        check = load_checks()[check_id]
        self.session.again([*check.facts, Access])
        return one(check, self.session, node if check.node_scope else "")

    def run(self, plan: Plan) -> Ended:
        """Do it. Raises TargetError only before anything was done (the lock, the journal)."""
        run = uuid.uuid4().hex[:12]
        with locked(self.locking, plan.node, who()):
            self._note(run, plan, Mark.PLANNED)
            self._note(run, plan, Mark.ACTING)
            self.tell(f"acting on {plan.node}")
            acted = self._send(plan, plan.step.text(), plan.parameters)
            if isinstance(acted, Failed):
                return self._end(run, plan, "act", Mark.FAILED, f"{acted.why} {acted.hint}".strip())
            self._note(run, plan, Mark.ACTED, before=acted.before)
            self.tell("verifying")
            outcome = self.verify(plan.step.check, plan.node)
            if outcome.kind is OutcomeKind.PASSED:
                return self._end(run, plan, "act", Mark.DONE, "", outcome)
            why = (
                outcome.why or " ".join(f.message for f in outcome.findings) or "The check could not be made."
            )
            return self._end(
                run, plan, "act", Mark.FAILED, f"It was done, and the check does not pass: {why}", outcome
            )

    def undo(self, step: Step, node: str) -> Ended:
        """Take the latest run of `step` on `node` back. NotPossible says why there is nothing to take back."""
        server = self.session.cluster.server
        entries = self.journal.last_run(step.check, node, server)
        acted = next((e for e in reversed(entries) if e.mark is Mark.ACTED), None)
        if not step.undo:
            raise NotPossible(f"This step has no undo: {step.undo_says}")
        if entries and entries[-1].mark is Mark.UNDONE:
            raise NotPossible(f"The last run of {step.check} on {node} has been undone already.")
        if acted is None:
            raise NotPossible(
                f"The journal {self.journal.path} has no run of {step.check} on {node} that could be undone."
            )
        plan = Plan(
            step, node, self.session.cluster.context, server, _no_finding(step, node), acted.parameters
        )
        with locked(self.locking, node, who()):
            self._note(acted.run, plan, Mark.UNDOING, before=acted.before)
            self.tell(f"undoing on {node}")
            sent = self._send(plan, step.undo_text(), plan.parameters | {"before": acted.before})
            if isinstance(sent, Failed):
                return self._end(acted.run, plan, "undo", Mark.FAILED, f"{sent.why} {sent.hint}".strip())
            return self._end(acted.run, plan, "undo", Mark.UNDONE, "", self.verify(step.check, node))

    def _send(self, plan: Plan, script: str, parameters: dict[str, Any]) -> Acted | Failed:
        """Run one script on the node by the session's own way in."""
        self.session.gather([Access])
        ref = next((n for n in self._refs() if n.name == plan.node), NodeRef(plan.node))
        got: list[RawAnswer | Failed] = []
        asked = Asked("act", script, parameters, plan.step.seconds)
        self.session.nodes.collect(
            ref,
            [asked],
            Deadline(plan.step.seconds + 30),
            lambda _: None,
            lambda _, answer: got.append(answer),
        )
        answer = got[0] if got else Failed("malformed", "The node did not say what became of the act.")
        if isinstance(answer, Failed):
            return answer
        if answer.error is not None:
            return Failed(
                "script", f"PowerShell on {plan.node} says: {answer.error.type}: {answer.error.message}"
            )
        try:
            return decoded(answer.value, Acted)
        except msgspec.DecodeError as error:
            return Failed("malformed", f"The answer of the act cannot be read: {error}.")

    def _refs(self) -> list[NodeRef]:
        from facts.cluster.nodes import Nodes

        value = self.session.get(Nodes)
        return [n.ref for n in value.items] if isinstance(value, Nodes) else []

    def _note(self, run: str, plan: Plan, mark: Mark, before: Any = None, why: str = "") -> None:
        entry = Entry(
            run,
            now(),
            mark,
            plan.step.check,
            plan.context,
            plan.server,
            plan.node,
            who(),
            plan.parameters,
            before,
            why,
        )
        self.journal.add(entry)

    def _end(
        self, run: str, plan: Plan, act: str, mark: Mark, why: str, outcome: Outcome | None = None
    ) -> Ended:
        self._note(run, plan, mark, why=why)
        script = plan.step.text() if act == "act" else plan.step.undo_text()
        self.audit.add(
            audit_line(
                context=plan.context,
                server=plan.server,
                node=plan.node,
                step=plan.step.check,
                act=act,
                script=script,
                parameters=plan.parameters,
                outcome=mark.value,
                why=why,
            )
        )
        return Ended(mark, why, outcome)


def _no_finding(step: Step, node: str) -> Finding:
    """An undo follows the journal, not a finding: only the names count."""
    from checks.finding import INFO, node_object

    return Finding(
        step.check, f"{step.check}:node/{node}", INFO, node_object(node), node, step.title, "", (), ""
    )


__all__ = ["Acted", "Ended", "Plan", "StepRunner", "TargetError"]
