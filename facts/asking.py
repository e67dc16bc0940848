"""How one fact is come by: asked of the API, prepared for and read from a node, derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_type_hints

import msgspec

from facts.collector.wire import Asked, RawAnswer, script_text
from facts.fact import QUESTIONS, Fact, Failed, NotApplicable, Origin, method
from facts.needs import Each, Need, needs_of, needs_of_fact, per_node
from targets.deadline import spoken
from targets.decoding import decoded
from targets.errors import NotFound, TargetError
from targets.target import ClusterTarget

Supply = Callable[[Need], object]
Value = Fact | Failed | NotApplicable

# E_ACCESSDENIED; what WMI says (WBEM_E_ACCESS_DENIED); what cmdlets made from WMI classes say.
_ACCESS_DENIED = ("0x80070005", "0x80041003", "windows system error 5,")
_NOT_ALLOWED = (
    "Windows denies it to this account: use one of the node's Administrators that logs on elevated."
)


def failed(error: TargetError) -> Failed:
    """A TargetError as a fact's Failed."""
    return Failed(error.kind, error.what, error.hint, getattr(error, "code", ""), getattr(error, "stage", ""))


def ask_cluster(fact: type[Fact], cluster: ClusterTarget) -> Value:
    """Ask the API for `fact`. Never raises a TargetError."""
    ask = method(fact, "ask")
    assert ask is not None, f"{fact.__name__} is asked of the cluster and has no `ask`"
    try:
        value: Value = ask(cluster)
    except NotFound as error:
        return NotApplicable(error.what)
    except TargetError as error:
        return failed(error)
    return value


def arguments(needs: Sequence[Need], supply: Supply) -> dict[str, object] | Failed | NotApplicable:
    """The arguments for `needs`; or the first answer that a need does not accept."""
    given: dict[str, object] = {}
    for need in needs:
        value = supply(need)
        if isinstance(value, Failed) and not need.takes_failed:
            kind = "derived-not-asked" if value.kind in ("not-asked", "derived-not-asked") else value.kind
            return Failed(kind, value.why, value.hint, value.code, value.stage)
        if isinstance(value, NotApplicable) and not need.takes_not_applicable:
            return value
        given[need.parameter] = value
    return given


def failures(needs: Sequence[Need], supply: Supply) -> Iterator[Failed]:
    """What failed of `needs`, and below the derived facts among them; not what nobody has asked."""
    for need in needs:
        value = supply(need)
        for one in value.failed.values() if isinstance(value, Each) else (value,):
            if isinstance(one, Failed) and one.kind not in ("not-asked", "derived-not-asked"):
                yield one
        if QUESTIONS[need.fact].origin is Origin.DERIVED and not isinstance(value, Failed | Each):
            yield from failures(needs_of_fact(need.fact), supply)


def derive(fact: type[Fact], supply: Supply) -> Value:
    """Work a derived fact out from what it needs."""
    function = method(fact, "derive")
    assert function is not None, f"{fact.__name__} is derived and has no `derive`"
    given = arguments(needs_of(function), supply)
    if isinstance(given, Failed | NotApplicable):
        return given
    value: Value = function(**given)
    return value


def asked(fact: type[Fact], supply: Supply) -> Asked | Failed | NotApplicable:
    """The question for `fact` as it is sent to a node, its parameters worked out."""
    question = QUESTIONS[fact]
    parameters: Any = {}
    function = method(fact, "parameters")
    if function is not None:
        given = arguments(needs_of(function), supply)
        if isinstance(given, Failed | NotApplicable):
            return given
        parameters = function(**given)
        if isinstance(parameters, Failed | NotApplicable):
            return parameters
    return Asked(question.name, script_text(question.script), parameters, question.seconds)


def read_node_answer(fact: type[Fact], raw: RawAnswer | Failed, supply: Supply) -> Value:
    """Decode what a node answered. A garbled answer says which field."""
    if isinstance(raw, Failed):
        return raw
    if raw.error is not None:
        return _script_failed(fact, raw)
    read = method(fact, "read")
    schema = get_type_hints(read)["answer"] if read is not None else fact
    try:
        answer = decoded(raw.value, schema)
    except msgspec.DecodeError as error:
        return Failed(
            "malformed",
            f"The node's answer to {QUESTIONS[fact].name} is not of the expected shape: {error}.",
            _alone(fact),
        )
    if read is None:
        value: Value = answer
        return value
    given = arguments(needs_of(read, skip=frozenset({"answer"})), supply)
    if isinstance(given, Failed | NotApplicable):
        return given
    value = read(answer, **given)
    return value


def _script_failed(fact: type[Fact], raw: RawAnswer) -> Failed:
    error = raw.error
    assert error is not None
    name = QUESTIONS[fact].name
    if error.type == "kwinnow.deadline":
        why = f"The question {name} did not come back within {spoken(QUESTIONS[fact].seconds)} s on the node."
        return Failed(
            "deadline",
            why,
            f"Something on the node hangs. Ask this question alone to see it: {_word(fact)}.",
            "hung",
            "answer",
        )
    said = " ".join(part for part in (error.type, error.hresult, error.message) if part)
    codes = f"{error.hresult} {error.fqid},".lower()
    hint = error.hint or (_NOT_ALLOWED if any(code in codes for code in _ACCESS_DENIED) else _alone(fact))
    why = f"The question {name} failed on the node: {said}"
    return Failed("script", why, hint, error.fqid.split(",")[0], "answer")


def _alone(fact: type[Fact]) -> str:
    return f"Ask this question alone: {_word(fact)}. If it fails on a healthy node too, report it."


def _word(fact: type[Fact]) -> str:
    return f"kwinnow facts {QUESTIONS[fact].name} --node NAME"


def waves(facts: Sequence[type[Fact]]) -> list[list[type[Fact]]]:
    """The node facts in the order in which they can be asked: one process, and a second for those whose
    parameters come from node facts.
    """

    def follows(fact: type[Fact], seen: frozenset[type[Fact]] = frozenset()) -> bool:
        function = (
            method(fact, "parameters") if QUESTIONS[fact].origin is Origin.NODE else method(fact, "derive")
        )
        if function is None:
            return False
        for need in needs_of(function):
            origin = QUESTIONS[need.fact].origin
            if origin is Origin.NODE:
                return True
            deeper = origin is Origin.DERIVED and per_node(need.fact) and need.fact not in seen
            if deeper and follows(need.fact, seen | {need.fact}):
                return True
        return False

    first = [f for f in facts if not follows(f)]
    second = [f for f in facts if follows(f)]
    return [wave for wave in (first, second) if wave]
