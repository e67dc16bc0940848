"""Faults of the runtime, CNI files, HNS, certificates, clocks and the way to the API server."""

from __future__ import annotations

from lab.faults import edits
from lab.faults.fault import ISSUE, MODERN, fault
from lab.world.machine import Event, File
from lab.world.models.settings import (
    CLASSIC_KUBECONFIG,
    CONTAINERD_CONFIG,
    KUBECONFIG,
    KUBELET_CERTIFICATE,
    Kubeconfig,
    kubeconfig,
)
from lab.world.pki import EXPIRED, Pki
from lab.world.scenarios import configs
from lab.world.state import World

_CLASSIC = ("classic-2019",)
_CLASSIC_CONF, _CONF = r"C:\k\cni\config\cni.conf", r"C:\etc\cni\net.d\10-flannel.conf"
_INSTALL = (
    "https://github.com/kubernetes-sigs/sig-windows-tools/blob/master/hostprocess/Install-Containerd.ps1"
)
_DEBUG = "https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/"


@fault("runtime.containerd.stopped", "containerd was stopped and set to manual", _INSTALL, MODERN)
def containerd_stopped(world: World) -> None:
    edits.stop_service(edits.first(world), "containerd", exit_code=0, start_mode="Manual")


@fault(
    "runtime.containerd.stopped:config",
    "containerd's configuration does not parse: it ends at start",
    _INSTALL,
    MODERN,
)
def containerd_config(world: World) -> None:
    machine = edits.first(world)
    machine.files[CONTAINERD_CONFIG].text = machine.files[CONTAINERD_CONFIG].text.replace(
        '"C:/opt/cni/bin"', '"C:/opt/cni/bin'
    )


@fault("runtime.containerd.not-installed", "The containerd service was unregistered", _INSTALL, MODERN)
def containerd_gone(world: World) -> None:
    del edits.first(world).services["containerd"]


@fault(
    "runtime.containerd.pipe", "containerd listens on another pipe than the kubelet dials", _INSTALL, MODERN
)
def containerd_pipe(world: World) -> None:
    machine = edits.first(world)
    text = machine.files[CONTAINERD_CONFIG].text
    machine.files[CONTAINERD_CONFIG].text = text.replace(
        r"\\.\pipe\containerd-containerd", r"\\.\pipe\containerd-k8s"
    )


@fault(
    "runtime.containerd.cni-dirs",
    "containerd looks for CNI in its default folders, flannel writes to C:\\opt\\cni and C:\\etc\\cni",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 61),
    MODERN,
)
def cni_folders(world: World) -> None:
    machine = edits.first(world)
    text = machine.files[CONTAINERD_CONFIG].text
    default = "C:/Program Files/containerd/cni"
    text = text.replace("C:/opt/cni/bin", f"{default}/bin").replace("C:/etc/cni/net.d", f"{default}/conf")
    machine.files[CONTAINERD_CONFIG].text = text
    edits.recreate_pods(world, machine)


@fault(
    "runtime.containerd.cni-first-file",
    "A left-over 0-containerd-nat.conf sorts before 10-flannel.conf",
    "https://github.com/containerd/containerd/blob/main/script/setup/install-cni-windows",
    MODERN,
)
def cni_first_file(world: World) -> None:
    machine = edits.first(world)
    nat = {
        "cniVersion": "0.2.0",
        "name": "nat",
        "type": "nat",
        "master": "Ethernet",
        "ipam": {},
        "capabilities": {},
    }
    machine.files[r"C:\etc\cni\net.d\0-containerd-nat.conf"] = File(configs.as_json(nat))
    edits.recreate_pods(world, machine)


@fault(
    "runtime.docker.service-stopped",
    "The Docker engine does not run since the last reboot",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/joining-windows-workers",
    _CLASSIC,
)
def docker_stopped(world: World) -> None:
    edits.stop_service(edits.first(world), "docker", start_mode="Manual")


@fault("runtime.vmcompute", "The Host Compute Service is stopped and disabled", _DEBUG)
def vmcompute(world: World) -> None:
    edits.stop_service(edits.first(world), "vmcompute", start_mode="Disabled")


@fault(
    "cni.none",
    "No CNI was ever deployed for Windows",
    ISSUE.format("kubernetes-sigs/sig-windows-tools", 61),
    node="all",
)
def no_cni(world: World) -> None:
    if world.plan.classic:
        for machine in world.windows.values():
            machine.files.pop(_CLASSIC_CONF, None)
    else:
        world.delete("apps/v1", "DaemonSet", "kube-flannel-ds-windows-amd64", "kube-flannel")
        for pod in list(world.each("v1", "Pod", "kube-flannel")):
            if "windows" in pod["metadata"]["name"]:
                world.delete("v1", "Pod", pod["metadata"]["name"], "kube-flannel")
    edits.rebuild(world)


@fault("cni.binary-missing", "The plug-in that flannel delegates to is not on the node", _DEBUG)
def binary_missing(world: World) -> None:
    machine = edits.first(world)
    path = r"C:\k\cni\win-overlay.exe" if world.plan.classic else r"C:\opt\cni\bin\sdnoverlay.exe"
    del machine.files[path]
    edits.recreate_pods(world, machine)


@fault(
    "cni.json-invalid:bom",
    "The CNI configuration was saved with a byte order mark",
    "https://github.com/containerd/containerd/issues/5192",
)
def bom(world: World) -> None:
    _encode(world, "utf-8-sig")


@fault("cni.json-invalid:utf-16", "The CNI configuration was written by Out-File, in UTF-16", _INSTALL)
def utf_16(world: World) -> None:
    _encode(world, "utf-16")


def _encode(world: World, encoding: str) -> None:
    machine = edits.first(world)
    machine.files[_CLASSIC_CONF if world.plan.classic else _CONF].encoding = encoding
    edits.recreate_pods(world, machine)


@fault(
    "cni.network-type",
    "A network of the right name but of type L2Bridge is left from an earlier set-up",
    _DEBUG,
)
def network_type(world: World) -> None:
    machine = edits.first(world)
    for network in machine.hns.networks:
        if network["Name"] != "External":
            network["Type"] = "L2Bridge"
            network["Subnets"][0]["Policies"] = []
            network["Policies"] = []
    edits.recreate_pods(world, machine)


@fault("hns.service", "The Host Network Service is stopped and disabled", _DEBUG)
def hns_stopped(world: World) -> None:
    machine = edits.first(world)
    edits.stop_service(machine, "hns", start_mode="Disabled")
    edits.recreate_pods(world, machine)


@fault(
    "hns.network.absent",
    "The pod network is gone from HNS; flanneld runs on without it",
    ISSUE.format("kubernetes/kubernetes", 79515),
)
def network_absent(world: World) -> None:
    machine = edits.first(world)
    machine.hns.networks = [n for n in machine.hns.networks if n["Name"] == "External"]
    machine.hns.endpoints, machine.hns.policy_lists = [], []
    edits.recreate_pods(world, machine)


@fault(
    "hns.network.apipa",
    "The pod network was made before DHCP had answered: its management address is 169.254.…",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/debug/networkmonitor/networkhealth.ps1",
)
def apipa(world: World) -> None:
    for network in edits.first(world).hns.networks:
        if network["Name"] != "External":
            network["ManagementIP"] = "169.254.83.107"


@fault(
    "hns.deadlock",
    "HNS hangs: its threads pile up and no call returns",
    "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/debug/hnsautomitigator/hnsautomitigator2019.yaml",
)
def deadlock(world: World) -> None:
    machine = edits.first(world)
    machine.hns.hangs = True
    edits.recreate_pods(world, machine)


@fault(
    "hns.crash",
    "HNS crashed and was started anew; kube-proxy has not noticed, and its policies are gone",
    "https://github.com/Azure/AgentBaker/blob/master/staging/cse/windows/provisioningscripts/hnsremediator.ps1",
)
def crash(world: World) -> None:
    machine = edits.first(world)
    started = world.now - world.epoch - 15 * edits.MINUTES
    service = machine.services["hns"]
    for process in machine.processes:
        if process.pid == service.pid:
            process.pid, process.created = 7012, started
    service.pid, service.started = 7012, started
    text = (
        "The Host Network Service service terminated unexpectedly.  It has done this 1 time(s).  The following "
        "corrective action will be taken in 60000 milliseconds: Restart the service."
    )
    properties = ["Host Network Service", "1", "60000", "1", "Restart the service"]
    machine.events.append(
        Event("System", "Service Control Manager", 7031, 2, started - 60, properties, text, "hns")
    )
    machine.hns.policy_lists = []


@fault("certs.kubeconfig.missing", "The node's kubeconfig is not there", _DEBUG)
def kubeconfig_missing(world: World) -> None:
    machine = edits.first(world)
    del machine.files[CLASSIC_KUBECONFIG if world.plan.classic else KUBECONFIG]
    edits.restart_service(world, machine, "kubelet")


def _kubeconfig(world: World) -> tuple[str, Kubeconfig]:
    path = CLASSIC_KUBECONFIG if world.plan.classic else KUBECONFIG
    config = kubeconfig(edits.first(world), path)
    if config is None:
        raise KeyError(path)
    return path, config


def _credential(world: World, user: str, *, expired: bool = False) -> None:
    """Give the node the client certificate of `user`."""
    machine = edits.first(world)
    pair = world.pki.client(user, "system:nodes", *([EXPIRED] if expired else []))
    if world.plan.classic:
        inline = configs.inline_credential(pair.certificate, pair.key)
        machine.files[CLASSIC_KUBECONFIG].text = configs.kubeconfig(
            world.plan, world.pki.ca, user, credential=inline
        )
        machine.files[r"C:\k\ssl_keys\client.crt"].text = pair.certificate
        machine.files[r"C:\k\ssl_keys\client.key"].text = pair.key
    else:
        machine.files[KUBELET_CERTIFICATE].text = pair.certificate + pair.key
    edits.restart_service(world, machine, "kubelet")


@fault(
    "certs.kubeconfig.identity",
    "The kubeconfig was copied from another node: the kubelet logs on under that node's name",
    "https://kubernetes.io/docs/reference/access-authn-authz/node/",
)
def identity(world: World) -> None:
    _credential(world, "system:node:" + list(world.windows)[1])


@fault(
    "certs.kubeconfig.server",
    "The kubeconfig points to an address where the API server used to be",
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/common-problems",
)
def wrong_server(world: World) -> None:
    path, config = _kubeconfig(world)
    machine = edits.first(world)
    old = world.plan.api_host.rsplit(".", 1)[0] + ".250"
    machine.files[path].text = machine.files[path].text.replace(config.server, f"https://{old}:6443")
    machine.tcp[f"{old}:6443"] = "timeout"
    edits.restart_service(world, machine, "kubelet")


@fault("certs.ca-mismatch", "The node trusts the CA of a cluster that was set up before this one", _DEBUG)
def wrong_ca(world: World) -> None:
    path, _ = _kubeconfig(world)
    machine = edits.first(world)
    old = Pki("previous cluster").ca
    text = machine.files[path].text
    machine.files[path].text = text.replace(configs.base64_text(world.pki.ca), configs.base64_text(old))
    for place in (r"C:\etc\kubernetes\pki\ca.crt", r"C:\k\ssl_keys\ca.crt"):
        if place in machine.files:
            machine.files[place].text = old
    edits.restart_service(world, machine, "kubelet")


@fault(
    "certs.client-expired",
    "The kubelet's client certificate has expired",
    "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/",
)
def expired(world: World) -> None:
    _credential(world, f"system:node:{edits.first(world).name}", expired=True)


@fault(
    "time.skew",
    "The node's clock is a quarter of an hour slow",
    "https://learn.microsoft.com/en-us/windows-server/networking/windows-time-service/windows-time-service-top",
)
def skew(world: World) -> None:
    edits.first(world).os.clock_offset = -900.0


@fault(
    "time.skew:firmware",
    "The board's battery is dead: the clock has fallen years back, before the cluster's certificates",
    "https://learn.microsoft.com/en-us/windows-server/networking/windows-time-service/windows-time-service-top",
)
def firmware_clock(world: World) -> None:
    machine = edits.first(world)
    machine.os.clock_offset = -315_576_000.0
    edits.restart_service(world, machine, "kubelet")


@fault(
    "reach.api.from-node",
    "A firewall between node and control plane drops TCP 6443",
    ISSUE.format("Azure/acs-engine", 4046),
)
def api_filtered(world: World) -> None:
    edits.first(world).tcp[f"{world.plan.api_host}:{world.plan.api_port}"] = "timeout"
