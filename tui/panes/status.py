"""The line that is always on screen: cluster and context with its colour, what is being asked, what is special here."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.color import Color
from textual.widgets import Static

CALM = Color.parse("#3d6285")


@dataclass(frozen=True)
class Status:
    """What the line says. `where` is the path of screens."""

    context: str = ""
    server: str = ""
    colour: Color = CALM
    read_only: bool = False
    recording: str = ""
    lost: bool = False  # it could not be opened; the screen says why
    asking: tuple[int, int] | None = None
    as_of: str = ""
    where: str = ""


class StatusBar(Static):
    """One line, never wrapped: what matters most stands left."""

    def tell(self, status: Status) -> None:
        """Show this; without change nothing is painted."""
        if getattr(self, "_status", None) == status:
            return
        self._status = status
        self.update(render(status))


def render(status: Status) -> Text:
    """The line as text. Every state is told by a word, not by colour alone."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(" kwinnow ", "bold")
    if status.context:
        ground = status.colour
        ink = "#000000" if ground.brightness > 0.5 else "#ffffff"
        text.append(f" {status.context} ", f"bold {ink} on {ground.hex}")
    elif status.lost:
        text.append(" ✖ not opened ", "bold red")
    else:
        text.append(" opening … ", "dim")
    if status.read_only:
        text.append(" ⊘ read-only ", "bold yellow")
    if status.recording:
        text.append(" ▣ recording ", "bold magenta")
    if status.where:
        text.append(f" {status.where}  ")
    if status.asking is not None:
        done, total = status.asking
        text.append(f"◌ asking {done}/{total}  ", "cyan")
    elif status.as_of:
        text.append(f"as of {status.as_of}  ", "dim")
    return text.append(f"{status.recording}  {status.server}".strip(), "dim")
