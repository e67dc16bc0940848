"""Start a service that stands still, and have it start with Windows again."""

from __future__ import annotations

from typing import Literal

from checks.finding import Finding
from checks.ids import CheckId
from facts.node.windows import Services
from facts.session import Session
from playbooks.step import Data, NotPossible, Parameters, step

# The services whose standing still each check finds, in the order in which they are looked for.
SERVICES: dict[CheckId, tuple[str, ...]] = {
    "kubelet.not-running": ("kubelet",),
    "runtime.containerd.stopped": ("containerd",),
    "runtime.docker.service-stopped": ("docker",),
    "hns.service": ("hns",),
    "proxy.not-running": ("kube-proxy", "kubeproxy"),
    "runtime.vmcompute": ("vmcompute",),
}

# What an undo brings about that stops them again.
STOPPED: dict[CheckId, str] = {
    "kubelet.not-running": "The node becomes NotReady within a minute; after five more its pods are evicted and made "
    "anew on other nodes, while their containers here run on.",
    "runtime.containerd.stopped": "No pod on this node can be started, stopped or listed, a kubelet that depends on it "
    "stops too and stays so when this step is run again (kwinnow fix kubelet.not-running starts it), and the node "
    "becomes NotReady within a minute or so.",
    "runtime.docker.service-stopped": "The containers of all pods on this node stop, the kubelet has no runtime, and "
    "the node becomes NotReady.",
    "hns.service": "No pod network can be made or read: new pods on this node get no address, and changes of Services "
    "do not reach it.",
    "proxy.not-running": "Changes of Services no longer reach this node: from its pods, ClusterIPs and DNS fail as "
    "soon as the pods behind them are others.",
    "runtime.vmcompute": "No container on this node can be made or stopped: its pods stay as they are.",
}
UNDO_RADIUS: dict[CheckId, str] = {
    check: f"If it was stopped before: Stop-Service -Force stops the service and all services that depend on it. {then}"
    for check, then in STOPPED.items()
}


class Start(Data, frozen=True):
    name: str
    start_mode: Literal["Automatic", "Manual"]

    def fits(self, check: CheckId) -> bool:
        """Only the services that the check is about."""
        return self.name.lower() in SERVICES[check]


class StartBefore(Data, frozen=True):
    """State and StartMode as Win32_Service has them."""

    state: Literal[
        "Running",
        "Stopped",
        "Start Pending",
        "Stop Pending",
        "Continue Pending",
        "Pause Pending",
        "Paused",
        "Unknown",
    ]
    start_mode: Literal["Boot", "System", "Auto", "Manual", "Disabled"]


@step(
    *SERVICES,
    title="Start the service and set it to start automatically",
    blast_radius="Starts one stopped Windows service on this node, and those that it depends on. Nothing is restarted.",
    script="start_service.ps1",
    undo="start_service_undo.ps1",
    undo_says="Sets the start mode back, and stops the service, with those that need it, if it was stopped before.",
    undo_blast_radius=UNDO_RADIUS,
    takes=Start,
    leaves=StartBefore,
)
def start(session: Session, node: str, finding: Finding) -> Parameters:
    """The name of the service as this node has it."""
    names = SERVICES[finding.id]
    services = session.get(Services, node)
    if not isinstance(services, Services):
        raise NotPossible(f"The services of {node} are not known, so nothing can be started.")
    service = services.named(*names)
    if service is None:
        raise NotPossible(f"{node} has no service {' or '.join(names)}: it must be installed, not started.")
    # HNS and vmcompute are started on demand by design; forcing them to Auto would differ from every other node.
    mode = (
        "Manual"
        if service.name.lower() in ("hns", "vmcompute") and service.start_mode != "Auto"
        else "Automatic"
    )
    return {"name": service.name, "start_mode": mode}
