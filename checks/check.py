"""How a check is declared, and the one loader.

A check is a function from facts to what is wrong. Its annotations are its needs, its docstring is its help page,
its cases stand beside it. See CONTRIBUTING.md for an example.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import msgspec

from checks.causes import Graph, Link
from checks.finding import Said, Severity
from checks.ids import CHECK_IDS, CheckId
from facts.fact import Fact
from facts.needs import Need, needs_of, per_node

Judge = Callable[..., Iterator[Said]]
HELP_HEADINGS = ("Rule", "Remedy", "Confused with", "Source")


class Case(msgspec.Struct, frozen=True):
    """One named situation: a stack's healthy example, changed, and what must come out.

    `example` is the name of a recorded healthy cluster. `changes` are edits made with `checks.cases`. `finds` is
    the object that must be named ("node" means the node that was changed; "" with quiet=True means nothing).
    """

    name: str
    example: str
    changes: tuple[Callable[..., None], ...] = ()
    finds: str = ""
    severity: Severity | None = None
    quiet: bool = False
    unknown: bool = False


class Check(msgspec.Struct, frozen=True):
    id: CheckId
    title: str
    severity: Severity
    judge: Judge
    needs: tuple[Need, ...]
    node_scope: bool
    explains: tuple[Link, ...]
    cases: tuple[Case, ...]

    @property
    def help(self) -> str:
        """The help page, as the docstring has it: a paragraph, then `Rule:`, `Remedy:`, … paragraphs."""
        return inspect.getdoc(self.judge) or ""

    @property
    def remedy(self) -> str:
        return section(self.help, "Remedy")

    @property
    def facts(self) -> tuple[type[Fact], ...]:
        return tuple(n.fact for n in self.needs)


def section(page: str, heading: str) -> str:
    """The text under `Heading:` of a help page, as one paragraph; empty if there is none."""
    lines: list[str] = []
    inside = False
    for line in page.splitlines():
        head = line.split(":", 1)[0]
        if head in HELP_HEADINGS and line.startswith(f"{head}:"):
            inside = head == heading
            line = line.split(":", 1)[1]
        if inside:
            lines.append(line.strip())
    return " ".join(part for part in lines if part)


_CHECKS: dict[CheckId, Check] = {}


def check(
    id: CheckId,
    *,
    title: str,
    severity: Severity,
    explains: Sequence[Link] = (),
    cases: Sequence[Case] = (),
) -> Callable[[Judge], Judge]:
    """Declare a check. `severity` is that of a Problem which names none."""

    def declare(judge: Judge) -> Judge:
        if id in _CHECKS:
            raise ValueError(
                f"Two checks are called {id}: {_CHECKS[id].judge.__module__} and {judge.__module__}."
            )
        if id not in CHECK_IDS:
            raise ValueError(f"{id} is no id of the catalogue.")
        needs = needs_of(judge)
        scope = any(per_node(n.fact) and not n.each for n in needs)
        _CHECKS[id] = Check(id, title, severity, judge, needs, scope, tuple(explains), tuple(cases))
        return judge

    return declare


@cache
def load() -> dict[CheckId, Check]:
    """Every check below checks/, by id, in the catalogue's order."""
    import checks

    for module in pkgutil.walk_packages(checks.__path__, "checks."):
        importlib.import_module(module.name)
    return {i: _CHECKS[i] for i in CHECK_IDS if i in _CHECKS}


@cache
def graph() -> Graph:
    """The links of all checks."""
    found = load()
    return Graph(((c.id, c.explains) for c in found.values()), found)
