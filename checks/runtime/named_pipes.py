"""Names of pipes in the spellings that kubelet and containerd use."""

from __future__ import annotations

import re

_PIPE = re.compile(r"(?:npipe:)?/*\.?/pipe/(.+)$", re.I)


def pipe_of(address: str) -> str:
    """The pipe's name: `npipe:////./pipe/NAME`, `npipe://./pipe/NAME` and `\\\\.\\pipe\\NAME` → NAME; else empty."""
    found = _PIPE.match(address.strip().strip("\"'").replace("\\", "/"))
    return found.group(1) if found else ""
