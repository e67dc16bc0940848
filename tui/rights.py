"""What this user may not ask of the API, which checks cannot tell because of it, and what to ask for."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from checks.check import load
from facts.cluster.control_plane import Rights
from facts.fact import QUESTIONS, Fact, Failed, Origin
from facts.needs import closure
from tui.look import INFO, UNSURE, WARN, block

Get = Callable[[type[Fact]], object]
FIRST = 3  # rights that the banner names


def missing(get: Get) -> list[str]:
    """Each right that kwinnow would use and this user lacks."""
    rights = get(Rights)
    return [str(wanted) for wanted in rights.missing] if isinstance(rights, Rights) else []


def lead(get: Get) -> str:
    """How sure that is."""
    rights = get(Rights)
    unsure = isinstance(rights, Rights) and rights.incomplete
    return "This user perhaps may not" if unsure else "This user may not"


def banner_text(get: Get) -> Text:
    """One sentence; empty where nothing is missing."""
    names = missing(get)
    if not names:
        return Text()
    more = f" and {len(names) - FIRST} more" if len(names) > FIRST else ""
    told = f"▲ {lead(get)} {', '.join(names[:FIRST])}{more}: what needs it cannot be told."
    return block(f"{told} The row (cluster) has the fix.")


def whole_text(get: Get) -> Text:
    """Everything about it, for the lower pane."""
    names = missing(get)
    text = Text()
    if not names:
        return text
    text.append(f"▲ {lead(get)}  ", WARN).append_text(block(", ".join(names) + "\n"))
    text.append("  Fix  ", INFO)
    text.append_text(block(f"Ask for a role that grants these: {_verbs(get)}. r asks again.\n"))
    for why, checks in _stopped(get).items():
        text.append("? ", UNSURE).append_text(block(f"{why} Cannot tell: {', '.join(checks)}\n"))
    return text


def _verbs(get: Get) -> str:
    """The missing rights by verb and namespace, as a role names them."""
    rights = get(Rights)
    groups: dict[tuple[str, str], list[str]] = {}
    for wanted in rights.missing if isinstance(rights, Rights) else ():
        kind = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
        name = f"{kind}/{wanted.name}" if wanted.name else kind
        groups.setdefault((wanted.verb, wanted.namespace), []).append(name)
    return "; ".join(
        f"{verb} {', '.join(names)}{f' in {space}' if space else ''}"
        for (verb, space), names in groups.items()
    )


def _stopped(get: Get) -> dict[str, list[str]]:
    """The checks that need an answer which was refused for want of a right, by the refusal."""
    found: dict[str, list[str]] = {}
    for check in load().values():
        for fact in closure(set(check.facts)):
            if QUESTIONS[fact].origin is not Origin.CLUSTER:
                continue
            value = get(fact)
            if isinstance(value, Failed) and value.kind == "permission-denied":
                ids = found.setdefault(value.why, [])
                if check.id not in ids:
                    ids.append(check.id)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
