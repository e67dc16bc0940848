"""The one table of commands: palette, footer, help page and key map are views of it, and the tests walk it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Command:
    """One thing a person can do. `action` is a textual action of the screen or the app.

    `where` is the name of the screen (its NAME), or "anywhere". `shown` commands stand in the footer.
    """

    id: str
    keys: str  # as textual names them, separated by commas
    title: str
    help: str
    action: str
    where: str = ANYWHERE
    shown: bool = True


COMMANDS: tuple[Command, ...] = (
    Command("help", "question_mark", "Help", "What this screen shows and what its keys do.", "app.help"),
    Command("palette", "colon,ctrl+p", "Commands", "Find and run any command by its name.", "app.command_palette"),
    Command("filter", "slash", "Filter", "Show only the rows that contain a text; Esc takes it away.", "filter"),
    Command("back", "escape", "Back", "Close the filter or this screen.", "app.back", shown=False),
    Command("refresh", "r", "Refresh", "Ask everything anew.", "app.refresh_all"),
    Command("findings", "f", "Findings", "What is wrong, causes first.", "app.findings"),
    Command("why", "w", "Why?", "Walk the chain that can make this node not ready.", "why"),
    Command("node", "enter", "Node", "This node as the API sees it and as it is, next to each other.", "open", "fleet"),
    Command("logs", "l", "Logs", "Follow the log of a pod on this node.", "logs"),
    Command("sent", "C", "Sent", "Every command that was sent, pasteable.", "app.commands_run"),
    Command("contexts", "c", "Context", "Look at another cluster of the kubeconfig.", "app.contexts"),
    Command("theme", "T", "Theme", "Choose another theme.", "app.change_theme", shown=False),
    Command("fold", "space", "Fold", "Show or hide what this cause accounts for.", "fold", "findings"),
    Command("page", "h", "Help page", "The check's help page: rule, remedy, what it is confused with.", "page", "findings"),
    Command("copy", "y", "Copy", "Copy this with its evidence as Markdown; a file is written as well.", "copy"),
    Command("fix", "F", "Fix", "Show the step that mends this, then ask before it runs.", "fix", "findings"),
    Command("quit", "q", "Quit", "Leave kwinnow.", "app.quit"),
    Command("down", "j", "Down", "Next row.", "cursor('down')", shown=False),
    Command("up", "k", "Up", "Row before.", "cursor('up')", shown=False),
    Command("top", "g", "Top", "First row.", "cursor('top')", shown=False),
    Command("bottom", "G", "Bottom", "Last row.", "cursor('bottom')", shown=False),
)


def of_screen(name: str) -> list[Command]:
    """The commands that a screen offers: its own and those of everywhere."""
    return [c for c in COMMANDS if c.where in (ANYWHERE, name)]


def bindings(name: str) -> list[Binding]:
    """textual bindings of a screen. Ids let a keymap change the keys."""
    return [Binding(c.keys, c.action, c.title, show=c.shown, id=c.id, tooltip=c.help) for c in of_screen(name)]
