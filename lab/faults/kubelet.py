"""Faults of the kubelet: its service, arguments, configuration, and the names of the node."""

from __future__ import annotations

from lab.faults import edits
from lab.faults.fault import ALL, ISSUE, MODERN, fault
from lab.world.machine import Machine
from lab.world.models.settings import BOOTSTRAP, KUBELET_CONFIG, KUBELET_FLAGS
from lab.world.state import World

_CLASSIC = ("classic-2019",)
_PREPARE = "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/hostprocess/PrepareNode.ps1"


def _restart(world: World, machine: Machine) -> None:
    """The kubelet was started anew with the changed causes; the pods stayed."""
    edits.restart_service(world, machine, "kubelet")


def _flags(machine: Machine, extra: str) -> None:
    machine.files[KUBELET_FLAGS].text = (
        machine.files[KUBELET_FLAGS].text.rstrip().removesuffix('"') + f' {extra}"\n'
    )


@fault(
    "kubelet.not-running",
    "The kubelet service was stopped and set to manual",
    ISSUE.format("kubernetes/kubernetes", 123173),
)
def stopped(world: World) -> None:
    edits.stop_service(edits.first(world), "kubelet", start_mode="Manual")


@fault(
    "kubelet.nssm-paused",
    "kubelet.exe has vanished (quarantined): what nssm runs ends at once, or cannot be started at all",
    ISSUE.format("kubernetes/kubernetes", 123173),
)
def paused(world: World) -> None:
    del edits.first(world).files[r"C:\k\kubelet.exe"]


@fault(
    "kubelet.flags-removed",
    "The kubelet is started with a flag that its version no longer has",
    "https://github.com/kubernetes/kubernetes/pull/133779",
)
def removed_flag(world: World) -> None:
    machine = edits.first(world)
    if world.plan.classic:
        edits.set_parameters(machine, "kubelet", lambda t: t + " --allow-privileged=true")
    else:
        _flags(machine, "--network-plugin=cni")
    _restart(world, machine)


@fault(
    "kubelet.windows-required-args",
    "The kubelet is given a Linux value for cgroups, and ends",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/helper.psm1",
)
def required_arguments(world: World) -> None:
    machine = edits.first(world)
    if world.plan.classic:
        edits.set_parameters(machine, "kubelet", lambda t: t.replace("--cgroups-per-qos=false ", ""))
    else:
        # cgroupsPerQOS true alone would only be warned of since 1.31: this one ends the kubelet of every version.
        edits.set_kubelet_config(
            machine, lambda t: t.replace("enforceNodeAllocatable: []", "enforceNodeAllocatable:\n- pods")
        )
    _restart(world, machine)


@fault(
    "kubelet.resolvconf-invalid",
    "resolvConf names the Linux file: no new pod can start",
    "https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/network/dns/dns_windows.go",
)
def resolv_conf(world: World) -> None:
    machine = edits.first(world)
    wrong = "/run/systemd/resolve/resolv.conf"
    if world.plan.classic:
        edits.set_parameters(
            machine, "kubelet", lambda t: t.replace('--resolv-conf=""', f"--resolv-conf={wrong}")
        )
    else:
        edits.set_kubelet_config(machine, lambda t: t.replace('resolvConf: ""', f"resolvConf: {wrong}"))
    _restart(world, machine)
    edits.recreate_pods(world, machine)


@fault(
    "kubelet.cri-endpoint",
    "The kubelet is told the Linux socket of containerd",
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/guides/guide-for-adding-windows-node.md",
    MODERN,
)
def cri_endpoint(world: World) -> None:
    machine = edits.first(world)
    text = machine.files[KUBELET_FLAGS].text
    machine.files[KUBELET_FLAGS].text = text.replace(
        "npipe:////./pipe/containerd-containerd", "unix:///run/containerd/containerd.sock"
    )
    _restart(world, machine)


@fault(
    "kubelet.cluster-dns-mismatch",
    "The kubelet hands pods a DNS address that is not the cluster's",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/flannel/start.ps1",
)
def cluster_dns(world: World) -> None:
    machine = edits.first(world)
    right = world.plan.dns_ip
    if world.plan.classic:
        edits.set_parameters(
            machine, "kubelet", lambda t: t.replace(f"--cluster-dns={right}", "--cluster-dns=10.96.0.10")
        )
    else:
        edits.set_kubelet_config(machine, lambda t: t.replace(f"- {right}", "- 10.43.0.10"))
    _restart(world, machine)
    edits.recreate_pods(world, machine)


@fault(
    "kubelet.prejoin-loop",
    "config.yaml is missing: the node was reset and never joined again",
    _PREPARE,
    MODERN,
)
def prejoin(world: World) -> None:
    machine = edits.first(world)
    del machine.files[KUBELET_CONFIG]
    _restart(world, machine)


@fault("kubelet.runs-as", "The kubelet service was given an ordinary account", _PREPARE)
def runs_as(world: World) -> None:
    edits.first(world).services["kubelet"].account = r".\svc-kubelet"


@fault(
    "kubelet.hostname-override",
    "kube-proxy goes by the host name, kubelet and flanneld by the IP address",
    "https://github.com/microsoft/SDN/issues/238",
    _CLASSIC,
)
def hostname_override(world: World) -> None:
    machine = edits.first(world)
    wrong = machine.os.hostname.lower()
    edits.set_parameters(
        machine,
        "kube-proxy",
        lambda t: t.replace(f"--hostname-override={machine.name}", f"--hostname-override={wrong}"),
    )
    edits.reboot(world, machine)


@fault(
    "proxy.not-running",
    "The kube-proxy service was stopped",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/flannel/register-svc.ps1",
    _CLASSIC,
)
def proxy_stopped(world: World) -> None:
    edits.stop_service(edits.first(world), "kube-proxy", start_mode="Manual")


@fault(
    "proxy.not-running:daemonset",
    "The DaemonSet of kube-proxy for Windows does not exist",
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/guides/flannel.md",
    MODERN,
    node="all",
)
def proxy_absent(world: World) -> None:
    world.delete("apps/v1", "DaemonSet", "kube-proxy-windows", "kube-system")
    for pod in list(world.each("v1", "Pod", "kube-system")):
        if pod["metadata"]["name"].startswith("kube-proxy-windows-"):
            world.delete("v1", "Pod", pod["metadata"]["name"], "kube-system")
    edits.rebuild(world)


@fault(
    "certs.csr-pending",
    "The node's certificate request waits for approval: the binding for automatic approval is gone",
    "https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/",
    MODERN,
)
def csr_pending(world: World) -> None:
    from lab.world.machine import File
    from lab.world.models.settings import KUBECONFIG, KUBELET_CERTIFICATE
    from lab.world.scenarios import configs
    from lab.world.scenarios.cluster import approved_csr

    machine = edits.first(world)
    for path in (KUBECONFIG, KUBELET_CERTIFICATE):
        machine.files.pop(path, None)
    token = "abcdef.0123456789abcdef"
    machine.files[BOOTSTRAP] = File(
        configs.kubeconfig(world.plan, world.pki.ca, "tls-bootstrap-token-user", token=token)
    )
    world.delete("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "kubeadm:node-autoapprove-bootstrap")
    csr = approved_csr(
        world, "csr-9lm4p", machine.name, world.now - 18 * edits.MINUTES, "system:bootstrap:abcdef"
    )
    csr["spec"]["groups"] = [
        "system:bootstrappers",
        "system:bootstrappers:kubeadm:default-node-token",
        "system:authenticated",
    ]
    csr["status"] = {}
    world.put(csr)
    _restart(world, machine)


@fault(
    "node.conditions.pressure",
    "The system disk is nearly full",
    "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
    ALL,
)
def full_disk(world: World) -> None:
    disk = edits.first(world).disks[0]
    disk["FreeSpace"] = disk["Size"] // 25


@fault(
    "node.linux-daemonsets",
    "A Linux DaemonSet has no selector for the operating system and lands on the Windows nodes",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/joining-windows-workers",
    ALL,
    node="all",
)
def linux_daemon_set(world: World) -> None:
    item = world.get("apps/v1", "DaemonSet", "kube-proxy", "kube-system")
    item["spec"]["template"]["spec"]["nodeSelector"] = {}
