"""The scenarios `flannel-2019` and `flannel-2022`: containerd, kubeadm, flannel overlay and kube-proxy as
HostProcess DaemonSets."""

from __future__ import annotations

from lab.world.images import digest
from lab.world.machine import File, Machine, Service
from lab.world.models.settings import (
    CONTAINERD_CONFIG,
    KUBECONFIG,
    KUBELET_CERTIFICATE,
    KUBELET_CONFIG,
    KUBELET_FLAGS,
    START_KUBELET,
)
from lab.world.pki import Pki
from lab.world.scenarios import cluster, configs, machines, workloads
from lab.world.state import LinuxNode, Object, Plan, World, new_object

CONTROL = "cp-1"
WINDOWS = ("win-1", "win-2")


def build(scenario: str, now: float) -> World:
    """The causes of the scenario; consequences are derived."""
    old = scenario == "flannel-2019"
    network = "10.0.2" if old else "10.0.1"
    plan = Plan(
        scenario,
        "v1.31.4",
        f"{network}.10",
        6443,
        "10.244.0.0/16",
        "10.96.0.0/12",
        "10.96.0.10",
        classic=False,
    )
    world = World(plan, now, now, Pki())
    cluster.namespaces(
        world, ("default", "kube-system", "kube-public", "kube-node-lease", "kube-flannel", "shop")
    )
    cluster.system_config_maps(world)
    cluster.flannel_config_map(world)
    cluster.dns_and_api_services(world)
    world.linux[CONTROL] = LinuxNode(CONTROL, plan.api_host)
    world.put(linux_node_object(CONTROL, "10.244.0.0/24"))
    cluster.static_pods(world, CONTROL, plan.api_host)
    workloads.linux_daemons(world)
    workloads.coredns(world)
    workloads.windows_daemons(world)
    release = machines.OS_2019 if old else machines.OS_2022
    tag = "ltsc2019" if old else "ltsc2022"
    for place, name in enumerate(WINDOWS):
        address = f"{network}.{21 + place}"
        machine = machines.base_machine(name, address, release, name.upper(), f"{network}.1")
        join(world, machine)
        world.windows[name] = machine
        world.put(windows_node_object(world, name, f"10.244.{place + 1}.0/24"))
        pulled = world.node_memory(name).pulled
        pulled[plan.pause] = digest(plan.pause)
        world.put(cluster.approved_csr(world, f"csr-{name[-1]}x7kq", name, now - 86_000))
    workloads.applications(
        world, f"mcr.microsoft.com/windows/servercore/iis:windowsservercore-{tag}", "10.96.40"
    )
    return world


def linux_node_object(name: str, pod_cidr: str) -> Object:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "",
    }
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    spec = {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr], "taints": [taint]}
    return new_object("v1", "Node", name, labels=labels, spec=spec, status={})


def windows_node_object(world: World, name: str, pod_cidr: str) -> Object:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "windows",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "windows",
    }
    spec = {
        "podCIDR": pod_cidr,
        "podCIDRs": [pod_cidr],
        "taints": [{"key": "os", "value": "windows", "effect": "NoSchedule"}],
    }
    notes = {"node.alpha.kubernetes.io/ttl": "0"}
    return new_object(
        "v1", "Node", name, labels=labels, annotations=notes, spec=spec, status={}, created=world.now - 86_300
    )


def join(world: World, machine: Machine) -> None:
    """Install containerd, kubelet and kubeadm, and join: what the scripts of sig-windows-tools leave behind."""
    plan, name = world.plan, machine.name
    program = r"C:\Program Files\containerd\containerd.exe"
    machine.services["containerd"] = Service(
        path=f'"{program}" --run-service --config "C:\\Program Files\\containerd\\config.toml"',
        display_name="containerd",
        pid=2410,
    )
    machine.services["kubelet"] = Service(
        path=r"C:\k\nssm.exe",
        display_name="kubelet",
        pid=3324,
        depends_on=["containerd"],
        nssm={
            "Application": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
            "AppParameters": rf"-ExecutionPolicy Bypass -NoProfile -File {START_KUBELET}",
            "AppDirectory": r"C:\k",
            "AppStdout": r"C:\var\log\kubelet\kubelet.out.log",
            "AppStderr": r"C:\var\log\kubelet\kubelet.err.log",
            "AppEnvironmentExtra": [],
        },
    )
    credential = world.pki.client(f"system:node:{name}", "system:nodes")
    pem = credential.certificate + credential.key
    reference = configs.file_credential(KUBELET_CERTIFICATE)
    flags = (
        'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=npipe:////./pipe/containerd-containerd '
        f'--pod-infra-container-image={plan.pause}"\n'
    )
    machine.files |= {
        program: File(size=61_000_000, version="1.7.22"),
        r"C:\Program Files\containerd\crictl.exe": File(size=39_000_000),
        r"C:\Program Files\containerd\containerd-shim-runhcs-v1.exe": File(size=20_000_000),
        CONTAINERD_CONFIG: File(configs.containerd_config(plan.pause)),
        r"C:\k\kubelet.exe": File(size=119_000_000),
        r"C:\k\kubeadm.exe": File(size=50_000_000),
        r"C:\k\nssm.exe": File(size=331_000),
        START_KUBELET: File(configs.start_kubelet_script(name)),
        KUBELET_CONFIG: File(configs.kubelet_config(plan, windows=True)),
        KUBELET_FLAGS: File(flags),
        KUBECONFIG: File(configs.kubeconfig(plan, world.pki.ca, f"system:node:{name}", credential=reference)),
        KUBELET_CERTIFICATE: File(pem),
        r"C:\etc\kubernetes\pki\ca.crt": File(world.pki.ca),
        r"C:\var\lib\kubelet\etc\kubernetes\pki\ca.crt": File(world.pki.ca),
    }
    # Joining a flannel overlay opens the tunnel's port; the HostProcess manifest does not do it.
    machine.firewall.rules.append(machines.overlay_rule())
    machine.tcp = {
        f"{plan.api_host}:{plan.api_port}": "open",
        "registry.k8s.io:443": "open",
        "mcr.microsoft.com:443": "open",
        "registry-1.docker.io:443": "open",
    }
    machine.names = {
        "registry.k8s.io": ["34.96.108.209"],
        "mcr.microsoft.com": ["150.171.69.10"],
        "registry-1.docker.io": ["54.198.86.24"],
    }
