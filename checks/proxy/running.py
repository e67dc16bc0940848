"""Does kube-proxy run on the node, in a mode that exists on Windows, for the node's own name?"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, fails
from checks.causes import cause_of
from checks.check import check
from checks.edits import no_service
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from checks.proxy.settings import (
    HIDDEN,
    NOT_WORKING,
    NOTHING_PROGRAMMED,
    lines_since_it_worked,
    proxy_pod,
    says,
    told_elsewhere,
    unseen,
)
from checks.workload.edits import without_pods
from facts.access import ThisNode
from facts.cluster.workloads import Pods
from facts.derived.stack import Stack
from facts.fact import Fact, Failed
from facts.node.kubernetes import KubeProxy, NodeLogs
from facts.node.windows import Os, Process, Processes, Service, Services

KNOWN_CNI = ("flannel", "calico")


def _without_process(draft: Draft) -> None:
    found = draft.get(Processes)
    left = tuple(p for p in found.processes if p.name.lower() != "kube-proxy.exe")
    draft.put(Processes, replace(found, processes=left))


def _in_a_session(*containers: int) -> Change:
    """kube-proxy alone in session 2, as start.ps1 leaves it in a remote desktop; no service starts it."""

    def apply(draft: Draft) -> None:
        found = draft.get(Processes)
        one = Process("kube-proxy.exe", 4711, command_line=r"C:\k\kube-proxy.exe --v=4", session=2)
        rest = tuple(p for p in found.processes if p.name.lower() != "kube-proxy.exe")
        draft.put(Processes, replace(found, processes=(*rest, one), container_sessions=containers))
        no_service("kube-proxy")(draft)

    return apply


def _state(service: Service | None) -> str:
    if service is None:
        return "no service kube-proxy"
    return f"service {service.name}: {service.state}, start mode {service.start_mode}"


@check(
    "proxy.not-running",
    title="One kube-proxy runs on the node",
    severity=ERROR,
    explains=[*NOTHING_PROGRAMMED],
    cases=[
        Case(
            "its DaemonSet is gone",
            FLANNEL_2022,
            (_without_process, without_pods("kube-proxy")),
            finds="node",
        ),
        Case("its service stopped", CLASSIC_2019, (_without_process,), finds="node"),
        Case("started by start.ps1 in a remote desktop", CLASSIC_2019, (_in_a_session(),), quiet=True),
        Case("one inside a container is not the host's", CLASSIC_2019, (_in_a_session(2),), finds="node"),
        Case(
            "one as a service and one as a pod",
            FLANNEL_2022,
            (
                change(
                    Services,
                    lambda s: replace(s, services=(*s.services, Service("kube-proxy", "Running", "Auto"))),
                ),
            ),
            finds="node",
        ),
        Case("processes cannot be listed", FLANNEL_2022, (fails(Processes),), unknown=True),
    ],
)
def not_running(
    node: ThisNode, processes: Processes, services: Services, pods: Pods, stack: Stack
) -> Iterator[Said]:
    """kube-proxy turns Services into load balancers in HNS. Without it no ClusterIP answers on the node, DNS neither.

    Rule: there is no kube-proxy.exe on the host and no HostProcess pod of kube-proxy that is ready: error. A
    running service and a ready pod at the same time fight over HNS: error too. With a CNI that kwinnow does not
    know (it may bring a proxy of its own) the question is skipped.
    Remedy: kubeadm deploys no kube-proxy for Windows: apply the DaemonSet kube-proxy-windows of sig-windows-tools,
    or `Start-Service kube-proxy` where it is a service; remove one of two.
    Confused with: a Linux kube-proxy pod that was sent to this node and hangs (node.linux-daemonsets).
    Source: kubernetes-sigs/sig-windows-tools hostprocess/README.md and hack/DebugWindowsNode.ps1.
    """
    pod = proxy_pod(node.name, pods)
    service = services.named("kube-proxy", "kubeproxy")
    process = processes.named("kube-proxy")
    if service is not None and service.state == "Running" and pod is not None and pod.ready:
        yield Problem(
            f"Two kube-proxies run here: the service {service.name} and pod {pod.metadata.name}; they fight over HNS.",
            proof={Services: _state(service), Pods: f"{pod.metadata.namespace}/{pod.metadata.name}: ready"},
        )
    if process or (pod is not None and pod.ready):
        return
    if stack.cni not in KNOWN_CNI and service is None and pod is None:
        yield Skip("The CNI is not one that kwinnow knows, and it may come with a proxy of its own.")
        return
    proof: dict[type[Fact], str] = {
        Processes: f"no kube-proxy.exe of the host among {len(processes.processes)} processes",
        Services: _state(service),
    }
    if pod is None:
        how = "no HostProcess pod of kube-proxy is on this node" if service is None else _state(service)
        yield Problem(f"kube-proxy does not run: {how}.", proof=proof)
        return
    waiting = next((s.state.waiting for s in pod.status.statuses if s.state.waiting), None) or {}
    why = str(waiting.get("reason") or pod.status.reason or pod.status.phase)
    yield Problem(
        f"kube-proxy does not run: its pod {pod.metadata.name} is not ready ({why}).",
        proof={
            **proof,
            Pods: f"{pod.metadata.namespace}/{pod.metadata.name}: {why} {waiting.get('message', '')}".strip(),
        },
    )


@check(
    "proxy.mode",
    title="kube-proxy runs in kernelspace mode",
    severity=ERROR,
    explains=[*NOT_WORKING],
    cases=[
        Case(
            "ipvs on Windows",
            CLASSIC_2019,
            (change(KubeProxy, lambda p: replace(p, flags=p.flags | {"proxy-mode": "ipvs"})),),
            finds="node",
        ),
        Case(
            "a program that does not know the mode",
            CLASSIC_2019,
            (
                says(
                    'error: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: "kernelspace": must be '
                    "userspace,iptables,ipvs or blank"
                ),
            ),
            finds="node",
        ),
        Case("its command line is hidden", FLANNEL_2022, (HIDDEN,), unknown=True),
    ],
)
def mode(proxy: KubeProxy, logs: NodeLogs | Failed) -> Iterator[Said]:
    """On Windows kube-proxy has one mode that works: kernelspace, load balancers in HNS.

    Rule: `--proxy-mode` is given and is not kernelspace; or kube-proxy's log says that kernelspace is no mode, as a
    program does that was not built for Windows.
    Remedy: start it with `--proxy-mode=kernelspace`; one that refuses that is replaced by kube-proxy.exe of the
    cluster's version (dl.k8s.io/VERSION/bin/windows/amd64/kube-proxy.exe).
    Confused with: missing direct server return, which is a separate flag.
    Source: microsoft/SDN Kubernetes/flannel/start-kubeproxy.ps1; userspace mode went in Kubernetes 1.26.
    """
    refused = next(
        (t for t in reversed(lines_since_it_worked(logs)) if 'Invalid value: "kernelspace"' in t), ""
    )
    if refused:
        yield Problem(
            "This kube-proxy does not know the mode kernelspace: its program was not built for Windows, or is broken.",
            proof={NodeLogs: refused},
        )
        return
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    given = proxy.flags.get("proxy-mode", "")
    if given and given.lower() != "kernelspace":
        yield Problem(
            f"kube-proxy is started with --proxy-mode={given}; on Windows only kernelspace works.",
            proof={KubeProxy: f"--proxy-mode={given}"},
        )


@check(
    "proxy.hostname-mismatch",
    title="kube-proxy knows the node by its name",
    severity=ERROR,
    explains=[cause_of("service.nodeport.lb-present")],
    cases=[
        Case(
            "the override names another node",
            CLASSIC_2019,
            (change(KubeProxy, lambda p: replace(p, flags=p.flags | {"hostname-override": "win-old"})),),
            finds="node",
        ),
        Case(
            "no override, and the node is called by its address",
            CLASSIC_2019,
            (
                change(
                    KubeProxy,
                    lambda p: replace(
                        p, flags={k: v for k, v in p.flags.items() if k != "hostname-override"}
                    ),
                ),
            ),
            finds="node",
        ),
        Case(
            "no override on the command line, but a configuration file",
            FLANNEL_2022,
            (
                change(
                    KubeProxy,
                    lambda p: replace(
                        p, flags={k: v for k, v in p.flags.items() if k != "hostname-override"}
                    ),
                ),
                change(Os, lambda o: replace(o, hostname="EC2AMAZ-1")),
            ),
            unknown=True,
        ),
        Case("its command line is hidden", FLANNEL_2022, (HIDDEN,), unknown=True),
        Case("the override is the name", FLANNEL_2022, (), quiet=True),
    ],
)
def hostname_mismatch(node: ThisNode, proxy: KubeProxy, os: Os | Failed) -> Iterator[Said]:
    """kube-proxy takes an endpoint for local when its node has kube-proxy's own name. Under another name it makes
    remote endpoints over local ones, and pods lose their network.

    Rule: `--hostname-override`, or without it the host name in lower case, is not the Node's name. A configuration
    file or a start script may say it too: then it cannot be told.
    Remedy: start kube-proxy with `--hostname-override=NODE`, NODE as `kubectl get nodes` has it.
    Confused with: a node name that DNS does not know.
    Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/; Microsoft's common problems page.
    """
    if (doubt := unseen(proxy)) is not None:
        yield doubt
        return
    # kube-proxy takes the name in lower case, whoever gives it.
    override = proxy.flags.get("hostname-override", "").strip().lower()
    if not override and isinstance(os, Failed):
        yield CannotTell(f"kube-proxy goes by the host name, and that is not known: {os.why}")
        return
    name = override or (os.hostname.lower() if isinstance(os, Os) else "")
    if name and name != node.name and not override and (place := told_elsewhere(proxy)):
        yield CannotTell(
            f"{place} may tell kube-proxy its name; by the host name it would be {name}, and the node is {node.name}."
        )
    elif name and name != node.name:
        origin = "--hostname-override" if override else "the host name"
        yield Problem(
            f"kube-proxy takes itself for {name} (from {origin}), and the node is {node.name}: it takes all "
            "endpoints for remote.",
            proof={
                KubeProxy: f"--hostname-override={override}" if override else proxy.arguments,
                ThisNode: f"name: {node.name}",
            },
        )
