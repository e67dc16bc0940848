"""Whether the flannel daemons run what the ConfigMap says, and what the Linux side runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import CLUSTER, SAME_NODE, cause_of
from checks.check import Case, check
from checks.cni.flannel_numbers import (
    PORT,
    VNI,
    backend_text,
    is_vxlan,
    lease,
    linux_port,
    linux_vni,
    windows_vni,
)
from checks.cni.flannel_vni import remedy_in
from checks.cni.links import names_effect, no_packets
from checks.finding import ERROR, CannotTell, Object, Problem, Said, Skip, node_object
from facts.cluster.flannel import DaemonConfig, FlannelConfig, FlannelDaemons
from facts.cluster.nodes import Nodes
from facts.cluster.objects import ContainerState, NodeObject, PodObject
from facts.cluster.workloads import Pods
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable


def linux_daemons_say(vni: int, port: int) -> Change:
    """The Linux daemons' start line says these numbers."""

    def edit(found: FlannelDaemons) -> FlannelDaemons:
        line = f"VXLAN config: VNI={vni} Port={port} GBP=false Learning=false DirectRouting=false"
        told = [
            replace(d, vni=vni, port=port, line=line) if "windows" not in d.pod else d for d in found.daemons
        ]
        return replace(found, daemons=tuple(told))

    return change(FlannelDaemons, edit)


def config_changed_last() -> Change:
    """The ConfigMap was written after every pod had started."""
    return change(FlannelConfig, lambda f: replace(f, changed=datetime(2999, 1, 1, tzinfo=UTC)))


def _started(pod: PodObject) -> datetime | None:
    """When the daemon last started: its container, else the pod. None while it does not run: it reads anew then."""
    for status in pod.status.container_statuses:
        if "flannel" in status.name:
            text = str((status.state.running or {}).get("startedAt", ""))
            return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    return pod.status.start_time


def _crashes(pods: Pods) -> Pods:
    """flannel's containers wait for their next start."""

    def of(pod: PodObject) -> PodObject:
        waiting = tuple(
            replace(s, state=ContainerState(waiting={"reason": "CrashLoopBackOff"}))
            for s in pod.status.container_statuses
        )
        return (
            replace(pod, status=replace(pod.status, container_statuses=waiting)) if _is_flannel(pod) else pod
        )

    return replace(pods, items=tuple(map(of, pods.items)))


@check(
    "cni.flannel.restart-needed",
    title="The flannel pods run what the ConfigMap says",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.lease-annotations", CLUSTER, when=names_effect),
        cause_of("cni.flannel.linux-device", CLUSTER, when=names_effect),
        cause_of("cni.flannel.netconf-stale", CLUSTER, when=names_effect),
        cause_of("cni.flannel.vsid", CLUSTER, when=names_effect),
        cause_of("cni.flannel.remote-subnets", CLUSTER),
        *no_packets(CLUSTER),
    ],
    cases=[
        Case(
            "the ConfigMap was mended, Linux still runs VNI 1",
            FLANNEL_2022,
            (config_changed_last(), linux_daemons_say(1, 0)),
            "kube-flannel/kube-flannel-cfg",
        ),
        Case(
            "a later edit that changed neither VNI nor port",
            FLANNEL_2022,
            (config_changed_last(),),
            quiet=True,
        ),
        Case(
            "a daemon that does not run will read the new one",
            FLANNEL_2022,
            (config_changed_last(), linux_daemons_say(1, 0), change(Pods, _crashes)),
            quiet=True,
        ),
        Case(
            "the classic cluster",
            CLASSIC_2019,
            (config_changed_last(), linux_daemons_say(1, 0)),
            "kube-system/kube-flannel-cfg",
        ),
    ],
)
def restart_needed(
    flannel: FlannelConfig, nodes: Nodes, pods: Pods, daemons: FlannelDaemons | Failed | NotApplicable
) -> Iterator[Said]:
    """flanneld reads net-conf.json only when it starts: after an edit of the ConfigMap the old numbers stay
    in use.

    Rule: a flannel pod whose container started before the ConfigMap was last written, and whose own start
    line (or the lease that it wrote) shows another VNI or port than the ConfigMap now gives.
    Remedy: kubectl -n kube-flannel rollout restart daemonset -l app=flannel, Linux first, then Windows; on each
    Linux node ip link del flannel.1.
    Confused with: a ConfigMap that is itself wrong (cni.flannel.vni, cni.flannel.port).
    Source: flannel pkg/subnet/kube (the configuration is read once, when the subnet manager is made).
    """
    if not is_vxlan(flannel.conf) or not nodes.windows or flannel.changed is None:
        yield Skip(
            "flannel's vxlan back end is not in use with Windows nodes, or the ConfigMap has no time "
            "of change."
        )
        return
    objects = {n.name: n for n in nodes.items}
    told = daemons if isinstance(daemons, FlannelDaemons) else None
    stale: list[str] = []
    lines: list[str] = []
    unsure: list[str] = []
    for pod in pods.items:
        node = objects.get(pod.spec.node_name)
        if node is None or not _is_flannel(pod):
            continue
        started = _started(pod)
        if started is None or started >= flannel.changed:
            continue
        difference = _difference(flannel, node, told.on(node.name) if told else None)
        if difference is None:
            unsure.append(
                f"{pod.metadata.namespace}/{pod.metadata.name} (since {started:%Y-%m-%d %H:%M} UTC)"
            )
        elif difference:
            stale.append(node.name)
            lines.append(
                f"pod {pod.metadata.name} on {node.name}, started {started:%Y-%m-%dT%H:%M:%SZ}: {difference}"
            )
    if unsure:
        why = (
            f"{_some(unsure)} started before the ConfigMap was last written, and no line says with which numbers; "
            "restarting is certain."
        )
        yield CannotTell(why)
    if stale:
        where = Object("ConfigMap", "kube-flannel-cfg", flannel.namespace)
        text = (
            f"net-conf.json was changed at {flannel.changed:%Y-%m-%d %H:%M} UTC, and {len(stale)} "
            "flannel pods run the "
            f"old numbers: {_some(stale)}."
        )
        proof: dict[type[Fact], str] = {
            FlannelConfig: f"written {flannel.changed:%Y-%m-%dT%H:%M:%SZ}: {backend_text(flannel.raw)}",
            Pods: "\n".join(lines),
        }
        yield Problem(text, where, proof=proof, remedy=remedy_in(flannel.namespace, restart_needed))


def _is_flannel(pod: PodObject) -> bool:
    return any("flannel" in c.name for c in pod.spec.containers) and pod.metadata.namespace in (
        "kube-flannel",
        "kube-system",
    )


def _some(names: list[str]) -> str:
    """The first few names: a cluster may have hundreds."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _difference(flannel: FlannelConfig, node: NodeObject, daemon: DaemonConfig | None) -> str | None:
    """How the daemon differs from the ConfigMap: empty if it does not, None if that cannot be told."""
    windows = node.os == "windows"
    wanted_vni = windows_vni(flannel.conf) if windows else linux_vni(flannel.conf)
    wanted_port = (flannel.conf.port or PORT) if windows else linux_port(flannel.conf.port)
    held = lease(node.metadata.annotations)
    if daemon is not None and daemon.vni is not None:
        port = (daemon.port or PORT) if windows else linux_port(daemon.port)
        if (daemon.vni, port) == (wanted_vni, wanted_port):
            return ""
        return daemon.line or f"VNI {daemon.vni}, port {port}"
    if held is not None and held.vni is not None and held.vni != wanted_vni:
        return f"its lease says VNI {held.vni}"
    return None


def _silent(node: str) -> Change:
    """The kubelet of that node does not hand out the log of its flannel pod."""

    def of(daemon: DaemonConfig) -> DaemonConfig:
        if daemon.node != node:
            return daemon
        error = f"The API server has no way to the kubelet of {node}."
        return DaemonConfig(daemon.pod, daemon.namespace, node, error=error, hint="Look at that kubelet.")

    return change(FlannelDaemons, lambda f: replace(f, daemons=tuple(of(d) for d in f.daemons)))


@check(
    "cni.flannel.linux-device",
    title="The Linux side of flannel uses VNI 4096 and UDP 4789",
    severity=ERROR,
    explains=[cause_of("cni.flannel.lease-annotations", SAME_NODE), *no_packets(CLUSTER)],
    cases=[
        Case("VNI 1", FLANNEL_2022, (linux_daemons_say(1, 0),), "cp-1"),
        Case("only the port is the kernel's", FLANNEL_2022, (linux_daemons_say(4096, 0),), "cp-1"),
        Case(
            "its log no longer has the line",
            FLANNEL_2022,
            (
                change(
                    FlannelDaemons,
                    lambda f: replace(
                        f, daemons=tuple(replace(d, vni=None, port=None, line="") for d in f.daemons)
                    ),
                ),
            ),
            unknown=True,
        ),
        Case("the log of the Linux pod is not handed out", FLANNEL_2022, (_silent("cp-1"),), unknown=True),
        Case(
            "flannel runs on Linux in another way than as a pod",
            FLANNEL_2022,
            (
                change(
                    FlannelDaemons,
                    lambda f: replace(f, daemons=tuple(d for d in f.daemons if d.node != "cp-1")),
                ),
            ),
            unknown=True,
        ),
        Case("the log of a Windows pod is not handed out", FLANNEL_2022, (_silent("win-1"),), quiet=True),
        Case("as it should be", FLANNEL_2022, (linux_daemons_say(4096, 4789),), quiet=True),
    ],
)
def linux_device(flannel: FlannelConfig, nodes: Nodes, daemons: FlannelDaemons) -> Iterator[Said]:
    """A Linux node whose flannel device has another VNI or port sends packets that no Windows node
    understands.

    Rule: the line "VXLAN config: VNI=… Port=…" of a Linux flannel pod shows another VNI than 4096 (or the
    larger one that the ConfigMap sets) or another port than 4789; Port=0 means the kernel's own, 8472.
    Remedy: kubectl -n kube-flannel delete pod of that node, then ip link del flannel.1 there; proof on the
    node is ip -d link show flannel.4096, which must say "vxlan id 4096" and "dstport 4789".
    Confused with: an MTU that is too large: then small packets pass.
    Source: flannel pkg/backend/vxlan/vxlan.go;
    https://github.com/cloudfoundry-incubator/kubo-release/pull/320.
    """
    if not is_vxlan(flannel.conf) or not nodes.windows:
        yield Skip("flannel's vxlan back end is not in use with Windows nodes.")
        return
    wanted = flannel.conf.vni if flannel.conf.vni and flannel.conf.vni >= VNI else VNI
    look = f"On that node: ip -d link show flannel.{wanted}"
    unsure: dict[tuple[str, str], list[str]] = {}  # (why, hint) → nodes
    for node in nodes.linux:
        daemon = daemons.on(node.name)
        if daemon is None:
            if lease(node.metadata.annotations):  # else flannel has never been there
                unsure.setdefault(("flannel runs there in no pod whose log tells", look), []).append(
                    node.name
                )
            continue
        if daemon.error:
            unsure.setdefault((daemon.error, daemon.hint), []).append(node.name)
        elif daemon.vni is None:
            why = "the log of flannel's pod has no line with the VNI and port in use"
            unsure.setdefault((why, look), []).append(node.name)
        elif (daemon.vni, linux_port(daemon.port)) != (wanted, PORT):
            text = (
                f"flannel on the Linux node {node.name} runs with VNI {daemon.vni} and UDP "
                f"{linux_port(daemon.port)}; "
                f"Windows nodes use VNI {wanted} and UDP {PORT}."
            )
            # A device of the same VNI and another port flannel makes anew by itself.
            old = f", then ip link del flannel.{daemon.vni} on {node.name}" if daemon.vni != wanted else ""
            remedy = (
                f"kubectl -n {daemon.namespace} delete pod {daemon.pod}{old}; proof on the node is ip -d link show "
                f'flannel.{wanted}, which must say "vxlan id {wanted}" and "dstport {PORT}".'
            )
            yield Problem(
                text,
                node_object(node.name),
                proof={FlannelDaemons: f"pod {daemon.pod}: {daemon.line}"},
                remedy=remedy,
            )
    for (why, hint), names in unsure.items():
        yield CannotTell(f"{_some(names)}: {why}", hint=hint)
