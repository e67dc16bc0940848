"""SHA-256 of every script that kwinnow sends to a node, so that a security team can allow them by hash."""

from __future__ import annotations

import hashlib
from importlib import resources

from facts.collector.wire import script_text

PACKAGES = ("facts.collector", "facts.node.scripts")


def script_hashes(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Script name → lower-case SHA-256 of its text as it is sent: ASCII, LF, without comment and blank lines."""
    found: dict[str, str] = {}
    for package in packages:
        for entry in resources.files(package).iterdir():
            if entry.name.endswith(".ps1"):
                text = script_text(entry.name, package)
                found[entry.name] = hashlib.sha256(text.encode("ascii")).hexdigest()
    return dict(sorted(found.items()))
