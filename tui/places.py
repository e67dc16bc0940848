"""Where kwinnow keeps files of its own."""

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
