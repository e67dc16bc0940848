"""flannel's DaemonSet for Windows: is there one, and how does it reach the API server?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fails
from checks.causes import CLUSTER
from checks.check import Case, check
from checks.cni.links import no_flanneld, on_windows, only
from checks.edits import extra_service
from checks.finding import ERROR, INFO, WARN, CannotTell, Finding, Object, Problem, Said, Skip
from facts.cluster.flannel import FlannelConfig, FlannelDaemons
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Container, DaemonSetObject, EnvVar
from facts.cluster.workloads import DaemonSets, ServiceObjects
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.needs import Each
from facts.node.windows import Service, Services

PLACEHOLDER = "KUBERNETES_SERVICE_HOST_VALUE"
OWN_WAY = ("kubeconfig", "kube-api-url")  # flanneld's arguments that name the API server


def windows_flannel(sets: DaemonSets) -> tuple[DaemonSetObject, ...]:
    """The DaemonSets that run flannel on Windows nodes."""
    return tuple(
        d
        for d in sets.items
        if any("flannel" in c.image or "flannel" in c.name for c in d.spec.template.spec.containers)
        and not any("kube-proxy" in c.name for c in d.spec.template.spec.containers)
        and (
            d.spec.template.spec.host_process
            or d.spec.template.spec.node_selector.get("kubernetes.io/os") == "windows"
        )
    )


def _env(name: str, value: str | None) -> Change:
    """Set a variable of the Windows flannel container; None removes it."""

    def of(container: Container) -> Container:
        rest = tuple(e for e in container.env if e.name != name)
        return replace(container, env=rest if value is None else (*rest, EnvVar(name, value)))

    def edit(sets: DaemonSets) -> DaemonSets:
        changed = []
        for item in sets.items:
            if item in windows_flannel(sets):
                spec = item.spec.template.spec
                spec = replace(spec, containers=tuple(of(c) for c in spec.containers))
                item = replace(item, spec=replace(item.spec, template=replace(item.spec.template, spec=spec)))
            changed.append(item)
        return replace(sets, items=tuple(changed))

    return change(DaemonSets, edit)


def _unread(*, ready: bool) -> Callable[[FlannelDaemons], FlannelDaemons]:
    """No log can be read: the kubelets are down, or a right is missing."""

    def edit(found: FlannelDaemons) -> FlannelDaemons:
        lost = (replace(d, line="", errors=(), error="refused", ready=ready) for d in found.daemons)
        return FlannelDaemons(tuple(lost))

    return edit


def _complains(line: str) -> Change:
    """Every flannel pod has logged that error."""
    return change(
        FlannelDaemons,
        lambda f: replace(f, daemons=tuple(replace(d, errors=(f"E0102 {line}",)) for d in f.daemons)),
    )


def _without_windows_flannel(sets: DaemonSets) -> DaemonSets:
    return replace(sets, items=tuple(d for d in sets.items if d not in windows_flannel(sets)))


def _stops_all(cause: Finding, effect: Finding) -> bool:
    """No flanneld on Windows comes through its start; a warning is about those that did all the same."""
    return cause.severity is ERROR and on_windows(cause, effect)


@check(
    "cni.flannel.api-access",
    title="flannel's HostProcess pods know the API server's own address",
    severity=ERROR,
    explains=only(no_flanneld(CLUSTER), _stops_all),
    cases=[
        Case(
            "no override",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", None),),
            "kube-flannel/kube-flannel-ds-windows-amd64",
        ),
        Case(
            "the manifest's placeholder",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", PLACEHOLDER),),
            "kube-flannel/kube-flannel-ds-windows-amd64",
            ERROR,
        ),
        Case(
            "the ClusterIP written out",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", "10.96.0.1"),),
            "kube-flannel/kube-flannel-ds-windows-amd64",
        ),
        Case(
            "no override, and kube-proxy was there first: a broken watch is no failed start",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", None), _complains("reflector.go:138] Failed to watch *v1.Node")),
            "kube-flannel/kube-flannel-ds-windows-amd64",
            WARN,
        ),
        Case(
            "no override; its log is not to be had, and its pods are ready",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", None), change(FlannelDaemons, _unread(ready=True))),
            "kube-flannel/kube-flannel-ds-windows-amd64",
            WARN,
        ),
        Case(
            "no override; its log is not to be had, and its pods are not ready",
            FLANNEL_2022,
            (_env("KUBERNETES_SERVICE_HOST", None), change(FlannelDaemons, _unread(ready=False))),
            "kube-flannel/kube-flannel-ds-windows-amd64",
            ERROR,
        ),
        Case("the Services could not be asked", FLANNEL_2022, (fails(ServiceObjects),), unknown=True),
        Case("the classic services use a kubeconfig", CLASSIC_2019, quiet=True),
    ],
)
def api_access(
    flannel: FlannelConfig,
    sets: DaemonSets,
    services: ServiceObjects | Failed,
    nodes: Nodes,
    daemons: FlannelDaemons | Failed | NotApplicable,
) -> Iterator[Said]:
    """flanneld starts before kube-proxy, so on a Windows host it cannot reach the API server by its
    ClusterIP.

    Rule: the container of the Windows flannel DaemonSet has no KUBERNETES_SERVICE_HOST of its own, or the
    manifest's placeholder, or the ClusterIP of Service default/kubernetes, and no argument that names a
    kubeconfig or the API server: error; a warning where flanneld runs all the same on every Windows node
    (kube-proxy was there first; where its log cannot be read the pod's status counts).
    Remedy: kubectl -n kube-flannel set env daemonset/NAME KUBERNETES_SERVICE_HOST=HOST
    KUBERNETES_SERVICE_PORT=PORT, with host and port of kubeconfig.conf in ConfigMap kube-system/kube-proxy.
    Confused with: kube-proxy that does not run, which at this moment is the normal state.
    Source: kubernetes-sigs/sig-windows-tools hostprocess/flannel (2023).
    """
    found = windows_flannel(sets)
    if not found:
        yield Skip("The cluster has no flannel DaemonSet for Windows.")
        return
    cluster_ips: tuple[str, ...] = ()
    for service in services.items if isinstance(services, ServiceObjects) else ():
        if (service.metadata.namespace, service.metadata.name) == ("default", "kubernetes"):
            cluster_ips = service.spec.addresses
    running = _all_run(nodes, daemons)
    for item in found:
        container = next(
            c for c in item.spec.template.spec.containers if "flannel" in c.image or "flannel" in c.name
        )
        if any(word in " ".join((*container.command, *container.args)) for word in OWN_WAY):
            continue
        env = {e.name: e.value for e in container.env}
        about = Object("DaemonSet", item.metadata.name, item.metadata.namespace)
        value = env.get("KUBERNETES_SERVICE_HOST")
        if value == "":
            yield CannotTell("KUBERNETES_SERVICE_HOST comes from another object", about)
            continue
        wrong = ""
        if value is None:
            wrong = "has no KUBERNETES_SERVICE_HOST of its own, so flanneld calls the ClusterIP"
        elif PLACEHOLDER in value:
            wrong = f"still has the manifest's placeholder {PLACEHOLDER}"
        elif isinstance(services, Failed):
            yield CannotTell(f"whether {value} is the ClusterIP of default/kubernetes: {services.why}", about)
        elif value in cluster_ips:
            wrong = f"has the ClusterIP {value} as KUBERNETES_SERVICE_HOST"
        if wrong:
            text = (
                f"flannel's DaemonSet {item.metadata.name} {wrong}, which no Windows host reaches "
                "before kube-proxy runs."
            )
            proof: dict[type[Fact], str] = {
                DaemonSets: f"container {container.name}: KUBERNETES_SERVICE_HOST={value or '(absent)'}"
            }
            windows = {n.name for n in nodes.windows}
            told = daemons.daemons if isinstance(daemons, FlannelDaemons) else ()
            lines = [f"{d.node}: {d.errors[-1]}" for d in told if d.errors and d.node in windows]
            if lines:
                proof[FlannelDaemons] = "\n".join(lines[:3])
            yield Problem(text, about, WARN if running and PLACEHOLDER not in (value or "") else ERROR, proof)


def _all_run(nodes: Nodes, daemons: FlannelDaemons | Failed | NotApplicable) -> bool:
    """Whether flanneld came through its start on every Windows node: by its log, else by its pod's status."""
    if not isinstance(daemons, FlannelDaemons) or not nodes.windows:
        return isinstance(daemons, Failed)  # nobody knows: that is no proof that it does not run
    told = [daemons.on(n.name) for n in nodes.windows]
    return all(
        d is not None and (d.ready if d.error else bool(d.line) and not _no_start(d.errors)) for d in told
    )


def _no_start(errors: tuple[str, ...]) -> bool:
    """Its last complaint ended its start; those of a daemon that runs are about watches that broke off."""
    return bool(errors) and "SubnetManager" in errors[-1]


@check(
    "cni.flannel.hpc-removed",
    title="Something runs flannel on the Windows nodes",
    severity=INFO,
    cases=[
        Case(
            "only the Linux DaemonSet",
            FLANNEL_2022,
            (change(DaemonSets, _without_windows_flannel),),
            "kube-flannel/kube-flannel-cfg",
            INFO,
        ),
        Case("the classic way runs it as a service", CLASSIC_2019, quiet=True),
        Case(
            "RKE2's own service runs it",
            FLANNEL_2022,
            (change(DaemonSets, _without_windows_flannel), extra_service(Service("rke2", "Running", "Auto"))),
            quiet=True,
        ),
    ],
)
def hpc_removed(
    flannel: FlannelConfig, sets: DaemonSets, nodes: Nodes, services: Each[Services]
) -> Iterator[Said]:
    """Guides for flannel on Windows point at manifests that no longer exist.

    kubernetes-sigs/sig-windows-tools removed hostprocess/flannel and guides/flannel.md on 11 April 2025; its
    PrepareNode.ps1 still prints their addresses. flannel itself is still built for Windows.

    Rule: the cluster uses flannel and has Windows nodes, no DaemonSet runs flannel on Windows, and no node
    that answered has a service flanneld, or RKE2's agent, which starts flanneld itself.
    Remedy: take the last manifests from the repository's history (image
    sigwindowstools/flannel:v0.21.5-hostprocess or your own build), or let RKE2 or Calico do it.
    Confused with: flannel having dropped Windows, which it has not.
    Source: https://github.com/kubernetes-sigs/sig-windows-tools/pull/385 and issue 387.
    """
    if not nodes.windows:
        yield Skip("The cluster has no Windows node.")
        return
    if windows_flannel(sets):
        return
    if any(answer.named("flanneld", "flannel", "rke2") for _, answer in services):
        yield Skip("A Windows service runs flanneld here.")
        return
    if services.failed:
        yield CannotTell(next(iter(services.failed.values())).why)
        return
    text = (
        f"The cluster uses flannel, and nothing runs it on its {len(nodes.windows)} Windows nodes; "
        "the usual manifests were removed in April 2025."
    )
    names = ", ".join(d.metadata.name for d in sets.items) or "none"
    proof: dict[type[Fact], str] = {DaemonSets: f"DaemonSets: {names}"}
    about = Object("ConfigMap", "kube-flannel-cfg", flannel.namespace)
    yield Problem(text, about, proof=proof)
