"""How old is what is shown? As old as the oldest answer that it stands on, whatever was asked anew beside it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from facts.access import Access
from facts.fact import QUESTIONS, Origin
from tui.blend import Blend

if TYPE_CHECKING:
    from facts.answers import Answer, Key
    from facts.session import Session
    from tui.investigation import Knows


def oldest(knows: Knows) -> datetime | None:
    """When the oldest answer of cluster and nodes came, by the console's clock; None while there is none."""
    if isinstance(knows, Blend):
        through = set(knows.through)
        found = [a.at for (_, node), a in _asked(knows.former) if node not in through]
        found += [a.at for (_, node), a in _asked(knows.fresh) if node in through]
    else:
        found = [a.at for _, a in _asked(knows)]
    return min(found, default=None)


def _asked(session: Session) -> list[tuple[Key, Answer]]:
    """Answers with a time by the console's clock: what a node says bears its own, which may be wrong."""
    known = session.answers.copy().by_key  # others write while this is read
    return [(k, a) for k, a in known.items() if k[0] is Access or QUESTIONS[k[0]].origin is Origin.CLUSTER]
