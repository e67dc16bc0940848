"""The healthy clusters on which every check must be quiet.

Each is a recording of the real scripts' answers on the lab's healthy state, made by `make recordings` and
compared by CI. They stand in `facts/recordings/`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from facts.catalogue import load
from facts.recorded import opened
from facts.session import Session
from targets.recording import Recording

FLANNEL_2019 = "flannel-2019"
FLANNEL_2022 = "flannel-2022"
CLASSIC_2019 = "classic-2019"
STACKS = (FLANNEL_2019, FLANNEL_2022, CLASSIC_2019)


def path_of(stack: str) -> Path:
    """Where the example lies on disk."""
    return Path(str(resources.files("facts"))) / "recordings" / f"{stack}.jsonl.gz"


@cache
def example(stack: str) -> Session:
    """The example, every fact asked. Shared: copy its answers before you change one (`checks.cases` does)."""
    session = opened(Recording(path_of(stack)))
    session.gather([q.fact for q in load()])
    return session
