"""The line beneath the status: what a person must know about all that stands below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from tui.commands import FINDINGS, FLEET, NODE, WHY
from tui.look import block

if TYPE_CHECKING:
    from tui.app import KwinnowApp
    from tui.screens.page import Page

BAD, WARN, NOTE = "bad", "warn", "note"  # as classes of the style sheet


@dataclass(frozen=True)
class Banner:
    """`kind` is how it is coloured; without text there is none."""

    text: Text
    kind: str = BAD


def banner(app: KwinnowApp, page: Page) -> Banner:
    """The most important of: what is wrong with the whole, what is shown and old, what this user may not ask."""
    return _trouble(app, page) or _old(app, page) or _rights(app, page) or Banner(Text())


def _trouble(app: KwinnowApp, page: Page) -> Banner | None:
    """What is wrong with the investigation as a whole. Without anything to show, the fleet says it at length."""
    trouble = app.trouble
    if trouble is None or (trouble.lasting and page.NAME == FLEET):
        return None
    kept = "" if trouble.lasting else f"What is shown is from {app.as_of or 'before'}. r tries again."
    return Banner(block(" ".join(part for part in ("✖", trouble.what, trouble.hint, kept) if part)))


def _old(app: KwinnowApp, page: Page) -> Banner | None:
    """That a verdict is still the one from before, or that more of it is on its way."""
    if app.work is None or page.NAME not in (NODE, FINDINGS, WHY):
        return None
    waits = app.work.waits_for(page.node)
    if not waits:
        return None
    whole = app.knows.windows_nodes() if app.knows else []
    about = f"{waits[0]} is" if page.node or len(whole) == 1 else f"{len(waits)} of {len(whole)} nodes are"
    if since := old_since(app, page.node):
        told = f"◌ {about} being asked again; until then what stands here is from {since}."
        return Banner(block(told), NOTE)
    return Banner(block(f"◌ {about} still being asked; what stands here is not the whole yet."), NOTE)


def old_since(app: KwinnowApp, node: str) -> str:
    """The time of the verdicts about this node (about any, for "") that stand in for those to come; "": none do."""
    work = app.work
    if work is None or work.former is None or work.former_as_of is None or not work.waits_for(node):
        return ""
    return f"{work.former_as_of.astimezone():%H:%M:%S}"


def _rights(app: KwinnowApp, page: Page) -> Banner | None:
    """What this user may not ask of the API: checks that need it cannot tell."""
    if app.knows is None or page.NAME != FLEET:
        return None
    from tui.rights import banner_text  # not before the first paint

    text = banner_text(app.get)
    return Banner(text, WARN) if text.plain else None
