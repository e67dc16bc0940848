"""Runs one step on one node: verify → act → verify, under a lock, with a journal line before and after each act."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from checks.check import load as load_checks
from checks.engine import one
from checks.finding import Outcome, OutcomeKind
from facts.access import Access
from facts.fact import Failed
from facts.session import Session
from playbooks import node_side
from playbooks.audit import Audit, audit_line, who
from playbooks.journal import Entry, Journal, Mark, last_run, now
from playbooks.lock import Held, Locking, locked
from playbooks.node_side import Acted, Locked, Refused, Untrusted
from playbooks.plan import Ended, Plan, no_finding, told
from playbooks.step import NotPossible, Step
from targets.errors import TargetError

Tell = Callable[[str], None]


@dataclass
class StepRunner:
    """What all runs share: the session, where journal and audit lie, who holds the lock, and who that is."""

    session: Session
    locking: Locking
    journal: Journal
    audit: Audit
    tell: Tell = field(default=lambda _: None)
    me: str = field(default_factory=who)

    # ---- verify and plan -----------------------------------------------------------------------------------

    def verify(self, step: Step, node: str) -> Outcome:
        """Ask the goal's facts of this node anew and judge."""
        check = load_checks()[step.check]
        self.session.again([*check.facts, Access], nodes=[node])
        return one(check, self.session, node)

    def plan(self, step: Step, node: str, *, settle: bool = True) -> Plan | Outcome:
        """Verify first. An Outcome instead of a Plan says that there is nothing to do, or that nobody can tell.

        A run that was broken off is taken up again; where nothing is left of it to do, it is closed in the journal
        (not without `settle`: then nothing is written). NotPossible says why the step does not mend this finding.
        """
        cluster = self.session.cluster
        broken_off = self.journal.open_run(step.check, node, cluster.server)
        if broken_off:
            last = broken_off[-1]
            self.tell(f"A run {told(last)} stopped at “{last.mark}” and was not finished; verifying first.")
        outcome = self.verify(step, node)
        if outcome.kind is not OutcomeKind.FOUND:
            if broken_off and settle and outcome.kind is OutcomeKind.PASSED:
                self._settle(step, node, broken_off)
            return outcome
        finding = outcome.findings[0]
        parameters = dict(step.prepare(self.session, node, finding))
        run = broken_off[-1].run if broken_off else uuid.uuid4().hex[:12]
        return Plan(
            step,
            node,
            cluster.context,
            cluster.server,
            finding,
            parameters,
            run,
            broken_off[-1] if broken_off else None,
            by=self.me,
        )

    def _settle(self, step: Step, node: str, run: list[Entry]) -> None:
        """Close a run that was broken off, now that the check passes; what its undo needs is fetched from the node."""
        last = run[-1]
        plan = Plan(
            step,
            node,
            last.context,
            last.server,
            no_finding(step, node),
            last.parameters,
            last.run,
            by=self.me,
        )
        if all(e.mark is not Mark.ACTED for e in run):
            known = self._node_entries(step, node)
            if isinstance(known, Failed):
                self.tell(f"The run stays open: {known.why}")
                return
            acted = next((e for e in known if e.run == last.run and e.before is not None), None)
            if acted is None:
                self._note(plan, Mark.DROPPED, why="The check passes, and the act had not begun.")
                self.tell("That run had done nothing; it is closed.")
                return
            self._note(plan, Mark.ACTED, before=acted.before)
        self._end(plan, Mark.DONE, "It was broken off; the check passes.")
        self.tell("That run had done its work; it is closed, and can be undone.")

    def plan_undo(self, step: Step, node: str) -> Plan | Ended:
        """The undo of the latest run, by the node's own journal, else by the one here.

        Ended: it had been undone, and only this journal did not know. NotPossible says why there is nothing to take
        back; NodeUnreachable, that the node cannot be asked; FolderNotOurs, that its journal may be planted.
        """
        if not step.undo:
            raise NotPossible(f"This step has no undo: {step.undo_says}")
        cluster = self.session.cluster
        here = self.journal.last_run(step.check, node, cluster.server)
        there = self._node_entries(step, node)
        if isinstance(there, Failed):
            self.tell(f"The node's own journal is not used: {there.why}")
        run = here if isinstance(there, Failed) else last_run(there) or here
        undoes = next((e for e in run if e.before is not None), None)
        if undoes is None:
            where = f"Neither the journal {self.journal.path} nor the one on {node}"
            raise NotPossible(f"{where} has a run of {step.check} on {node} that could be undone.")
        step.believable(undoes.parameters, undoes.before)
        plan = Plan(
            step,
            node,
            cluster.context,
            cluster.server,
            no_finding(step, node),
            undoes.parameters,
            undoes.run,
            undoes=undoes,
            by=self.me,
        )
        if run[-1].mark is Mark.UNDONE:
            if here and here[-1].run == plan.run and here[-1].mark is Mark.UNDOING:
                return self._end(plan, Mark.UNDONE, "It was broken off; the node says that it is undone.")
            raise NotPossible(
                f"The last run of {step.check} on {node} has been undone already, {told(run[-1])}."
            )
        return plan

    def _node_entries(self, step: Step, node: str) -> list[Entry] | Failed:
        return node_side.entries(self.session, node, step.check)

    # ---- run -----------------------------------------------------------------------------------------------

    def run(self, plan: Plan) -> Ended:
        """Do it. Raises TargetError (Held, …) only where nothing was done."""
        undo = plan.undoes is not None
        try:
            with locked(self.locking, plan.node, self.me, self.tell):
                if not undo and plan.goes_on is None:
                    self._note(plan, Mark.PLANNED)
                self._note(plan, Mark.UNDOING if undo else Mark.ACTING, plan.undoes and plan.undoes.before)
                self.tell(f"{'undoing' if undo else 'acting'} on {plan.node}")
                return self._sent(plan)
        except TargetError as error:
            self._refuse(plan, error)

    def undo(self, step: Step, node: str) -> Ended:
        """Plan the undo and run it."""
        plan = self.plan_undo(step, node)
        return self.run(plan) if isinstance(plan, Plan) else plan

    def _sent(self, plan: Plan) -> Ended:
        """Act, and verify. The lock is held."""
        said = node_side.act(self.session, plan.node, plan.script, plan.sent, plan.step.seconds)
        if isinstance(said, Failed):
            return self._end(plan, Mark.FAILED, f"{said.why} {said.hint}".strip())
        if isinstance(said, Locked):
            name = {"": "Somebody", self.me: f"{said.who} (another console of yours)"}.get(said.who, said.who)
            since = f" since {node_side.local_time(said.since)}: {said.step}" if said.since else ""
            raise Held(
                f"{name} is at work on {plan.node}{since}.",
                f"Ask them, or wait: the lock runs out {node_side.LOCK_SECONDS} s after their act began.",
            )
        if isinstance(said, Untrusted):
            raise node_side.not_ours(plan.node, said)
        if isinstance(said, Refused):
            return self._end(plan, Mark.UNDONE, f"{said.who} had undone it already; nothing was done.")
        if said.unwritten:
            self.tell(f"The journal on {plan.node} does not have the end of it: {said.unwritten}")
        if plan.undoes is not None:
            return self._end(plan, Mark.UNDONE, "", self.verify(plan.step, plan.node))
        return self._verified(plan, said)

    def _verified(self, plan: Plan, said: Acted) -> Ended:
        self._note(plan, Mark.DROPPED if said.nothing else Mark.ACTED, before=said.before)
        self.tell("verifying")
        outcome = self.verify(plan.step, plan.node)
        if outcome.kind is OutcomeKind.PASSED:
            if said.nothing:
                why = "Somebody had done it in the meantime: nothing was changed, and an undo takes theirs back."
                self._audit(plan, "nothing", why)
                return Ended(Mark.DROPPED, why, outcome, plan.run)
            return self._end(plan, Mark.DONE, "", outcome)
        why = outcome.why or " ".join(f.message for f in outcome.findings) or "The check could not be made."
        return self._end(plan, Mark.FAILED, f"It was done, and the check does not pass: {why}", outcome)

    def _refuse(self, plan: Plan, error: TargetError) -> NoReturn:
        """Nothing was done. A run that had begun before stays open; one that was to be undone still can be."""
        if plan.undoes is not None:
            self._note(plan, Mark.DONE, plan.undoes.before, f"Not undone: {error.what}")
        elif plan.goes_on is None:
            self._note(plan, Mark.DROPPED, why=error.what)
        self._audit(plan, "refused", error.what)
        raise error

    # ---- what is written down ------------------------------------------------------------------------------

    def _note(self, plan: Plan, mark: Mark, before: Any = None, why: str = "") -> None:
        self.journal.add(
            Entry(
                plan.run,
                now(),
                mark,
                plan.step.check,
                plan.context,
                plan.server,
                plan.node,
                self.me,
                plan.parameters,
                before,
                why,
            )
        )

    def _end(self, plan: Plan, mark: Mark, why: str, outcome: Outcome | None = None) -> Ended:
        self._note(plan, mark, plan.undoes and plan.undoes.before, why)
        self._audit(plan, mark.value, why)
        return Ended(mark, why, outcome, plan.run)

    def _audit(self, plan: Plan, outcome: str, why: str) -> None:
        self.audit.add(
            audit_line(
                by=self.me,
                context=plan.context,
                server=plan.server,
                node=plan.node,
                step=plan.step.check,
                act=plan.act,
                script=plan.script,
                parameters=plan.parameters,
                outcome=outcome,
                why=why,
            )
        )


__all__ = ["Acted", "Ended", "Plan", "StepRunner", "TargetError"]
