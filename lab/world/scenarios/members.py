"""A Windows application whose pods find each other: they ask the API server for their addresses and call them."""

from __future__ import annotations

from lab.world.models.programs import MEMBER_PORT, MEMBERS
from lab.world.scenarios.workloads import WINDOWS, WINDOWS_TOLERATION, container, deployment, env
from lab.world.state import World

NAME = "win-cart"


def install(world: World) -> None:
    """One member on each Windows node, ready while it reaches the others; from the image of the web front."""
    front = world.get("apps/v1", "Deployment", "win-web", "shop")["spec"]["template"]["spec"]["containers"][0]
    item = deployment(
        NAME,
        "shop",
        len(world.windows),
        WINDOWS,
        [
            container(
                "cart",
                front["image"],
                ports=[{"containerPort": MEMBER_PORT, "protocol": "TCP"}],
                env=env(**{MEMBERS: NAME}),
                readinessProbe={"httpGet": {"path": "/ready", "port": MEMBER_PORT}, "periodSeconds": 10},
            )
        ],
        tolerations=WINDOWS_TOLERATION,
    )
    if not world.plan.classic:
        item["spec"]["template"]["spec"]["os"] = {"name": "windows"}
    world.put(item)
