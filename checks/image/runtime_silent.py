"""What to say where the images on a node's disk are not known: mostly because their keeper does not run."""

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
