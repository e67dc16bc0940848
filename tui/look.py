"""How things look: themes, the signs of severities and outcomes, the colour of a context.

Nothing is told by colour alone: each colour goes with a sign.
"""

from __future__ import annotations

import re

from rich.text import Text
from textual.color import Color, ColorParseError
from textual.theme import Theme

from checks.finding import OutcomeKind, Severity
from targets.clean import clean, clean_line

DARK = Theme(
    name="kwinnow-dark",
    primary="#7aa2c8",
    secondary="#8fb0a0",
    accent="#d7a65f",
    warning="#d9b44a",
    error="#e06c6c",
    success="#7fb685",
    foreground="#d6d9de",
    background="#15181d",
    surface="#1b1f26",
    panel="#232933",
    dark=True,
    variables={"footer-key-foreground": "#d7a65f", "footer-background": "#1b1f26"},
)
LIGHT = Theme(
    name="kwinnow-light",
    primary="#2f5f8a",
    secondary="#3d6d5c",
    accent="#8a5a10",
    warning="#8a6500",
    error="#b3261e",
    success="#2e6b37",
    foreground="#22262b",
    background="#fbfaf7",
    surface="#f1efe9",
    panel="#e5e2d9",
    dark=False,
)
THEMES = (DARK, LIGHT)

# Names of rich styles that read on dark and on light grounds.
BAD, WARN, GOOD, UNSURE, QUIET, INFO = "red", "yellow", "green", "magenta", "dim", "cyan"

SEVERITY: dict[Severity, tuple[str, str]] = {
    Severity.ERROR: ("✖", BAD),
    Severity.WARN: ("▲", WARN),
    Severity.INFO: ("·", INFO),
}
OUTCOME: dict[OutcomeKind, tuple[str, str]] = {
    OutcomeKind.PASSED: ("✔", GOOD),
    OutcomeKind.FOUND: ("✖", BAD),
    OutcomeKind.UNKNOWN: ("?", UNSURE),
    OutcomeKind.SKIPPED: ("–", QUIET),
    OutcomeKind.BROKEN: ("!", UNSURE),
}


def line(text: str, style: str = "") -> Text:
    """One row's worth of somebody else's text: cleaned, never parsed as markup."""
    return Text(clean_line(text), style, no_wrap=True, overflow="ellipsis")


def block(text: str, style: str = "") -> Text:
    """Several lines of somebody else's text: cleaned, never parsed as markup."""
    return Text(clean(text), style)


def context_colour(context: str, configured: str = "") -> Color:
    """The colour that the configuration gives a context; red for what calls itself production; else calm blue."""
    if configured:
        try:
            return Color.parse(configured)
        except ColorParseError:
            pass  # a word that no terminal colour has: the default is better than no console
    if re.search(r"(^|[^a-z])(prod|production|prd|live)([^a-z]|$)", context.lower()):
        return Color.parse("#b03a3a")
    return Color.parse("#3d6285")


def counts(errors: int, warnings: int, infos: int) -> Text:
    """How many findings of each severity, each with its sign."""
    text = Text(no_wrap=True)
    for severity, count in ((Severity.ERROR, errors), (Severity.WARN, warnings), (Severity.INFO, infos)):
        if count:
            sign, style = SEVERITY[severity]
            text.append(f"{sign} {count} ", style)
    return text
