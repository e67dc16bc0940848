"""A bulk list of pods: kwinnow's typed subset against the models of the official client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.pairs import Ratio, side_by_side


@contextmanager
def _served(count: int) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.pod_server", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def measure(pairs: int, count: int = 10_000) -> list[Ratio]:
    """Both read in pages of 500; what is timed ends when every pod is an object."""
    from kubernetes import client

    from facts.cluster.objects import PodObject
    from targets.cluster import PAGE, Cluster
    from targets.kubeconfig import Chosen, ClusterEntry, UserEntry

    with _served(count) as url:
        nowhere = Path("/nowhere")
        chosen = Chosen(
            "bench", "default", "k", ClusterEntry(server=url), nowhere, "me", UserEntry(), nowhere
        )
        ours = Cluster(chosen, environ={}, seconds=600)
        theirs: Any = client.CoreV1Api(client.ApiClient(client.Configuration(host=url)))

        def typed() -> None:
            assert len(ours.list("/api/v1/pods", PodObject)) == count

        def models() -> None:
            found: list[Any] = []
            more: str | None = None
            while more != "":
                page = theirs.list_pod_for_all_namespaces(limit=PAGE, _continue=more)
                found += page.items
                more = page.metadata.var_continue or ""
            assert len(found) == count

        typed()  # the server prepares its pages before anything is timed
        theirs.list_pod_for_all_namespaces(limit=1)
        return [
            side_by_side(
                f"{count:,} pods: models of the official client ÷ typed subset", typed, models, pairs
            )
        ]
