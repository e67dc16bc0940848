"""What a function needs, read from its annotations. The same rules serve facts, checks and steps."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, Union

import msgspec

from facts.fact import QUESTIONS, Fact, Failed, NotApplicable, Origin, method

T = TypeVar("T", bound=Fact)


class Each(Generic[T]):
    """Every Windows node's answer to one node question, failures included.

    Iterating gives (node name, answer) for the nodes whose answer is known.
    """

    def __init__(self, answers: Mapping[str, T | Failed | NotApplicable]) -> None:
        self.answers = answers

    def __iter__(self) -> Iterator[tuple[str, T]]:
        for node, answer in self.answers.items():
            if not isinstance(answer, Failed | NotApplicable):
                yield node, answer

    @property
    def failed(self) -> dict[str, Failed]:
        return {node: answer for node, answer in self.answers.items() if isinstance(answer, Failed)}


class Need(msgspec.Struct, frozen=True):
    """One parameter of a function: which fact it takes, and which non-answers it accepts."""

    parameter: str
    fact: type[Fact]
    each: bool = False
    takes_failed: bool = False
    takes_not_applicable: bool = False


def _need(parameter: str, hint: Any, owner: str) -> Need:
    if typing.get_origin(hint) is Each:
        (inner,) = typing.get_args(hint)
        return Need(parameter, inner, each=True)
    parts = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    facts = [p for p in parts if isinstance(p, type) and issubclass(p, Fact)]
    if len(facts) != 1:
        raise TypeError(
            f"{owner}: the parameter {parameter} must be annotated with exactly one fact, not {hint}."
        )
    return Need(parameter, facts[0], False, Failed in parts, NotApplicable in parts)


def needs_of(function: Callable[..., Any], *, skip: frozenset[str] = frozenset()) -> tuple[Need, ...]:
    """The needs of `function`, in the order of its parameters; `cls` and `skip` are left out."""
    hints = typing.get_type_hints(function)
    skip = skip | {"return", "cls"}
    owner = f"{function.__module__}.{function.__qualname__}"
    return tuple(_need(p, h, owner) for p, h in hints.items() if p not in skip)


def needs_of_fact(fact: type[Fact]) -> tuple[Need, ...]:
    """What must be known before the question for `fact` can be asked or derived."""
    origin = QUESTIONS[fact].origin
    if origin is Origin.DERIVED:
        derive = method(fact, "derive")
        return needs_of(derive) if derive else ()
    if origin is Origin.NODE:
        parameters = method(fact, "parameters")
        read = method(fact, "read")
        needs = needs_of(parameters) if parameters else ()
        return needs + (needs_of(read, skip=frozenset({"answer"})) if read else ())
    return ()


def per_node(fact: type[Fact]) -> bool:
    """Whether the fact exists once a Windows node (else once a cluster)."""
    question = QUESTIONS[fact]
    if question.origin is Origin.NODE:
        return True
    if question.origin is Origin.SESSION:
        return bool(getattr(fact, "PER_NODE", False))
    return any(per_node(need.fact) and not need.each for need in needs_of_fact(fact))


def closure(wanted: typing.Iterable[type[Fact]]) -> set[type[Fact]]:
    """`wanted` and everything they need, directly or not."""
    known: set[type[Fact]] = set()
    todo = list(wanted)
    while todo:
        fact = todo.pop()
        if fact in known:
            continue
        known.add(fact)
        todo += [need.fact for need in needs_of_fact(fact)]
    return known
