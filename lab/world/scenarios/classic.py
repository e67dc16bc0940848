"""The scenario `classic-2019`: Docker EE, Kubernetes 1.18 in C:\\k, flanneld, kubelet and kube-proxy as nssm
services, nodes named by their IP addresses."""

from __future__ import annotations

from lab.world.images import digest
from lab.world.machine import File, Machine, Service
from lab.world.models.flannel import make_switch
from lab.world.models.settings import CLASSIC_KUBECONFIG, NET_CONF
from lab.world.net import overlay_network
from lab.world.pki import Pki
from lab.world.scenarios import cluster, configs, machines, workloads
from lab.world.scenarios.flannel import linux_node_object, windows_node_object
from lab.world.state import LinuxNode, Plan, World

PAUSE = "mcr.microsoft.com/k8s/core/pause:1.2.0"


def build(scenario: str, now: float) -> World:
    """The causes of the scenario; consequences are derived."""
    master = "192.168.18.3"
    plan = Plan(
        scenario,
        "v1.18.20",
        master,
        6443,
        "10.244.0.0/16",
        "169.169.0.0/16",
        "169.169.0.100",
        classic=True,
        pause=PAUSE,
        flannel_namespace="kube-system",
    )
    world = World(plan, now, now, Pki())
    cluster.namespaces(world, ("default", "kube-system", "kube-public", "kube-node-lease", "shop"))
    cluster.system_config_maps(world)
    cluster.flannel_config_map(world)
    cluster.dns_and_api_services(world)
    world.linux[master] = LinuxNode(
        master,
        master,
        device="ens33",
        os_image="CentOS Linux 7 (Core)",
        kernel="3.10.0-1160.el7.x86_64",
        runtime="docker://19.3.11",
    )
    node = linux_node_object(master, "10.244.0.0/24")
    role = "node-role.kubernetes.io/master"
    labels, spec = node["metadata"]["labels"], node["spec"]
    del labels["node-role.kubernetes.io/control-plane"]
    labels[role] = ""
    spec["taints"] = [{"key": role, "effect": "NoSchedule"}]
    world.put(node)
    cluster.static_pods(world, master, master)
    workloads.linux_daemons(world)
    workloads.coredns(world)
    for place in range(2):
        address = f"192.168.18.{8 + place}"
        machine = machines.base_machine(
            address, address, machines.OS_2019, f"WIN-K8S-{place + 1}", "192.168.18.1"
        )
        install(world, machine)
        world.windows[address] = machine
        world.put(windows_node_object(world, address, f"10.244.{place + 1}.0/24"))
        world.node_memory(address).pulled[PAUSE] = digest(PAUSE)
        world.put(cluster.approved_csr(world, f"csr-w{place}k2p", address, now - 86_000))
    workloads.applications(world, "mcr.microsoft.com/windows/servercore:1809-amd64", "169.169.40")
    return world


def install(world: World, machine: Machine) -> None:
    """What the book's chapter leaves in C:\\k after register-svc.ps1."""
    plan, name = world.plan, machine.name
    credential = world.pki.client(f"system:node:{name}", "system:nodes")
    machine.services["docker"] = Service(
        path=r'"C:\Program Files\Docker\dockerd.exe" --run-service', display_name="Docker Engine", pid=2380
    )
    kubelet = (
        f'--hostname-override={name} --v=4 --pod-infra-container-image={PAUSE} --resolv-conf="" '
        f'--cgroups-per-qos=false --enforce-node-allocatable="" --kubeconfig={CLASSIC_KUBECONFIG} '
        rf"--cluster-dns={plan.dns_ip} --cluster-domain={plan.domain} --network-plugin=cni "
        r"--cni-bin-dir=C:\k\cni --cni-conf-dir=C:\k\cni\config --image-pull-progress-deadline=20m "
        r"--register-with-taints=os=windows:NoSchedule --system-reserved=memory=2Gi"
    )
    proxy = (
        rf"--v=4 --proxy-mode=kernelspace --feature-gates=WinOverlay=true --hostname-override={name} "
        rf"--kubeconfig={CLASSIC_KUBECONFIG} --network-name=vxlan0 --cluster-cidr={plan.pod_cidr} --enable-dsr=false"
    )
    flanneld = (
        rf"--kubeconfig-file={CLASSIC_KUBECONFIG} --iface={machine.address} --ip-masq=1 --kube-subnet-mgr=1"
    )
    for service, arguments, pid in (
        ("flanneld", flanneld, 4096),
        ("kubelet", kubelet, 3324),
        ("kube-proxy", proxy, 4302),
    ):
        machine.services[service] = Service(
            path=r"C:\k\nssm.exe",
            display_name=service,
            pid=pid,
            depends_on=["kubelet"] if service == "kube-proxy" else [],
            nssm={
                "Application": rf"C:\k\{service}.exe",
                "AppParameters": arguments,
                "AppDirectory": r"C:\k",
                "AppEnvironmentExtra": [f"NODE_NAME={name}", "KUBE_NETWORK=vxlan0"],
                "AppStdout": rf"C:\k\{service}.log",
                "AppStderr": rf"C:\k\{service}.log",
            },
        )
    net_conf = configs.net_conf(plan)
    net_conf["Backend"] = {"Name": "vxlan0", **net_conf["Backend"], "MacPrefix": "0E-2A"}
    inline = configs.inline_credential(credential.certificate, credential.key)
    machine.files |= {
        r"C:\Program Files\Docker\docker.exe": File(size=60_000_000, version="19.03.18"),
        r"C:\Program Files\Docker\dockerd.exe": File(size=69_000_000, version="19.03.18"),
        CLASSIC_KUBECONFIG: File(
            configs.kubeconfig(plan, world.pki.ca, f"system:node:{name}", credential=inline)
        ),
        r"C:\k\ssl_keys\client.crt": File(credential.certificate),
        r"C:\k\ssl_keys\client.key": File(credential.key),
        r"C:\k\ssl_keys\ca.crt": File(world.pki.ca),
        r"C:\k\net-conf.json": File(configs.as_json(net_conf)),
        NET_CONF: File(configs.as_json(net_conf)),
        r"C:\k\cni\config\cni.conf": File(configs.as_json(configs.classic_cni(plan))),
    }
    for name_of, size in (
        ("kubelet", 113_000_000),
        ("kube-proxy", 36_000_000),
        ("kubectl", 43_000_000),
        ("flanneld", 36_000_000),
        ("nssm", 331_000),
    ):
        machine.files[rf"C:\k\{name_of}.exe"] = File(size=size)
    for plugin in ("flannel", "host-local", "win-overlay", "win-bridge"):
        machine.files[rf"C:\k\cni\{plugin}.exe"] = File(size=3_900_000)
    machine.firewall.rules.append(machines.overlay_rule())
    external = overlay_network(machine, "External", "192.168.255.0/30", 9999, "Ethernet", machine.address)
    machine.hns.networks = [external]
    make_switch(machine, machine.adapters[0])
    machine.tcp = {f"{plan.api_host}:{plan.api_port}": "open", "mcr.microsoft.com:443": "open"}
    machine.names = {"mcr.microsoft.com": ["150.171.69.10"]}
