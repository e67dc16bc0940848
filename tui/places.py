"""Where kwinnow keeps files of its own, and those that a person keeps."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Journals, the audit log, saved findings, the console's state. KWINNOW_STATE overrides it."""
    given = os.environ.get("KWINNOW_STATE")
    if given:
        return Path(given)
    from platformdirs import user_state_path

    return user_state_path("kwinnow")


def kept_folder() -> Path:
    """What a person saved on purpose: copies, logs. The state folder, but KWINNOW_KEPT overrides it: the state of a
    practice cluster goes when it ends, and these must not.
    """
    given = os.environ.get("KWINNOW_KEPT")
    return Path(given) if given else state_folder()
