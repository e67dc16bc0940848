"""The healthy scenarios: each is a function from the time to a world of causes."""

from __future__ import annotations

from lab.world.derive import derive
from lab.world.scenarios import classic, flannel
from lab.world.state import World

BUILDERS = {
    "flannel-2019": flannel.build,
    "flannel-2022": flannel.build,
    "classic-2019": classic.build,
}
TITLES = {
    "flannel-2019": "Server 2019, containerd, kubeadm, flannel overlay as HostProcess pods (Kubernetes 1.31)",
    "flannel-2022": "Server 2022, containerd, kubeadm, flannel overlay as HostProcess pods (Kubernetes 1.31)",
    "classic-2019": "Server 2019, Docker EE and Kubernetes 1.18 in C:\\k, flannel overlay, services by nssm",
}


def build(scenario: str, now: float) -> World:
    """The healthy world of `scenario` at `now` (seconds since the epoch), consequences included.

    KeyError for an unknown scenario. Everything is dated as if it had come up a day before.
    """
    world = BUILDERS[scenario](scenario, now)
    world.changed_at = now - 82_000
    derive(world)
    world.changed_at = 0.0
    return world
