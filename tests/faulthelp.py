"""What the tests of faults share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from apithings import Version

from targets.cluster import Cluster
from targets.errors import (
    TargetError,
)
from targets.kubeconfig import Chosen, ClusterEntry, UserEntry

CANARY = "canary-9f8e7d6c5b4a39281706f5e4d3c2b1a0"


VERSION = {"gitVersion": "v1.30.0"}


def cluster_at(url: str, **options: Any) -> Cluster:
    entry = ClusterEntry(server=url, **options.pop("entry", {}))
    folder = options.pop("folder", Path("/nowhere"))
    chosen = Chosen("prod", "default", "k", entry, folder, "ops", UserEntry(token=CANARY), folder)
    return Cluster(
        chosen, environ=options.pop("environ", {}), **{"seconds": 10.0, "read_seconds": 5.0, **options}
    )


def page(names: list[str], more: str = "", version: str = "7") -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"kind": "List", "metadata": {"continue": more, "resourceVersion": version}, "items": items}


def status(code: int, message: str = "no", reason: str = "", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": message, "reason": reason, "details": details}


def failure(cluster: Cluster, kind: type[TargetError]) -> TargetError:
    with pytest.raises(kind) as caught:
        cluster.get("/version", Version)
    error = caught.value
    assert type(error) is kind
    assert CANARY not in str(error) and CANARY not in repr(cluster.log.entries)
    assert cluster.log.entries[-1].outcome == error.kind
    return error
