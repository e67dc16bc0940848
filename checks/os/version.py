"""Which Windows this is, and whether it is new enough for what it shall do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fails, fields
from checks.check import Case, check
from checks.cni.links import no_network, no_packets
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Severity, Skip
from facts.access import ThisNode
from facts.cluster.control_plane import ApiServer
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.hns import Hns
from facts.node.windows import Os

SERVER_2019 = 17763
RUNS = (SERVER_2019, 20348, 25398, 26100)
ENDED = {18362: "1903", 18363: "1909", 19041: "2004", 19042: "20H2"}
DOCUMENTED_UNTIL = 34  # last minor version whose documentation names Server 2019
OVERLAY = 379  # UBR of KB4489899 (12 March 2019)
OVERLAY_FIRST = 348  # UBR of KB4482887 (1 March 2019)


def release(build: int, ubr: int = 9999) -> Change:
    return change(Os, lambda o: replace(o, build=build, ubr=ubr))


def _kubernetes(version: str) -> Change:
    return change(ApiServer, lambda a: replace(a, version=version))


@check(
    "os.version.unsupported",
    title="This Windows can be a Kubernetes node",
    severity=ERROR,
    explains=[],
    cases=[
        Case("Server 2016", FLANNEL_2022, (release(14393),), "node", ERROR),
        Case("version 1909, out of service", FLANNEL_2019, (release(18363),), "node", ERROR),
        Case(
            "Windows 11",
            FLANNEL_2022,
            (change(Os, lambda o: replace(o, installation_type="Client")),),
            "node",
            ERROR,
        ),
        Case("Server 2019 with 1.35", FLANNEL_2019, (_kubernetes("v1.35.1"),), "node", WARN),
        Case("a build that nobody knows yet", FLANNEL_2022, (release(29999),), unknown=True),
        Case("the registry told no build", FLANNEL_2022, (release(0),), unknown=True),
        Case("Server 2025", FLANNEL_2022, (release(26100),), quiet=True),
        Case("Server 2019 with 1.18", CLASSIC_2019, quiet=True),
    ],
)
def unsupported(node: ThisNode, os: Os, stack: Stack | Failed, api: ApiServer | Failed) -> Iterator[Said]:
    """Three questions with three answers: does it run, does Kubernetes document it, does the CNI support it?

    It runs on builds 17763 (2019), 20348 (2022), 25398 (23H2) and 26100 (2025). Kubernetes documents 2022
    and 2025; 2019 was dropped around 1.35. Calico supports 2019 and 2022.

    Rule: a build below 17763, one of 18362, 18363, 19041, 19042, or a client edition is an error; 17763 with
    Kubernetes 1.35 or newer, and 26100 with Calico, are warnings; another unknown build cannot be judged.
    Remedy: join a new node on Server 2022 or 2025 and drain this one; never upgrade a joined node in place.
    Confused with: images made for another build (image.workload.os-mismatch).
    Source: Kubernetes, "Windows OS version support"; https://github.com/kubernetes/website/pull/53724;
    https://github.com/projectcalico/calico/issues/11691; Microsoft, "Windows Server release information".
    """
    shown = {Os: f"{os.product_name}, {os.version}, {os.installation_type or 'edition unknown'}"}
    problem: tuple[Severity, str] | None = None
    if not os.build:
        yield CannotTell("the node's registry did not tell the build of its Windows")
        return
    if os.build < SERVER_2019:
        problem = (
            ERROR,
            f"Build {os.build} is older than Server 2019 (17763), the first that Kubernetes runs on.",
        )
    elif os.build in ENDED:
        problem = (
            ERROR,
            f"Version {ENDED[os.build]} (build {os.build}) is out of service, and pause images from 3.7 "
            "on leave it out.",
        )
    elif os.installation_type == "Client":
        problem = ERROR, f"{os.product_name} is a client edition, which no production node should be."
    elif os.build == SERVER_2019 and isinstance(api, ApiServer) and _minor(api.version) > DOCUMENTED_UNTIL:
        problem = (
            WARN,
            f"Server 2019 still works with Kubernetes {api.version}, which no longer documents it.",
        )
    elif os.build == 26100 and isinstance(stack, Stack) and stack.cni == "calico":
        problem = WARN, "Calico does not officially support Server 2025 (build 26100)."
    if problem:
        yield Problem(f"{node.name}: {problem[1]}", severity=problem[0], proof={Os: shown[Os]})
    elif os.build not in RUNS:
        yield CannotTell(
            f"build {os.build} is none whose support is known",
            hint="Look it up under Windows OS version support.",
        )


def _minor(version: str) -> int:
    found = re.match(r"v?1\.(\d+)", version)
    return int(found.group(1)) if found else 0


@check(
    "os.ubr.overlay",
    title="Server 2019 has the update that overlay networks need",
    severity=ERROR,
    explains=[*no_network(), *no_packets()],
    cases=[
        Case("without any of the updates", FLANNEL_2019, (release(SERVER_2019, 316),), "node", ERROR),
        Case("with the first one only", CLASSIC_2019, (release(SERVER_2019, 350),), "node", WARN),
        Case("version 1803, which never got it", FLANNEL_2019, (release(17134, 1610),), "node", ERROR),
        Case("exactly new enough", FLANNEL_2019, (release(SERVER_2019, OVERLAY),), quiet=True),
        Case("Server 2022 has it from the start", FLANNEL_2022, (release(20348, 169),), quiet=True),
        Case(
            "another CNI with an overlay network in HNS",
            FLANNEL_2019,
            (fields(Stack, cni="calico", mode="", mode_origin=""), release(SERVER_2019, 316)),
            "node",
            ERROR,
        ),
        Case(
            "neither the CNI nor HNS tells the kind of network",
            FLANNEL_2019,
            (fails(Hns), fields(Stack, cni="", mode="", mode_origin=""), release(SERVER_2019, 316)),
            unknown=True,
        ),
        Case("the registry told no update level", FLANNEL_2019, (release(SERVER_2019, 0),), unknown=True),
    ],
)
def overlay_update(node: ThisNode, os: Os, stack: Stack, hns: Hns | Failed) -> Iterator[Said]:
    """On Server 2019 HNS refuses overlay endpoints (0x803b0008) before the updates of March 2019.

    Rule: build 17763 or older, an overlay CNI (by its configuration, or by an overlay network in HNS), and an update
    level (UBR) below 379: error; from 348 on a warning. 348 is KB4482887, which early guides name; 379 is KB4489899,
    which all later ones name and which contains it.
    Remedy: drain the node, install the latest cumulative update and reboot: Install-Module PSWindowsUpdate;
    Install-WindowsUpdate -AcceptAll -AutoReboot. What is older than Server 2019 is replaced by a new node.
    Confused with: other bugs of HNS. The update level decides, not the list of installed KBs: updates
    supersede each other.
    Source: microsoft/SDN Kubernetes/flannel/overlay README; Kubernetes, "Networking on Windows";
    https://github.com/microsoft/SDN/issues/273.
    """
    if not os.build or not os.ubr:
        yield CannotTell("the node's registry did not tell the build and update level (UBR) of its Windows")
        return
    if os.build > SERVER_2019:
        yield Skip(f"Build {os.build} is newer than Server 2019.")
        return
    old = os.build < SERVER_2019 or os.ubr < OVERLAY
    overlay = hns.overlay if isinstance(hns, Hns) else None
    if stack.mode != "overlay" and overlay is None:
        if not stack.mode and isinstance(hns, Failed) and old:
            yield CannotTell(
                f"Whether the node has an overlay network is not known: {hns.why}", hint=hns.hint
            )
        else:
            yield Skip("The node has no overlay network.")
        return
    if old:
        known = os.build == SERVER_2019 and os.ubr >= OVERLAY_FIRST
        text = (
            f"{node.name} is at {os.version}, and overlay networks need 10.0.{SERVER_2019}.{OVERLAY} "
            "(KB4489899)"
        )
        text += "; it has only KB4482887." if known else "."
        yield Problem(
            text,
            severity=WARN if known else ERROR,
            proof={
                Os: os.version,
                **(
                    {Stack: f"mode overlay: {stack.mode_origin}"}
                    if stack.mode == "overlay" or overlay is None
                    else {Hns: f"network {overlay.name}: Overlay"}
                ),
            },
        )
