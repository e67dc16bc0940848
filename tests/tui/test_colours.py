"""A colour that config.toml may name is one that the line with the context is painted in."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color

from targets.colours import NAMES
from tui.look import context_colour
from tui.panes.status import Status, render


def test_every_colour_that_may_be_configured_is_painted() -> None:
    for name in NAMES:
        ground = context_colour("lab", name.capitalize())
        assert ground == Color.parse(name), name
        (span,) = [s for s in render(Status(context="lab", colour=ground)).spans if "on " in str(s.style)]
        style = Style.parse(str(span.style))
        assert style.bgcolor is not None and style.bgcolor.triplet == ground.rich_color.triplet, name
