"""vmcompute, the service of Windows that makes containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.cases import fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import not_ready, service
from checks.effects import NO_RUNTIME
from checks.finding import ERROR, INFO, Problem, Said
from checks.relations import serious
from facts.access import ThisNode
from facts.cluster.workloads import Events, Pods
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.runtime import Sandboxes
from facts.node.windows import Services

_HCS = re.compile(r"0x[8c]037[0-9a-f]{4}|hcs::|hcsshim|\(0x6b[ae]\)", re.I)
_PLEG_ILL = re.compile(r"PLEG is not healthy", re.I)  # a runtime that stands still says so as well
_RUNTIMES = ("containerd", "docker")
_PLEG = "PLEG is not healthy: pleg was last seen active 12m41.1s ago; threshold is 3m0s"


@check(
    "runtime.vmcompute",
    title="The Host Compute Service runs",
    severity=ERROR,
    explains=[
        *NO_RUNTIME,
        cause_of("runtime.containerd.stopped", when=serious),
    ],
    cases=[
        Case(
            "with pods on the node",
            FLANNEL_2022,
            (service("vmcompute", state="Stopped"),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "disabled",
            CLASSIC_2019,
            (service("vmcompute", state="Stopped", start_mode="Disabled"), fields(Sandboxes, sandboxes=())),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "the kubelet notices",
            FLANNEL_2022,
            (service("vmcompute", state="Stopped"), fields(Sandboxes, sandboxes=()), not_ready(_PLEG)),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "on demand, and nobody asked",
            FLANNEL_2022,
            (
                service("vmcompute", state="Stopped"),
                fields(Sandboxes, sandboxes=()),
                fields(Events, items=()),
            ),
            finds="node",
            severity=INFO,
        ),
        Case(
            "since the restart containerd stands still, so that nobody asked",
            FLANNEL_2022,
            (
                service("vmcompute", state="Stopped", start_mode="Manual"),
                service("containerd", state="Stopped", exit_code=1067),
                fails(Sandboxes, "crictl: the pipe is not there", "script"),
                not_ready(_PLEG),
            ),
            finds="node",
            severity=INFO,
        ),
        Case("not known", FLANNEL_2022, (fails(Services),), unknown=True),
    ],
)
def vmcompute(
    node: ThisNode,
    services: Services,
    sandboxes: Sandboxes | Failed | NotApplicable,
    pods: Pods | Failed,
    events: Events | Failed,
) -> Iterator[Said]:
    """No container can be made or stopped; calls fail with 0x8037…, with 0x6ba, or do not come back.

    Rule: the service vmcompute does not run, and there are sandboxes on the node, or something fails (an HCS code in
    an event; `PLEG is not healthy` while the runtime runs), or it is disabled: error. Where no container was asked
    for, Windows starts it on demand: info.
    Remedy: `Start-Service vmcompute`; if it is missing, `Install-WindowsFeature Containers` and restart the node. If it
    ends again look at `Get-WinEvent Microsoft-Windows-Hyper-V-Compute-Admin`.
    Confused with: containerd that stands still: then vmcompute runs.
    Source: microsoft/SDN, Kubernetes/windows/debug/collectlogs.ps1; microsoft/hcsshim, internal/hcs/errors.go.
    """
    found = services.named("vmcompute")
    if found is not None and found.state == "Running":
        return
    state = f"{found.state}, start mode {found.start_mode}" if found else "no service vmcompute"
    ready = node.object.condition("Ready")
    told = [ready.message] if ready is not None and ready.status == "False" else []
    if isinstance(events, Events):
        here = (
            {node.name, *(p.metadata.name for p in pods.on(node.name))}
            if isinstance(pods, Pods)
            else {node.name}
        )
        told += [e.message for e in events.items if e.type == "Warning" and e.involved_object.name in here]
    runtime = services.named(*_RUNTIMES)
    up = runtime is None or any(services.running(name) for name in _RUNTIMES)
    sign = next((text for text in told if _HCS.search(text) or (up and _PLEG_ILL.search(text))), "")
    running = [s for s in sandboxes.sandboxes if s.ready] if isinstance(sandboxes, Sandboxes) else []
    serious_now = (
        found is None
        or found.start_mode == "Disabled"
        or bool(sign or running)
        or (up and isinstance(sandboxes, Failed))
    )
    why = f"; {len(running)} sandboxes are on the node" if running else ""
    yield Problem(
        f"The Host Compute Service of {node.name} does not run ({state}){why}.",
        severity=ERROR if serious_now else INFO,
        proof={Services: f"vmcompute: {state}", **({ThisNode: sign[:300]} if sign else {})},
    )
