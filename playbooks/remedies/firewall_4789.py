"""Let VXLAN in: an inbound firewall rule for UDP 4789."""

from __future__ import annotations

from checks.finding import Finding
from facts.session import Session
from playbooks.step import Parameters, step


@step(
    "cni.flannel.firewall-4789",
    title="Allow inbound UDP 4789",
    blast_radius="Adds one inbound allow rule to the Windows firewall. Running pods and connections are not touched.",
    script="firewall_4789.ps1",
    undo="firewall_4789_undo.ps1",
    undo_says="Removes the rule again, or switches it off if it was there, switched off, before.",
)
def open_4789(session: Session, node: str, finding: Finding) -> Parameters:
    """The rule's name is the one that Microsoft's own scripts use, so that they find it."""
    return {"name": "OverlayTraffic4789UDP", "display_name": "Overlay Traffic 4789 UDP", "port": 4789}
