"""The one table of commands: palette, footer, help page and key map are views of it, and the tests walk it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

FLEET, NODE, FINDINGS, WHY, SENT, LOGS = "fleet", "node", "findings", "why", "sent", "logs"
READER, CHOOSE, FIX = "reader", "choose", "fix"
PAGES = (FLEET, NODE, FINDINGS, WHY, SENT, LOGS)
OVERLAYS = (READER, CHOOSE, FIX)
LONG = (*PAGES, READER, CHOOSE)
LISTS = (FLEET, NODE, FINDINGS, WHY, SENT)
OF_A_NODE = (FLEET, NODE, FINDINGS, WHY)


@dataclass(frozen=True)
class Command:
    """One thing a person can do. `action` is a textual action of the screen or the app.

    `where` are the names of the screens that offer it. `shown` commands stand in the footer. `live` ones stay bound in
    a recording, where they say why they cannot work.
    """

    id: str
    keys: str  # as textual names them, separated by commas
    title: str
    help: str
    action: str
    where: tuple[str, ...]
    shown: bool = True
    live: bool = False  # asks or changes the cluster: a recording does not offer it


COMMANDS: tuple[Command, ...] = (
    Command(
        "node", "enter", "Node", "What the API says of this node and what the node says.", "open", (FLEET,)
    ),
    Command("whole", "enter", "Whole", "Show all of this entry.", "open", (NODE, SENT)),
    Command("page", "enter,h", "Help page", "The check's rule, remedy, source.", "page", (FINDINGS, WHY)),
    Command(
        "why",
        "w",
        "Why?",
        "Walk the chain that can make this node not ready.",
        "why",
        (FLEET, NODE, FINDINGS),
    ),
    Command(
        "findings",
        "f",
        "Findings",
        "What is wrong with this node, causes first.",
        "findings",
        (FLEET, NODE, WHY),
    ),
    Command("all-findings", "a", "All", "The findings of all nodes, or of this one.", "every", (FINDINGS,)),
    Command("fold", "space", "Fold", "Show or hide what this cause accounts for.", "fold", (FINDINGS,)),
    Command(
        "fix",
        "F",
        "Fix",
        "Show the step that mends this, then ask before it runs.",
        "fix",
        (FINDINGS, WHY),
        live=True,
    ),
    Command(
        "undo",
        "U",
        "Undo",
        "Take the last step on this node back, whoever ran it.",
        "undo",
        OF_A_NODE,
        False,
        live=True,
    ),
    Command(
        "copy",
        "y",
        "Copy",
        "Copy this, a report as Markdown; a file is written as well.",
        "copy",
        (*LISTS, READER),
    ),
    Command("logs", "l", "Logs", "Follow the log of a pod on this node.", "logs", OF_A_NODE, live=True),
    Command(
        "probe",
        "P",
        "Probe",
        "Try the node ports, ClusterIPs and pods of Services from this Windows node.",
        "probe",
        OF_A_NODE,
        live=True,
    ),
    Command(
        "differences", "d", "Differences", "Only what differs or could not be told.", "differences", (NODE,)
    ),
    Command("follow", "space", "Follow", "Follow the end, or stand still.", "follow", (LOGS,)),
    Command("find", "f", "Find", "Search; n and N go on.", "find", (LOGS,)),
    Command(
        "next", "n", "Next hit", "Go to the next line that was searched for.", "find_next(1)", (LOGS,), False
    ),
    Command("before", "N", "Hit before", "Go to the hit before.", "find_next(-1)", (LOGS,), False),
    Command("wrap", "w", "Wrap", "Break long lines, or let them run on.", "wrap", (LOGS,)),
    Command("times", "t", "Times", "Time stamps: none, UTC, local.", "times", (LOGS,)),
    Command("mark", "m", "Mark", "Mark the line at the top, or take the mark away.", "mark", (LOGS,), False),
    Command(
        "next-mark", "apostrophe", "Next mark", "Go to the next marked line.", "next_mark", (LOGS,), False
    ),
    Command(
        "previous",
        "p",
        "Previous",
        "The log of the container before its restart.",
        "previous",
        (LOGS,),
        False,
    ),
    Command("save", "s", "Save", "Write what is shown to a file.", "save", (LOGS,)),
    Command("copy-lines", "y", "Copy", "Copy the selection, or what is shown.", "copy", (LOGS,)),
    Command("since-tail", "0", "Tail", "The last 500 lines.", "since(0)", (LOGS,), False),
    Command("since-head", "1", "From the start", "All lines there are.", "since(1)", (LOGS,), False),
    Command("since-1m", "2", "1 minute", "Lines of the last minute.", "since(2)", (LOGS,), False),
    Command("since-5m", "3", "5 minutes", "Lines of the last five minutes.", "since(3)", (LOGS,), False),
    Command(
        "since-15m", "4", "15 minutes", "Lines of the last quarter of an hour.", "since(4)", (LOGS,), False
    ),
    Command("since-30m", "5", "30 minutes", "Lines of the last half hour.", "since(5)", (LOGS,), False),
    Command("since-1h", "6", "1 hour", "Lines of the last hour.", "since(6)", (LOGS,), False),
    Command(
        "filter", "slash", "Filter", "Only rows that contain a text; Esc takes it away.", "filter", PAGES
    ),
    Command("refresh", "r", "Refresh", "Ask everything anew.", "app.refresh_all", LISTS, live=True),
    Command(
        "sent",
        "C",
        "Sent",
        "Every command that was sent, pasteable.",
        "app.commands_run",
        OF_A_NODE,
        live=True,
    ),
    Command("contexts", "c", "Context", "Look at another cluster of the kubeconfig.", "app.contexts", LISTS),
    Command("theme", "T", "Theme", "Choose another theme.", "app.change_theme", PAGES, False),
    Command(
        "palette",
        "colon,ctrl+p",
        "Commands",
        "Find any command or node by name.",
        "app.command_palette",
        PAGES,
    ),
    Command(
        "help", "question_mark", "Help", "What this screen shows and what its keys do.", "app.help", PAGES
    ),
    Command("back", "escape", "Back", "Close the filter or this screen.", "back", PAGES, False),
    Command(
        "fix-choose", "tab", "Choose", "Go to the next button, or to the text.", "app.focus_next", (FIX,)
    ),
    Command("fix-press", "enter", "Press", "Press the button that is marked.", "press", (FIX,)),
    Command("close", "escape,q", "Close", "Close this.", "close", OVERLAYS),
    # The text is scrolled while a button has the focus.
    Command("text-up", "up", "Up", "Scroll the text back.", "move('up')", (FIX,), False),
    Command("text-down", "down", "Down", "Scroll the text.", "move('down')", (FIX,), False),
    Command("text-page-up", "pageup", "Page up", "A page back.", "move('pageup')", (FIX,), False),
    Command("text-page-down", "pagedown", "Page down", "A page on.", "move('pagedown')", (FIX,), False),
    Command("text-top", "home,g", "Top", "Begin of the text.", "move('top')", (FIX,), False),
    Command("text-bottom", "end,G", "Bottom", "End of the text.", "move('bottom')", (FIX,), False),
    Command("down", "j", "Down", "Next row.", "move('down')", (*PAGES, *OVERLAYS), False),
    Command("up", "k", "Up", "Row before.", "move('up')", (*PAGES, *OVERLAYS), False),
    Command("left", "h", "Left", "Scroll to the left.", "move('left')", (LOGS,), False),
    Command("right", "l", "Right", "Scroll to the right.", "move('right')", (LOGS,), False),
    Command("top", "g", "Top", "First row.", "move('top')", LONG, False),
    Command("bottom", "G", "Bottom", "Last row; a log is followed again.", "move('bottom')", LONG, False),
    Command("detail-down", "J", "Detail down", "Scroll the lower pane.", "detail(1)", LISTS, False),
    Command("detail-up", "K", "Detail up", "Scroll the lower pane back.", "detail(-1)", LISTS, False),
    Command("choose", "enter", "Choose", "Take this one.", "choose", (CHOOSE,)),
    Command("quit", "q", "Quit", "Leave kwinnow.", "app.quit", PAGES),
)


def of_screen(name: str, *, recorded: bool = False) -> list[Command]:
    """The commands that a screen offers, in the table's order; of a recording those that can work there."""
    return [c for c in COMMANDS if name in c.where and not (recorded and c.live)]


def bindings(name: str) -> list[BindingType]:
    """textual bindings of a screen. Ids let a keymap change the keys."""
    return [
        Binding(c.keys, c.action, c.title, show=c.shown, id=c.id, tooltip=c.help) for c in of_screen(name)
    ]


def key_names(command: Command) -> str:
    """The keys as a person reads them."""
    names = {
        "question_mark": "?",
        "colon": ":",
        "slash": "/",
        "escape": "Esc",
        "enter": "Enter",
        "space": "Space",
        "tab": "Tab",
        "apostrophe": "'",
    }
    return " ".join(names.get(key, key) for key in command.keys.split(","))
