"""What to say where the pause image or the images on a node's disk are not known: mostly since their keeper is down."""

from __future__ import annotations

from checks.finding import CannotTell
from checks.ids import CheckId
from facts.access import ThisNode
from facts.derived.pause_image import PauseImage
from facts.fact import Failed
from facts.node.windows import Services

_KEEPER: dict[str, tuple[str, CheckId]] = {
    "docker": ("Docker", "runtime.docker.service-stopped"),
    "containerd": ("containerd", "runtime.containerd.stopped"),
}
# Where PauseImage has no reference.
NOBODY_SAYS = CannotTell(
    "Neither the runtime nor its configuration says which pause image is used.",
    hint="On the node `crictl info` names it (sandboxImage), or `containerd config dump`.",
)


def images_unknown(
    node: ThisNode, pause: PauseImage, images: Failed, services: Services | Failed
) -> CannotTell:
    """The doubt about the images: it names the runtime's finding where the runtime stands still."""
    service = services.named(pause.runtime) if isinstance(services, Services) else None
    if service is None or service.state == "Running":
        return CannotTell(images.why, hint=images.hint, because=(images,))
    name, check = _KEEPER[pause.runtime]
    return CannotTell(
        f"{name} on {node.name} does not run, and only {name} lists the images on its disk.",
        hint=f"Mend {check} first (`Start-Service {pause.runtime}`), then look again.",
        because=(images,),
    )
