"""What a step does on the node itself: scripts that keep the node's own lock and journal, and how they are run.

On the node lie `C:\\ProgramData\\kwinnow\\journal.jsonl`, with lines as the local journal has them, and `lock.json`,
which says who acts. Both are written by the process that acts (node_journal.ps1). Every user may make files in
C:\\ProgramData, so both are believed only where Administrators or SYSTEM own them and nobody else may write them
(node_folder.ps1).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from facts.cluster.nodes import Nodes
from facts.collector.wire import Asked, RawAnswer, script_text
from facts.fact import Failed
from facts.session import Session
from playbooks.journal import Entry, read_entries
from targets.clean import clean_line
from targets.deadline import Deadline
from targets.decoding import decoded
from targets.errors import TargetError
from targets.target import NodeRef

LOCK_SECONDS = 300  # how long the node's lock outlives a process that was killed
WAIT_SECONDS = 20  # for a process on the node that still acts
READ_SECONDS = 20.0
PACKAGE = "playbooks"
FOLDER = "C:\\ProgramData\\kwinnow"
# Stages of a way in (facts.access.Attempt) at which no script has been sent yet.
BEFORE_IT_RAN = ("config", "resolve", "connect", "tls", "auth", "shell")


class Refused(msgspec.Struct, tag_field="refused", frozen=True):
    """The node's journal or lock said no, before anything was done."""

    who: str = ""
    since: int = 0  # seconds since 1970 by the node's clock
    step: str = ""


class Locked(Refused, tag="locked", frozen=True):
    """Somebody else is at work there."""


class UndoneAlready(Refused, tag="undone", frozen=True):
    """Somebody has undone this run."""


class Untrusted(Refused, tag="untrusted", frozen=True):
    """Something of the node's folder is not ours. `why`: reparse, owner or writers."""

    path: str = ""
    why: str = ""
    sddl: str = ""


class Acted(msgspec.Struct, frozen=True):
    """What an act script returns. `unwritten`: why the node's journal does not have the end of it.

    `nothing`: it was so already, and not by this run; there is nothing of it to take back.
    """

    before: Any = None
    after: Any = None
    changed: bool = True
    nothing: bool = False
    unwritten: str = ""


class NodeUnreachable(TargetError):
    """The node did not let anybody in: nothing is known of it, and nothing was done."""

    kind = "unreachable"


class FolderNotOurs(TargetError):
    """The folder of lock and journal on the node may be planted: it is not believed, and nothing was done."""

    kind = "untrusted"


_DISTRUST = {
    "reparse": "{path} on {node} leads to another place (a reparse point), and kwinnow follows none there.",
    "owner": "{path} on {node} is owned by neither Administrators nor SYSTEM ({sddl}): anybody may have put it there.",
    "writers": "Others than Administrators and SYSTEM may write to {path} on {node} ({sddl}).",
}


def not_ours(node: str, found: Untrusted) -> FolderNotOurs:
    """The sentence, and what an administrator does about it."""
    what = _DISTRUST.get(found.why, "{path} on {node} is not to be believed.")
    return FolderNotOurs(
        clean_line(what.format(path=found.path or FOLDER, node=node, sddl=found.sddl)),
        f"Find out who made it. Then, as an administrator on {node}: cmd /c rd /s /q {FOLDER}. kwinnow makes the "
        "folder anew, for Administrators and SYSTEM alone; an undo then goes by the journal here.",
    )


class _Said(msgspec.Struct, frozen=True):
    """The answer of node_journal_read.ps1."""

    journal: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    refused: str = ""


def noted(script: str) -> str:
    """An act as it is sent: the functions of the node's journal, and the act within them."""
    before, after = around()
    return f"{before}\n{script}\n{after}"


def around() -> tuple[str, str]:
    """What is sent before and after an act's own script."""
    own = [script_text(name, PACKAGE) for name in ("node_folder.ps1", "node_journal.ps1")]
    return "\n".join([*own, "Invoke-Noted {"]), "}"


def ask(session: Session, node: str, question: Asked) -> RawAnswer | Failed:
    """Run one script on one node by the session's own way in. NodeUnreachable if nobody was let in."""
    got: list[RawAnswer | Failed] = []
    ref = _ref(session, node)
    access = session.nodes.collect(
        ref,
        [question],
        Deadline(question.seconds + 30),
        lambda _: None,
        lambda _, answer: got.append(answer),
    )
    answer = got[0] if got else Failed("malformed", f"{node} did not say what became of the script.")
    if isinstance(answer, Failed) and not access.way and access.attempts[-1].stage in BEFORE_IT_RAN:
        raise NodeUnreachable(f"{node} cannot be reached: {answer.why}", answer.hint)
    return answer


def _ref(session: Session, node: str) -> NodeRef:
    session.gather([], nodes=[])
    value = session.get(Nodes)
    known = value.windows if isinstance(value, Nodes) else ()
    return next((n.ref for n in known if n.name == node), NodeRef(node))


def act(
    session: Session, node: str, script: str, sent: dict[str, Any], seconds: float
) -> Acted | Refused | Failed:
    """Run an act (made by `noted`). Failed holds PowerShell's own words."""
    answer = ask(session, node, Asked("act", script, sent, seconds))
    if isinstance(answer, Failed):
        return answer
    if answer.error is not None:
        if answer.error.type == "kwinnow.deadline":
            why = f"The act did not end within {seconds:g} s; it may still be running on {node}."
            return Failed("deadline", why, "Run it again later: it goes on where this one stopped.")
        return Failed("script", f"PowerShell on {node} says: {answer.error.type}: {answer.error.message}")
    try:
        if decoded(answer.value, _Refusal).refused:
            refusal: Refused = decoded(answer.value, Locked | UndoneAlready | Untrusted)  # type: ignore[arg-type]
            return refusal
        return decoded(answer.value, Acted)
    except msgspec.DecodeError as error:
        return Failed("malformed", f"The answer of the act cannot be read: {error}.")


def entries(session: Session, node: str, step: str = "") -> list[Entry] | Failed:
    """The node's own journal of one step (of all, for ""), oldest first.

    NodeUnreachable if nobody was let in, FolderNotOurs where it may be planted.
    """
    text = "\n".join(script_text(name, PACKAGE) for name in ("node_folder.ps1", "node_journal_read.ps1"))
    question = Asked("node_journal", text, {}, READ_SECONDS)
    answer = ask(session, node, question)
    if isinstance(answer, Failed):
        return answer
    if answer.error is not None:
        return Failed("script", f"The journal on {node} cannot be read: {answer.error.message}")
    try:
        if decoded(answer.value, _Refusal).refused:
            raise not_ours(node, decoded(answer.value, Untrusted))
        said = decoded(answer.value, _Said)
    except msgspec.DecodeError as error:
        return Failed("malformed", f"The journal on {node} cannot be read: {error}.")
    return [e for e in read_entries(said.journal.encode()) if step in ("", e.step)]


def local_time(seconds: int) -> str:
    """Seconds since 1970 as a person reads them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
