"""What a person confirms before anything is changed, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from checks.finding import INFO, Finding, Outcome, node_object
from playbooks import node_side
from playbooks.audit import who
from playbooks.journal import Entry, Mark
from playbooks.step import Step


@dataclass(frozen=True)
class Plan:
    """A step with everything worked out, ready to be shown and confirmed.

    `run` names it in the journals. `goes_on`: the last line of the run that was broken off and is taken up again.
    `undoes`: the line of the run that is taken back; then the undo is what runs.
    """

    step: Step
    node: str
    context: str
    server: str
    finding: Finding
    parameters: dict[str, Any]
    run: str = ""
    goes_on: Entry | None = None
    undoes: Entry | None = None
    by: str = field(default_factory=who)

    @property
    def act(self) -> str:
        """ "act" or "undo"."""
        return "undo" if self.undoes else "act"

    @property
    def does(self) -> str:
        """What is done by this plan, be it the act or the undo."""
        return self.step.undo_says if self.undoes else self.step.title

    @property
    def blast_radius(self) -> str:
        """What else feels it."""
        return self.step.undo_blast_radius if self.undoes else self.step.blast_radius

    @property
    def back(self) -> str:
        """How it is taken back."""
        again = f"Run the step again: kwinnow fix {self.step.check} --node {self.node}"
        return again if self.undoes else self.step.undo_says

    @property
    def own_script(self) -> str:
        """The script without what is sent around it for the node's lock and journal."""
        return self.step.own_undo_text() if self.undoes else self.step.own_text()

    @property
    def script(self) -> str:
        """The exact PowerShell that is sent."""
        return self.step.undo_text() if self.undoes else self.step.text()

    @property
    def sent(self) -> dict[str, Any]:
        """The exact `$p`: the step's parameters, and what the node's journal needs."""
        journal = {
            "act": self.act,
            "run": self.run,
            "step": self.step.check,
            "context": self.context,
            "server": self.server,
            "node": self.node,
            "who": self.by,
            "seconds": node_side.LOCK_SECONDS,
            "wait": node_side.WAIT_SECONDS,
        }
        before = {"before": self.undoes.before} if self.undoes else {}
        return self.parameters | before | {"journal": journal}


@dataclass(frozen=True)
class Ended:
    """How a run ended. `outcome` is the goal's check after it."""

    mark: Mark
    why: str
    outcome: Outcome | None = None
    run: str = ""


def no_finding(step: Step, node: str) -> Finding:
    """An undo follows the journal, not a finding: only the names count."""
    key = f"{step.check}:node/{node}"
    return Finding(step.check, key, INFO, node_object(node), node, step.title, "", (), "")


def told(entry: Entry) -> str:
    """A journal line as part of a sentence."""
    return f"by {entry.who} at {entry.at:%Y-%m-%d %H:%M:%S} UTC"
