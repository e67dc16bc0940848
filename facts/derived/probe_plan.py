"""Which connections are worth trying from a node."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from facts.derived.pause_image import PauseImage
from facts.fact import Fact, Failed, NotApplicable, derived
from facts.node.kubernetes import Kubeconfigs

DOCKER_HUB = "registry-1.docker.io"


class ProbeTarget(msgspec.Struct, frozen=True):
    purpose: str
    host: str
    port: int


def registry_of(reference: str) -> tuple[str, int]:
    """Host and port of an image reference, by Docker's rule: no dot, colon or localhost means Docker Hub."""
    first, slash, _ = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB, 443
    host, _, port = first.partition(":")
    return host, int(port) if port.isdigit() else 443


def server_of(address: str) -> tuple[ProbeTarget, ...]:
    """Host and port of an API server's address; nothing where it is mistyped, say with a port beyond 65535.

    Clients take one without a scheme, too (client-go, rest.DefaultServerURL).
    """
    try:
        server = urlsplit(address if "://" in address else f"https://{address}")
        return (ProbeTarget("api", server.hostname, server.port or 443),) if server.hostname else ()
    except ValueError:
        return ()


@derived
class ProbePlan(Fact, frozen=True):
    """The TCP connections that `tcp_probes` tries from one node."""

    targets: tuple[ProbeTarget, ...]

    @classmethod
    def derive(
        cls, kubeconfigs: Kubeconfigs | Failed, pause: PauseImage | Failed | NotApplicable
    ) -> ProbePlan | NotApplicable:
        targets: list[ProbeTarget] = []
        if isinstance(kubeconfigs, Kubeconfigs) and (used := kubeconfigs.kubelet or kubeconfigs.bootstrap):
            targets += server_of(used.server)
        if isinstance(pause, PauseImage) and pause.reference:
            targets.append(ProbeTarget("registry", *registry_of(pause.reference)))
        return (
            cls(tuple(targets)) if targets else NotApplicable("Nothing on the node names an address to try.")
        )
