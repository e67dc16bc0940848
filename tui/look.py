"""How things look: themes, the signs of severities and outcomes, the colour of a context.

Nothing is told by colour alone: each colour goes with a sign.
"""

from __future__ import annotations

import re

from rich.terminal_theme import TerminalTheme
from rich.text import Text
from textual.color import Color
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


def _colours(ground: str, ink: str, *normal: str) -> TerminalTheme:
    def triplet(colour: str) -> tuple[int, int, int]:
        return Color.parse(colour).rgb

    return TerminalTheme(
        triplet(ground), triplet(ink), [triplet(c) for c in normal], [triplet(c) for c in normal]
    )


# What the names of the eight terminal colours mean on dark and on light grounds: black, red, green, yellow, …
ON_DARK = _colours(
    "#15181d",
    "#d6d9de",
    "#3b4350",
    "#e57373",
    "#84bd8b",
    "#dcb657",
    "#7aa2c8",
    "#c792d9",
    "#6fbcc4",
    "#d6d9de",
)
ON_LIGHT = _colours(
    "#fbfaf7",
    "#22262b",
    "#22262b",
    "#b3261e",
    "#2e6b37",
    "#86610a",
    "#2f5f8a",
    "#7b3a8c",
    "#1d6d76",
    "#6b6f76",
)

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


def word(text: str, style: str = "") -> Text:
    """Text of our own. The style is that of these words alone: what is appended does not inherit it."""
    return Text().append(text, style)


def line(text: str, style: str = "") -> Text:
    """One row's worth of somebody else's text: cleaned, never parsed as markup."""
    return Text(no_wrap=True, overflow="ellipsis").append(clean_line(text), style)


def aged(cell: Text) -> Text:
    """The same words as those of a verdict that is no longer the present one: no colour says good or bad."""
    return Text(cell.plain, QUIET, no_wrap=cell.no_wrap, overflow=cell.overflow)


def block(text: str, style: str = "") -> Text:
    """Several lines of somebody else's text: cleaned, never parsed as markup."""
    return Text().append(clean(text), style)


def context_colour(context: str, configured: str = "") -> Color:
    """The colour that the configuration gives a context; red for what calls itself production; else calm blue."""
    if configured:
        return Color.parse(configured.lower())  # config.toml holds no other words: targets/colours.py
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
