"""The help page of a check."""

from __future__ import annotations

from rich.text import Text

from checks.check import HELP_HEADINGS, graph, load
from facts.fact import QUESTIONS
from tui.look import INFO, QUIET, SEVERITY, word
from tui.screens.overlays import ReaderScreen


def paragraphs(page: str) -> list[str]:
    """The page's paragraphs, each as one line: the screen is narrower or wider than the source."""
    found: list[str] = []
    fresh = True
    for line in page.splitlines():
        heading = line.partition(":")[0] in HELP_HEADINGS and ":" in line
        if not line.strip():
            fresh = True
        elif fresh or heading:
            found.append(line.strip())
            fresh = False
        else:
            found[-1] += f" {line.strip()}"
    return found


def check_page(wanted: str) -> ReaderScreen:
    """What the check means, its rule, remedy, what it is confused with, its source; facts and links."""
    check = next((c for i, c in load().items() if i == wanted), None)
    if check is None:
        return ReaderScreen(wanted, Text(f"There is no check {wanted}."))
    sign, style = SEVERITY[check.severity]
    text = word(f"{sign} {check.severity.word}  ", style).append(f"{check.title}\n\n", "bold")
    for paragraph in paragraphs(check.help):
        head, colon, rest = paragraph.partition(":")
        if colon and head in HELP_HEADINGS:
            text.append(f"\n{head} ", INFO).append(f"{rest.strip()}\n")
        else:
            text.append(f"{paragraph}\n")
    causes = [c for c, links in graph().links.items() if any(k.effect == check.id for k in links)]
    for label, names in (
        ("Facts", [QUESTIONS[f].name for f in check.facts]),
        ("Can account for", [link.effect for link in check.explains]),
        ("Can follow from", causes),
    ):
        if names:
            text.append(f"\n{label}: ", QUIET).append(", ".join(names))
    return ReaderScreen(check.id, text, f"# {check.id}\n\n{check.title}\n\n{check.help}\n")
