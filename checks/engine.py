"""Runs checks over what a session knows. Pure: asks nobody, changes nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from checks.check import Check, graph, load
from checks.finding import (
    CannotTell,
    Evidence,
    Finding,
    Object,
    Outcome,
    OutcomeKind,
    Problem,
    Skip,
    node_object,
)
from checks.ranking import Ranked, rank
from facts.answers import Answer
from facts.asking import arguments, failures
from facts.cluster.nodes import Nodes
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Need
from targets.clean import clean, clean_line

NO_WINDOWS = "This cluster has no Windows nodes."
EXCERPT = 400  # characters of a fact that a check did not narrow


class Knows(Protocol):
    """What the engine asks of a session (or of an example)."""

    def windows_nodes(self) -> list[str]: ...
    def answer(self, fact: type[Fact], node: str = "") -> Answer: ...
    def supply(self, need: Need, node: str) -> object: ...


Run = Callable[[Check, Knows, str], Outcome]  # one check in one place


class Report(msgspec.Struct, frozen=True):
    """All outcomes of one run, and the findings in the order in which a person should read them."""

    outcomes: tuple[Outcome, ...]
    ranked: Ranked

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.ranked.findings

    def of(self, kind: OutcomeKind) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.kind is kind)

    def counts(self) -> dict[str, int]:
        """How many outcomes of each kind; every kind is there."""
        return {kind.value: len(self.of(kind)) for kind in OutcomeKind}


def judge(session: Knows, checks: Iterable[Check] | None = None, run: Run | None = None) -> Report:
    """Run `checks` (all of them by default) on everything that is known now; `run` stands in for `one`."""
    run = run or one
    outcomes: list[Outcome] = []
    bare = no_windows(session)
    for check in load().values() if checks is None else checks:
        places = session.windows_nodes() if check.node_scope else [""]
        if not places and bare:
            outcomes.append(Outcome(check.id, "", OutcomeKind.SKIPPED, NO_WINDOWS))
        else:
            outcomes += [run(check, session, node) for node in places or [""]]
    findings = [f for o in outcomes for f in o.findings]
    return Report(tuple(outcomes), rank(findings, graph().edges(findings)))


def no_windows(session: Knows) -> bool:
    """Whether the nodes are known and no Windows node is among them: then there is nothing to judge on one."""
    nodes = session.answer(Nodes).value
    return isinstance(nodes, Nodes) and not nodes.windows


def one(check: Check, session: Knows, node: str) -> Outcome:
    """Run one check in one place."""
    given = arguments(check.needs, lambda need: session.supply(need, node))
    if isinstance(given, Failed):
        return Outcome(check.id, node, OutcomeKind.UNKNOWN, clean_line(given.why), clean_line(given.hint))
    if isinstance(given, NotApplicable):
        return Outcome(check.id, node, OutcomeKind.SKIPPED, clean_line(given.why))
    try:
        said = list(check.judge(**given))
    except Exception:  # noqa: BLE001  the one place: a broken check must not take the others with it
        return Outcome(check.id, node, OutcomeKind.BROKEN, traceback.format_exc(limit=-3))
    return _outcome(check, session, node, said)


def _outcome(check: Check, session: Knows, node: str, said: Sequence[object]) -> Outcome:
    findings: dict[str, Finding] = {}
    for item in said:
        if isinstance(item, Problem):
            finding = _finding(check, session, node, item)
            findings.setdefault(finding.key, finding)
    doubts = [_rooted(check, session, node, item) for item in said if isinstance(item, CannotTell)]
    skips = [item for item in said if isinstance(item, Skip)]
    whys = dict.fromkeys(f"{d.object}: {d.why}" if d.object else d.why for d in doubts)  # each reason once
    why = clean_line(" ".join(whys))
    hint = clean_line(next((d.hint for d in doubts if d.hint), ""))
    if findings:
        return Outcome(check.id, node, OutcomeKind.FOUND, why, hint, tuple(findings.values()))
    if doubts:
        return Outcome(check.id, node, OutcomeKind.UNKNOWN, why, hint)
    if skips:
        return Outcome(check.id, node, OutcomeKind.SKIPPED, clean_line(skips[0].why))
    return Outcome(check.id, node, OutcomeKind.PASSED)


def _rooted(check: Check, session: Knows, node: str, doubt: CannotTell) -> CannotTell:
    """The doubt with the reason and the hint of what failed below it, so that a person knows what to ask for."""
    if doubt.hint:
        return doubt
    roots = doubt.because or tuple(failures(check.needs, lambda need: session.supply(need, node)))
    news = [f.why for f in roots if f.why not in doubt.why]
    more = f" Not answered: {' '.join(dict.fromkeys(news))}" if news else ""
    hint = next((f.hint for f in roots if f.hint), "")
    stop = "" if not more or doubt.why.endswith((".", ":", "!", "?")) else "."
    return msgspec.structs.replace(doubt, why=doubt.why + stop + more, hint=hint)


def _finding(check: Check, session: Knows, node: str, problem: Problem) -> Finding:
    about = problem.object or (node_object(node) if node else Object("Cluster", ""))
    where = node or problem.node or (about.name if about.kind == "Node" else "")
    path = f"{about.namespace}/{about.name}" if about.namespace else about.name
    suffix = f"{about.kind.lower()}/{path}" + (f"@{where}" if where and about.kind != "Node" else "")
    return Finding(
        id=check.id,
        key=f"{check.id}:{suffix}",
        severity=check.severity if problem.severity is None else problem.severity,
        object=about,
        node=where,
        title=check.title,
        message=clean_line(problem.message),
        evidence=tuple(_evidence(check, session, where, problem)),
        remedy=clean_line(problem.remedy or check.remedy),
    )


def _evidence(check: Check, session: Knows, node: str, problem: Problem) -> Iterable[Evidence]:
    from facts.fact import QUESTIONS

    facts = tuple(problem.proof) or check.facts
    for fact in dict.fromkeys(facts):
        answer = session.answer(fact, node)
        if isinstance(answer.value, NotApplicable):
            continue
        text = problem.proof.get(fact) or _excerpt(answer.value)
        yield Evidence(QUESTIONS[fact].name, answer.source, answer.at, clean(text))


def _excerpt(value: object) -> str:
    if isinstance(value, Failed):
        return value.why
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= EXCERPT else text[:EXCERPT] + " …"
