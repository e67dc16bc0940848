"""Names of pipes in the spellings that kubelet and containerd use."""

from __future__ import annotations

import re

_PIPE = re.compile(r"(?:npipe:)?/*\.?/pipe/(.+)$", re.I)


def pipe_of(address: str) -> str:
    """The pipe's name: `npipe:////./pipe/NAME`, `npipe://./pipe/NAME` and `\\\\.\\pipe\\NAME` → NAME; else empty.

    Windows takes several slashes for one: Calico's install script writes `npipe:////.//pipe//NAME`.
    """
    found = _PIPE.match(re.sub("//+", "/", address.strip().strip("\"'").replace("\\", "/")))
    return found.group(1) if found else ""
