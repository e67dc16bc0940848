"""Start a service that stands still, and have it start with Windows again."""

from __future__ import annotations

from checks.finding import Finding
from checks.ids import CheckId
from facts.node.windows import Services
from facts.session import Session
from playbooks.step import NotPossible, Parameters, step

# The services whose standing still each check finds, in the order in which they are looked for.
SERVICES: dict[CheckId, tuple[str, ...]] = {
    "kubelet.not-running": ("kubelet",),
    "runtime.containerd.stopped": ("containerd",),
    "runtime.docker.service-stopped": ("docker",),
    "hns.service": ("hns",),
    "proxy.not-running": ("kube-proxy", "kubeproxy"),
    "runtime.vmcompute": ("vmcompute",),
}


@step(
    *SERVICES,
    title="Start the service and set it to start automatically",
    blast_radius="Starts one stopped Windows service on this node, and those that it depends on. Nothing is restarted.",
    script="start_service.ps1",
    undo="start_service_undo.ps1",
    undo_says="Sets the start mode back, and stops the service, with those that need it, if it was stopped before.",
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
