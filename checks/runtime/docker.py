"""Docker as the runtime of the classic path (dockershim)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, fields
from checks.check import Case, check
from checks.edits import extra_service, node_object, service
from checks.effects import NO_RUNTIME
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.runtime.services import ended, reports_docker
from checks.versions import numbers
from facts.access import ThisNode
from facts.cluster.objects import NodeObject
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.runtime import Docker
from facts.node.windows import Service, Services


def _reports(runtime: str) -> Change:
    def edit(found: NodeObject) -> NodeObject:
        info = replace(found.status.node_info, container_runtime_version=runtime)
        return replace(found, status=replace(found.status, node_info=info))

    return node_object(edit)


@check(
    "runtime.docker.service-stopped",
    title="Docker runs",
    severity=ERROR,
    explains=NO_RUNTIME,
    cases=[
        Case("stands still", CLASSIC_2019, (service("docker", state="Stopped", exit_code=0),), finds="node"),
        Case(
            "left over beside containerd",
            FLANNEL_2022,
            (extra_service(Service("docker", "Stopped", "Manual")),),
            quiet=True,
        ),
        Case(
            "left over beside containerd, and the node has reported nothing yet",
            FLANNEL_2022,
            (extra_service(Service("docker", "Stopped", "Manual")), _reports("")),
            quiet=True,
        ),
    ],
)
def docker_stopped(
    node: ThisNode, services: Services, docker: Docker | Failed | NotApplicable
) -> Iterator[Said]:
    """The kubelet of the classic path has no runtime; Docker may not have started since the node was set up.

    Rule: the node reports docker://, the service docker exists and its state is not Running.
    Remedy: `Start-Service docker`; `Set-Service docker -StartupType Automatic`.
    Confused with: a client without administrator's rights: `error during connect` too, but the service runs.
    Source: MicrosoftDocs/Virtualization-Documentation, "Joining Windows nodes".
    """
    found = services.named("docker")
    if found is None or found.state == "Running":
        return
    reported = node.object.status.node_info.container_runtime_version
    if reported and not reports_docker(node):
        yield Skip(f"The kubelet reports {reported}; Docker is left over.")
        return
    if not reported and services.named("containerd") is not None:
        yield Skip("The kubelet has reported no runtime yet, and containerd is installed beside Docker.")
        return
    proof: dict[type[Fact], str] = {Services: f"docker: {ended(found)}"}
    if isinstance(docker, Docker) and docker.error:
        proof[Docker] = docker.error[:300]
    yield Problem(f"Docker on {node.name} does not run ({ended(found)}).", proof=proof)


@check(
    "runtime.docker.too-old",
    title="Docker is 18.09 or newer",
    severity=ERROR,
    cases=[
        Case("18.03", CLASSIC_2019, (fields(Docker, version="18.03.1-ee-3", error=""),), finds="node"),
        Case("18.09", CLASSIC_2019, (fields(Docker, version="18.09.9", error=""),), quiet=True),
        Case(
            "only the kubelet tells",
            CLASSIC_2019,
            (fields(Docker, version=""), _reports("docker://18.3.1")),
            finds="node",
        ),
        Case(
            "not told",
            CLASSIC_2019,
            (fields(Docker, version="", error="error"), _reports("docker://")),
            unknown=True,
        ),
    ],
)
def docker_too_old(node: ThisNode, docker: Docker) -> Iterator[Said]:
    """Older engines are not supported as a runtime of Windows nodes, and leave HNS endpoints behind.

    Rule: the node uses Docker (dockershim), and the version that the engine tells (or, where it does not answer, that
    the kubelet reported last) is below 18.09.
    Remedy: Install Docker EE or Mirantis Container Runtime 18.09 or newer, then restart the node.
    Confused with: the version of containerd, which is another program.
    Source: the book chapter's requirements (Docker EE-basic 18.09 or newer); MicrosoftDocs, "Kubernetes on Windows".
    """
    if not reports_docker(node):
        yield Skip("This node's kubelet does not use Docker.")
        return
    reported = node.object.status.node_info.container_runtime_version.partition("docker://")[2]
    text = docker.version or reported
    version = numbers(text)[:2]
    if not version:
        yield CannotTell(f"Docker on {node.name} does not tell its version: {docker.error or 'no answer'}")
    elif version < (18, 9):
        yield Problem(
            f"Docker on {node.name} is {text}; 18.09 is the oldest supported.", proof={Docker: text}
        )
