"""What a fault, a question and a condition are, and the registers they enter by their decorators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.world.state import World

Apply = Callable[[World], None]
MODERN = ("flannel-2019", "flannel-2022")
ALL = ("flannel-2019", "flannel-2022", "classic-2019")
ISSUE = "https://github.com/{}/issues/{}"


@dataclass(frozen=True)
class Fault:
    """A cause that can be planted. `id` is the catalogue entry, with `:variant` where one entry has several causes."""

    id: str
    title: str
    source: str  # URL of the public case or text that it is taken from
    scenarios: tuple[str, ...]
    apply: Apply
    node: str = "first"  # which node shows it: "first" (the first Windows node), "all", "cluster"

    @property
    def entry(self) -> str:
        """The catalogue id without the variant."""
        return self.id.split(":")[0]

    @property
    def variant(self) -> str:
        return self.id.partition(":")[2]


@dataclass(frozen=True)
class Question:
    """Nothing is broken, but somebody asks for what Windows does not do. `ask` is what they want, in their words."""

    id: str
    ask: str
    source: str
    scenarios: tuple[str, ...]
    apply: Apply

    @property
    def entry(self) -> str:
        return self.id.split(":")[0]


@dataclass(frozen=True)
class Condition:
    """Something between the console and the cluster. `expect`: how the answer must look. `apply` gets a `Stage`.
    `entries`: the catalogue entries that say what stands between."""

    id: str
    title: str
    expect: str
    apply: Callable[[Stage], None]
    entries: tuple[str, ...] = ()


@dataclass
class Stage:
    """What conditions may turn, without knowledge of servers: settings that the practice engine carries out.

    `winrm`: node → settings of its WinRM service (names of `lab.windows.conditions.Conditions`). `weather`: settings
    of the API server. `config`: node → keys of its entry in the console's configuration. `few_rights`,
    `reject_tokens`: what the API server thinks of the user. `hung`: node → cmdlets that never return. `machine`:
    node → changes of the machine's `Os` (language mode, elevation).
    """

    nodes: tuple[str, ...]
    winrm: dict[str, dict[str, object]]
    weather: dict[str, Any]
    hung: dict[str, list[str]]
    machine: dict[str, dict[str, object]]
    config: dict[str, dict[str, object]] = field(default_factory=dict)
    few_rights: bool = False
    reject_tokens: bool = False


FAULTS: dict[str, Fault] = {}
QUESTIONS: dict[str, Question] = {}
CONDITIONS: dict[str, Condition] = {}


def fault(
    id_: str, title: str, source: str, scenarios: tuple[str, ...] = ALL, node: str = "first"
) -> Callable[[Apply], Apply]:
    """Register a fault."""

    def declare(apply: Apply) -> Apply:
        if id_ in FAULTS:
            raise ValueError(f"two faults are called {id_}")
        FAULTS[id_] = Fault(id_, title, source, scenarios, apply, node)
        return apply

    return declare


def question(id_: str, ask: str, source: str, scenarios: tuple[str, ...] = ALL) -> Callable[[Apply], Apply]:
    """Register a question."""

    def declare(apply: Apply) -> Apply:
        if id_ in QUESTIONS:
            raise ValueError(f"two questions are called {id_}")
        QUESTIONS[id_] = Question(id_, ask, source, scenarios, apply)
        return apply

    return declare


def condition(
    id_: str, title: str, expect: str, entries: tuple[str, ...] = ()
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Register a condition."""

    def declare(apply: Callable[[Stage], None]) -> Callable[[Stage], None]:
        if id_ in CONDITIONS:
            raise ValueError(f"two conditions are called {id_}")
        CONDITIONS[id_] = Condition(id_, title, expect, apply, entries)
        return apply

    return declare
