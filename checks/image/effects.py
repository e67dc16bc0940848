"""What follows where no pod sandbox can be made: HostProcess pods need one too, so that CNI and kube-proxy go."""

from __future__ import annotations

from checks.causes import SAME_NODE, Link, cause_of
from checks.finding import ERROR, Finding
from checks.image.sandbox_events import Layer
from checks.relations import SILENT, serious


def by_image(cause: Finding, effect: Finding) -> bool:
    """The sandboxes fail now, and for their image: not for the network, and not for what may come one day."""
    return cause.severity is ERROR and Layer.IMAGE.value in effect.message


def still_posting(cause: Finding, effect: Finding) -> bool:
    """The kubelet itself says that the node is not ready: a missing sandbox does not silence it."""
    return cause.severity is ERROR and SILENT not in effect.message


NO_SANDBOX: tuple[Link, ...] = (
    cause_of("image.pause.event-pattern", SAME_NODE, by_image),
    cause_of("proxy.not-running", SAME_NODE, serious),
    cause_of("cni.none", SAME_NODE, serious),
    cause_of("cni.flannel.subnet-env", SAME_NODE, serious),
    cause_of("hns.network.absent", SAME_NODE, serious),
    cause_of("node.notready", SAME_NODE, still_posting),
)
