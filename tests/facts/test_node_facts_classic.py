"""What is different on a node with Docker in C:\\k, and where things are not as they should be."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from nodekit import NOW, Bench

from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import CniFiles, FlannelFiles, Ipam
from facts.node.hns import Hns
from facts.node.kubernetes import Kubeconfigs, Kubelet, KubeProxy, NodeLogs
from facts.node.network import Firewall
from facts.node.runtime import Containerd, Cri, Docker, Images, Sandboxes
from facts.node.windows import Processes, Services
from lab.world.machine import File, Machine, Native, Process
from lab.world.scenarios import build

pytestmark = pytest.mark.pwsh
BenchFactory = Callable[[Machine], Bench]


@pytest.fixture
def classic() -> Machine:
    return build("classic-2019", NOW).windows["192.168.18.8"]


def test_docker_and_nssm(bench: BenchFactory, classic: Machine) -> None:
    wanted: list[type[Fact]] = [
        Docker,
        Containerd,
        Cri,
        Images,
        Sandboxes,
        Kubelet,
        KubeProxy,
        FlannelFiles,
        Services,
        Kubeconfigs,
    ]
    got = bench(classic).facts(wanted)
    assert got[Docker] == Docker("19.03.18", "", True)
    assert isinstance(got[Containerd], NotApplicable) and isinstance(got[Cri], NotApplicable)
    images, sandboxes, kubelet, proxy = got[Images], got[Sandboxes], got[Kubelet], got[KubeProxy]
    assert isinstance(images, Images) and isinstance(sandboxes, Sandboxes)
    pause = images.find("mcr.microsoft.com/k8s/core/pause:1.2.0")
    assert pause is not None and pause.os_version == "10.0.17763.1" and pause.size == 256_000_000
    assert [(s.namespace, s.ready) for s in sandboxes.sandboxes] == [("shop", True)]
    assert isinstance(kubelet, Kubelet) and isinstance(proxy, KubeProxy)
    assert kubelet.flags["resolv-conf"] == "" and kubelet.flags["network-plugin"] == "cni"
    assert (kubelet.config_path, kubelet.config_exists) == ("", False), "it is started without --config"
    assert (proxy.kube_network, proxy.source_vip) == ("vxlan0", "10.244.1.2"), "sourceVip.json is UTF-16"
    flannel, services, configs = got[FlannelFiles], got[Services], got[Kubeconfigs]
    assert isinstance(flannel, FlannelFiles) and flannel.has_pod_name is False
    assert flannel.net_confs[0].conf.name == "vxlan0" and "--iface=192.168.18.8" in flannel.arguments
    assert isinstance(services, Services)
    nssm = services.services[[s.name for s in services.services].index("kubelet")].nssm
    assert nssm is not None and nssm.environment == ("NODE_NAME=192.168.18.8", "KUBE_NETWORK=vxlan0")
    assert isinstance(configs, Kubeconfigs) and configs.kubelet is not None
    certificate = configs.kubelet.certificate
    assert certificate is not None and certificate.common_name == "system:node:192.168.18.8"


def test_flags_of_a_kubelet_that_does_not_run(
    bench: BenchFactory, classic: Machine, machine: Machine
) -> None:
    """nssm keeps the classic one's; the modern one's are in a script and in kubeadm's file."""
    classic.processes = []
    classic.services["kubelet"].state = "Stopped"
    old = bench(classic).fact(Kubelet)
    assert (old.found_in, old.flags["cluster-dns"]) == ("nssm", "169.169.0.100")
    machine.processes = []
    new = bench(machine).fact(Kubelet)
    assert new.found_in == "script"
    assert new.flags["pod-infra-container-image"] == "registry.k8s.io/pause:3.10", "from kubeadm-flags.env"
    assert new.flags["hostname-override"] == "win-1" and new.config_exists


def test_a_kubelet_inside_a_container_is_not_the_hosts(bench: BenchFactory, machine: Machine) -> None:
    machine.processes[:0] = [
        Process("kubelet.exe", 9100, 9000, "kubelet.exe --hostname-override=nested", session=2),
        Process("CExecSvc.exe", 9104, 9000, session=2),
    ]
    made = bench(machine).facts([Kubelet, Processes])
    kubelet, processes = made[Kubelet], made[Processes]
    assert isinstance(kubelet, Kubelet) and kubelet.flags["hostname-override"] == "win-1"
    assert isinstance(processes, Processes) and [p.pid for p in processes.named("kubelet")] != [9100]
    assert all(p.session == 0 for p in processes.named("kubelet"))


def test_what_is_missing_is_an_empty_answer(bench: BenchFactory, machine: Machine) -> None:
    gone = (r"C:\etc", r"C:\run", r"C:\var", r"C:\k\StartKubelet", r"C:\opt", r"C:\sourcevip")
    machine.files = {p: f for p, f in machine.files.items() if not p.startswith(gone)}
    machine.processes = []
    got = bench(machine).facts([Kubeconfigs, FlannelFiles, CniFiles, Ipam, Kubelet, NodeLogs])
    assert got[Kubeconfigs] == Kubeconfigs(())
    assert got[Ipam] == Ipam({})
    assert got[NodeLogs] == NodeLogs(())
    files, flannel, kubelet = got[CniFiles], got[FlannelFiles], got[Kubelet]
    assert isinstance(files, CniFiles) and files.confs == () and files.programs == ()
    assert isinstance(flannel, FlannelFiles) and flannel.subnet_env_path == "" and flannel.net_confs == ()
    assert isinstance(kubelet, Kubelet) and kubelet.found_in == "" and not kubelet.config_exists


def test_files_as_people_spoil_them(bench: BenchFactory, machine: Machine) -> None:
    machine.files |= {
        r"C:\etc\cni\net.d\10-flannel.conf": File('{"name": "flännel"}', encoding="utf-8-sig"),
        r"C:\etc\cni\net.d\05-broken.conf": File('{"name": '),
        r"C:\etc\cni\net.d\20-wide.conflist": File(
            '{"name": "w", "plugins": [{"type": "calico"}]}', encoding="utf-16"
        ),
        r"C:\etc\cni\net.d\notes.txt": File("not asked for"),
        r"C:\opt\cni\bin\flannel.exe": File(size=2_000_000, version="0.14.0.0", zone=True),
        r"C:\etc\kube-flannel\net-conf.json": File(
            '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}'
        ),
        r"C:\Program Files\containerd\config.toml": File("version = 2\n[plugins\n"),
        r"C:\var\lib\kubelet\config.yaml": File("a: b: c\n"),
        r"C:\etc\kubernetes\kubelet.conf": File("apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n"),
    }
    got = bench(machine).facts([CniFiles, FlannelFiles, Containerd, Kubelet, Kubeconfigs])
    files, flannel = got[CniFiles], got[FlannelFiles]
    assert isinstance(files, CniFiles) and isinstance(flannel, FlannelFiles)
    confs = {c.name: c for c in files.confs}
    assert list(confs) == ["05-broken.conf", "10-flannel.conf", "20-wide.conflist"]
    assert confs["05-broken.conf"].error and not confs["05-broken.conf"].parsed
    assert (confs["10-flannel.conf"].bom, confs["10-flannel.conf"].network) == ("utf-8", "flännel")
    assert (confs["20-wide.conflist"].bom, confs["20-wide.conflist"].plugin) == ("utf-16", {"type": "calico"})
    program = next(p for p in files.programs if p.name == "flannel.exe")
    assert (program.blocked, program.version, program.size) == (True, "0.14.0.0", 2_000_000)
    assert (flannel.net_confs[0].conf.vni, flannel.net_confs[0].conf.port) == (None, None)
    containerd, kubelet, configs = got[Containerd], got[Kubelet], got[Kubeconfigs]
    assert isinstance(containerd, Containerd) and containerd.config_error and containerd.config == {}
    assert isinstance(kubelet, Kubelet) and kubelet.config_error and kubelet.config == {}
    assert isinstance(configs, Kubeconfigs)
    assert configs.kubeconfigs[0].error == "It has no context nowhere."


def test_runtimes_that_do_not_answer(bench: BenchFactory, machine: Machine, classic: Machine) -> None:
    program = next(p for p in machine.natives if p.endswith("crictl.exe"))
    refused = Native("", 'rpc error: code = Unavailable desc = "no pipe"\nsecond line', 1)
    machine.natives[program] = dict.fromkeys(machine.natives[program], refused)
    machine.pipes = []
    got = bench(machine).facts([Cri, Images, Sandboxes, Containerd])
    cri, images, containerd = got[Cri], got[Images], got[Containerd]
    assert isinstance(cri, Cri) and cri.conditions == () and "code = Unavailable" in cri.error
    assert "second line" in cri.error
    assert isinstance(images, Failed) and images.kind == "script" and "Unavailable" in images.why
    assert isinstance(containerd, Containerd) and not containerd.pipe
    engine = next(p for p in classic.natives if p.endswith("docker.exe"))
    down = Native(json.dumps({"Client": {}, "Server": None}), "error during connect", 1)
    classic.natives[engine] = dict.fromkeys(classic.natives[engine], down)
    classic.pipes = []
    assert bench(classic).fact(Docker) == Docker("", "error during connect", False)


def test_hns_that_does_not_run_says_its_code(bench: BenchFactory, machine: Machine) -> None:
    machine.services["hns"].state = "Stopped"
    failed = bench(machine).facts([Hns])[Hns]
    assert isinstance(failed, Failed) and failed.kind == "script"
    assert "0x80070426" in failed.why, "the code is the same in every language"


def test_a_rule_for_every_port(bench: BenchFactory, machine: Machine) -> None:
    """Such rules come from the registry; those of one program do not count."""
    key = r"HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
    head = "v2.30|Action=Allow|Active=TRUE|Dir=In|"
    machine.registry[key] = {
        "any-in": head + "Profile=Private|Profile=Public|Name=Everything in|",
        "udp-in": head + "Protocol=17|Name=All UDP|",
        "app-in": head + r"Protocol=17|App=C:\x.exe|Name=One program|",
        "far-in": head + "RA4=10.0.0.0/255.0.0.0|Name=One network|",
        "off-in": "v2.30|Action=Allow|Active=FALSE|Dir=In|Name=Off|",
    }
    rules = {r.name: r for r in bench(machine).fact(Firewall).rules}
    assert {"any-in", "udp-in"} <= set(rules) and {"app-in", "far-in", "off-in"} & set(rules) == set()
    assert (rules["any-in"].protocol, rules["any-in"].profiles) == ("Any", ("Private", "Public"))
    assert (rules["udp-in"].protocol, rules["udp-in"].ports) == ("UDP", ("Any",))


def test_logs_of_hostprocess_pods(bench: BenchFactory, machine: Machine) -> None:
    """The runtime's prefix goes, and lines that it split are whole again."""
    folder = r"C:\var\log\pods\kube-flannel_kube-flannel-ds-windows-x_uid\kube-flannel"
    stamp = "2026-01-02T03:04:05.678901234Z stderr"
    machine.files = {p: f for p, f in machine.files.items() if not p.startswith(r"C:\var\log\pods")}
    machine.files[rf"{folder}\0.log"] = File(f"{stamp} F old\r\n", modified=-9_000)
    machine.files[rf"{folder}\1.log"] = File(
        f"{stamp} P E0102 first half, \r\n{stamp} F second half\r\n", modified=-5
    )
    lines = bench(machine).fact(NodeLogs).lines("flanneld")
    assert lines == ["E0102 first half, second half"]
