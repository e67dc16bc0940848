"""What the tests of streams share."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from badserver import Call
from realcluster import b64
from testpki import Authority

from targets.cluster import Cluster
from targets.kubeconfig import Chosen, ClusterEntry, UserEntry
from targets.stream import Feed


def cluster_at(url: str, authority: Authority | None = None) -> Cluster:
    data = b64(authority.certificate) if authority else ""
    entry = ClusterEntry(server=url, certificate_authority_data=data)
    nowhere = Path("/nowhere")
    chosen = Chosen("prod", "default", "k", entry, nowhere, "ops", UserEntry(token="t"), nowhere)
    return Cluster(chosen, environ={}, seconds=10)


def query(call: Call) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(call.path).query).items()}


def take(feed: Feed[Any], count: int) -> list[Any]:
    """The next `count` rows, or fewer if the feed was closed before."""
    rows: list[Any] = []
    while len(rows) < count and not (feed.closed and not rows):
        assert feed.wait(10), f"only {rows} came"
        rows += feed.drain(count - len(rows))
        if feed.closed and len(rows) < count:
            rows += feed.drain(count - len(rows))
            break
    return rows
