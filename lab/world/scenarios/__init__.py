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


def build(scenario: str, now: float, epoch: float | None = None, culture: str = "en-US") -> World:
    """The healthy world of `scenario` at `now` (seconds since the epoch), consequences included.

    `epoch` is what the relative times of machines count from (default: `now`). `culture` is the language of Windows
    on the nodes: en-US, de-DE, zh-CN. KeyError for an unknown scenario. Everything is dated as if it
    had come up a day before.
    """
    world = BUILDERS[scenario](scenario, now if epoch is None else epoch)
    world.now = now
    for machine in world.windows.values():
        machine.os.ui_culture = culture
        machine.os.oem_code_page = {"de": 850, "zh": 936}.get(culture[:2], 437)
    world.changed_at = now - 82_000
    derive(world)
    world.changed_at = 0.0
    return world
