"""Let VXLAN in: an inbound firewall rule for UDP 4789."""

from __future__ import annotations

from typing import Literal

from checks.cni.flannel_numbers import PORT, ipv4_of
from checks.cni.flannel_wire import shut
from checks.finding import Finding
from facts.access import ThisNode
from facts.fact import Failed
from facts.node.network import Adapters, Firewall
from facts.session import Session
from playbooks.step import Data, NotPossible, Parameters, step

NAME = "OverlayTraffic4789UDP"
NOT_KNOWN = Failed("derived", "Which profile applies is not known.")


class Rule(Data, frozen=True):
    name: Literal["OverlayTraffic4789UDP", "OverlayTraffic4789UDP-kwinnow"]
    display_name: Literal["Overlay Traffic 4789 UDP"]
    port: Literal[4789]


class RuleBefore(Data, frozen=True):
    rule: Literal["absent", "disabled", "enabled"]


@step(
    "cni.flannel.firewall-4789",
    title="Allow inbound UDP 4789",
    blast_radius="Adds one inbound allow rule to the Windows firewall. Running pods and connections are not touched.",
    script="firewall_4789.ps1",
    undo="firewall_4789_undo.ps1",
    undo_says="Removes the rule again, or switches it off if it was there, switched off, before.",
    undo_blast_radius="Overlay traffic to this node stops: what pods and nodes elsewhere send to its pods is dropped "
    "at the firewall, unless another rule allows UDP 4789. The pods run on; their connections to other nodes hang.",
    takes=Rule,
    leaves=RuleBefore,
)
def open_4789(session: Session, node: str, finding: Finding) -> Parameters:
    """The rule's name is the one that Microsoft's own scripts use, so that they find it.

    NotPossible where a rule blocks the port in a profile that applies: Windows lets a block win over every allow.
    """
    firewall = session.get(Firewall, node)
    if not isinstance(firewall, Firewall):
        raise NotPossible(f"The firewall rules of {node} are not known, so none can be added.")
    adapters, about = session.get(Adapters, node), session.get(ThisNode, node)
    address = ipv4_of(about.object) if isinstance(about, ThisNode) else ""
    _, rule = shut(firewall, adapters if isinstance(adapters, Adapters) else NOT_KNOWN, address)
    if rule is not None:
        shown = f"{rule.display_name} ({rule.name})" if rule.display_name else rule.name
        where = "by group policy" if rule.store == "GroupPolicy" else "on the node"
        raise NotPossible(
            f"The rule {shown}, set {where}, blocks UDP {PORT}, and a block wins over every rule that allows: "
            "have whoever set it take it away."
        )
    # A rule of that name that is on and does not help, say for another profile, is not ours to change.
    taken = any(r.name == NAME for r in firewall.rules)
    return {
        "name": f"{NAME}-kwinnow" if taken else NAME,
        "display_name": "Overlay Traffic 4789 UDP",
        "port": PORT,
    }
