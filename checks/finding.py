"""What a check says, and what the engine makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec

from checks.ids import CheckId
from facts.fact import Fact, Failed


class Severity(IntEnum):
    """How bad it is. The word is what people and JSON see."""

    INFO = 0
    WARN = 1
    ERROR = 2

    @property
    def word(self) -> str:
        return self.name.lower()


INFO, WARN, ERROR = Severity.INFO, Severity.WARN, Severity.ERROR


class Object(msgspec.Struct, frozen=True, order=True):
    """The Kubernetes object that a finding is about. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def node_object(name: str) -> Object:
    return Object("Node", name)


class Problem(msgspec.Struct, frozen=True):
    """What a check yields when something is wrong.

    `message` is one sentence with the numbers in it. `object` defaults to the node the check runs on. `proof`
    gives, for the facts that prove it, the words to show; facts not named are left out of the evidence. An empty
    `proof` shows every fact that the check needed. `node` names the node for a check that runs once a cluster.
    """

    message: str
    object: Object | None = None
    severity: Severity | None = None
    proof: Mapping[type[Fact], str] = {}
    remedy: str = ""
    node: str = ""


class CannotTell(msgspec.Struct, frozen=True):
    """What a check yields for a part that it could not judge.

    `because`: the failed facts behind it. Without hint and `because` the engine names those that the check accepts.
    """

    why: str
    object: Object | None = None
    hint: str = ""
    because: tuple[Failed, ...] = ()


class Skip(msgspec.Struct, frozen=True):
    """What a check yields where its question does not arise: another stack, another version."""

    why: str


Said = Problem | CannotTell | Skip


class Evidence(msgspec.Struct, frozen=True):
    """One piece of proof: which fact, what was sent to get it, when, and the words."""

    fact: str
    source: str
    at: datetime
    excerpt: str


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, with its proof. `key` is the id and the object, unique in a report."""

    id: CheckId
    key: str
    severity: Severity
    object: Object
    node: str  # "" when no single node is concerned
    title: str
    message: str
    evidence: tuple[Evidence, ...]
    remedy: str


class OutcomeKind(StrEnum):
    """How one check ended on one node (or on the cluster). Closed: each one is counted and shown."""

    PASSED = "passed"
    FOUND = "found"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    BROKEN = "broken"


class Outcome(msgspec.Struct, frozen=True):
    id: CheckId
    node: str  # "" for a check that runs once a cluster
    kind: OutcomeKind
    why: str = ""
    hint: str = ""
    findings: tuple[Finding, ...] = ()
