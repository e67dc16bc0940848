"""Can the node use the registry that its pause image comes from?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import FLANNEL_2022, Case, Change, change
from checks.causes import cause_of
from checks.check import check
from checks.finding import ERROR, WARN, CannotTell, Problem, Said
from checks.image.effects import NO_SANDBOX
from checks.image.pause_fit import uses
from checks.image.pause_pull import gone, on_disk
from checks.image.pause_table import FROZEN_HOST, LOCAL_PATH, RECOMMENDED
from checks.image.reference import parse
from checks.image.runtime_silent import NOBODY_SAYS
from checks.relations import serious
from facts.derived.pause_image import PauseImage
from facts.fact import Failed, NotApplicable
from facts.node.probes import Probe, TcpProbes
from facts.node.runtime import Images
from facts.node.windows import Os


def _registry(outcome: str) -> Change:
    probe = Probe("registry", "registry.k8s.io", 443, outcome)
    return change(
        TcpProbes, lambda t: replace(t, probes=(*(p for p in t.probes if p.purpose != "registry"), probe))
    )


def _proxy(**values: str) -> Change:
    return change(Os, lambda o: replace(o, environment=o.environment | values))


@check(
    "image.pause.registry",
    title="The registry of the pause image can be used",
    severity=ERROR,
    explains=[cause_of("image.pause.pulled", when=serious), *NO_SANDBOX],
    cases=[
        Case("nobody says which one", FLANNEL_2022, (uses(""),), unknown=True),
        Case(
            "filtered, but pulls go through a proxy",
            FLANNEL_2022,
            (gone, _registry("timeout"), _proxy(HTTPS_PROXY="http://me:secret@proxy.corp.example:3128")),
            unknown=True,
        ),
        Case(
            "filtered, and the proxy is not for this registry",
            FLANNEL_2022,
            (
                gone,
                _registry("timeout"),
                _proxy(HTTPS_PROXY="http://proxy.corp.example:3128", NO_PROXY="10.0.0.0/8, .k8s.io"),
            ),
            finds="node",
        ),
        Case("filtered, and the image is missing", FLANNEL_2022, (gone, _registry("timeout")), finds="node"),
        Case("filtered, but the image is on disk", FLANNEL_2022, (_registry("timeout"),), quiet=True),
        Case(
            "the frozen registry", FLANNEL_2022, (uses("k8s.gcr.io/pause:3.6"),), finds="node", severity=WARN
        ),
    ],
)
def registry(
    pause: PauseImage,
    images: Images | Failed | NotApplicable,
    probes: TcpProbes | Failed | NotApplicable,
    os: Os | Failed,
) -> Iterator[Said]:
    """A pause image that is not on disk comes from its registry, or no pod starts.

    Rule: the image is missing and the node cannot open TCP to its registry: error (an image on disk needs no
    registry). Where HTTPS_PROXY is set for that host, the node's own connection says nothing. Host k8s.gcr.io: warn, it
    has been frozen since April 2023.
    Remedy: open the way from the node to the registry, set HTTPS_PROXY for the containerd service, or point
    sandbox_image at a mirror; make mirrors with `crane copy`, which keeps the Windows entries.
    Confused with: an index without this build: there the registry answers, and no platform matches.
    Source: containerd internal/cri/config; the default host changed from k8s.gcr.io to registry.k8s.io in 1.6.28.
    """
    if not pause.reference:
        yield NOBODY_SAYS
        return
    image = parse(pause.reference)
    if image.path.endswith(LOCAL_PATH):
        return
    present = on_disk(images, pause.reference) is not None if isinstance(images, Images) else None
    tried = probes.of("registry") if isinstance(probes, TcpProbes) else ()
    shut = next((p for p in tried if p.outcome not in ("open", "")), None)
    proxy = _proxy_for(shut.host, os.environment) if shut is not None and isinstance(os, Os) else ""
    if shut is not None and proxy and not present:
        yield CannotTell(
            f"Pulls from {shut.host} go through the proxy {proxy}, and whether that works is not known; directly "
            f"{shut.host}:{shut.port} does not answer.",
            hint=f"On the node `crictl pull {pause.reference}`: its last words tell.",
        )
    elif shut is not None and present is False:
        yield Problem(
            f"The node does not reach {shut.host}:{shut.port}: {_OUTCOMES.get(shut.outcome, shut.outcome)}; "
            f"{pause.reference} is not on its disk.",
            proof={
                TcpProbes: f"{shut.host}:{shut.port} {shut.outcome}",
                PauseImage: pause.reference,
                Images: "not on disk",
            },
        )
    elif shut is not None and present is None:
        yield CannotTell(
            f"{shut.host}:{shut.port} does not answer, and whether the image is on disk is not known."
        )
    if image.host == FROZEN_HOST:
        yield Problem(
            f"{pause.reference} comes from k8s.gcr.io, which has been frozen since April 2023; "
            "registry.k8s.io took its place.",
            severity=WARN,
            proof={PauseImage: f"{pause.reference} ({pause.origin})"},
            remedy=f"Set the sandbox image to {RECOMMENDED} in containerd's config.toml, then "
            "`Restart-Service containerd -Force`.",
        )


def _proxy_for(host: str, environment: dict[str, str]) -> str:
    """The proxy that programs on the node take for https://HOST, without its password; empty if they go directly."""
    values = {name.upper(): value.strip() for name, value in environment.items()}
    spared = (part.strip().lstrip("*.").lower() for part in values.get("NO_PROXY", "").split(","))
    if any(part and f".{host.lower()}".endswith(f".{part}") for part in spared):
        return ""
    return re.sub(r"//[^/@]*@", "//", values.get("HTTPS_PROXY", ""))


_OUTCOMES = {
    "refused": "the connection is refused",
    "timeout": "no answer (filtered, or no route)",
    "name": "its name does not resolve",
    "unreachable": "no route",
}
