"""Every node fact of a healthy containerd node, as the scripts answer it, against the state of the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from nodekit import PROBES, Bench, asked, decoded, node_questions

from facts.asking import Value
from facts.fact import Fact, NotApplicable
from facts.node.cni import CniFiles, FlannelFiles, Ipam
from facts.node.hns import Hns
from facts.node.kubernetes import Kubeconfigs, Kubelet, KubeProxy, NodeLogs
from facts.node.network import Adapters, DnsClient, Firewall, Ports, Routes
from facts.node.probes import TcpProbes
from facts.node.runtime import Containerd, Cri, Docker, Images, Sandboxes
from facts.node.windows import EventLog, Os, Processes, Services, TimeSource
from lab.world.machine import Event, FirewallRule, Machine
from lab.world.pki import subject_of, validity_of
from lab.world.scenarios import build

F = TypeVar("F", bound=Fact)
pytestmark = pytest.mark.pwsh
NOW = 1_767_323_045.0


class Answered:
    """One machine and every fact that was asked of it."""

    def __init__(self, bench: Bench) -> None:
        self.machine: Machine = bench.machine
        self.epoch = bench.epoch
        wanted = [q.fact for q in node_questions() if q.fact not in PROBES]
        self.values: dict[type[Fact], Value] = bench.facts(wanted)
        self.changed = bench.changed()

    def get(self, fact: type[F]) -> F:
        value = self.values[fact]
        assert isinstance(value, fact), value
        return value

    def time(self, relative: float) -> datetime:
        return datetime.fromtimestamp(self.epoch + relative, UTC)


@pytest.fixture(scope="module")
def node(pwsh: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    machine = build("flannel-2022", NOW).windows["win-1"]
    machine.events = [
        Event(
            "System",
            "Service Control Manager",
            7031,
            2,
            -7_200,
            ["Kubernetes Kubelet", "1", "60000", "1", "Restart"],
            "x",
            "kubelet",
        ),
        Event("System", "Service Control Manager", 7031, 2, -900_000, ["old"], "before the three days"),
        Event("System", "Service Control Manager", 7036, 4, -60, ["noise"], "not asked for"),
        Event(
            "Microsoft-Windows-Host-Network-Service-Admin",
            "Microsoft-Windows-Host-Network-Service",
            1018,
            2,
            -60,
        ),
    ]
    machine.firewall.rules += [
        FirewallRule("off", "off", enabled=False, local_port=["10250"]),
        FirewallRule("out", "out", direction="Outbound", local_port=["10250"]),
        FirewallRule("web", "web", local_port=["80", "443"]),
        FirewallRule(
            "wide", "wide", local_port=["1024-5000", "80"], protocol="UDP", profile="Domain, Private"
        ),
        FirewallRule("deny", "deny", action="Block", local_port=["5985"], store="GroupPolicy"),
    ]
    bench = Bench(machine, pwsh, tmp_path_factory.mktemp("overlay"))
    yield Answered(bench)
    bench.stop()


def close(one: datetime | None, other: datetime) -> bool:
    """CIM dates have microseconds, file times may be coarser."""
    return one is not None and abs(one - other) < timedelta(seconds=1)


def test_asking_changes_nothing_on_the_node(node: Answered) -> None:
    assert not node.changed


def test_os(node: Answered) -> None:
    os, machine = node.get(Os), node.machine.os
    assert os.version == f"10.0.{machine.build}.{machine.ubr}"
    assert (os.product_name, os.installation_type) == (machine.product_name, machine.installation_type)
    assert (os.hostname, os.domain, os.model) == (machine.hostname, machine.domain, machine.model)
    assert (os.memory_kb, os.free_memory_kb) == (machine.memory_kb, machine.free_memory_kb)
    assert close(os.last_boot, node.time(machine.boot))
    assert (os.ui_culture, os.oem_code_page, os.time_zone) == ("en-US", 437, "UTC")
    assert os.environment == {"NODE_NAME": "win-1"}, "Path is not among what is asked for"


def test_services(node: Answered) -> None:
    services = node.get(Services)
    listed = {s.name: s for s in services.services}
    assert set(listed) == set(node.machine.services)
    for name, have in node.machine.services.items():
        got = listed[name]
        assert (got.state, got.start_mode, got.path, got.account, got.pid) == (
            have.state,
            have.start_mode,
            have.path,
            have.account,
            have.pid,
        )
        assert list(got.depends_on) == have.depends_on, "a list of one is a list"
        assert (got.nssm.application if got.nssm else None) == have.nssm.get("Application")
    assert services.drivers == node.machine.drivers


def test_processes(node: Answered) -> None:
    processes = node.get(Processes)
    got = {p.pid: p for p in processes.processes}
    for have in node.machine.processes:
        if have.name.startswith(("kube", "containerd", "flannel")):
            assert got[have.pid].command_line == have.command_line
            assert got[have.pid].threads == have.threads
            assert close(got[have.pid].created, node.time(have.created))
    assert processes.hns is not None and processes.hns.pid == node.machine.services["hns"].pid
    assert not processes.hns_shared


def test_event_log(node: Answered) -> None:
    events = node.get(EventLog).events
    of_services = [e for e in events if e.provider == "Service Control Manager"]
    assert [(e.id, e.level, e.properties, e.service) for e in of_services] == [
        (7031, 2, ("Kubernetes Kubelet", "1", "60000", "1", "Restart"), "kubelet")
    ]
    assert of_services[0].of_service("Kubelet") and not of_services[0].of_service("hns")
    assert [e.id for e in events if e.log.startswith("Microsoft-Windows-Host-Network")] == [1018]
    assert close(next(e.at for e in events if e.id == 7031), node.time(-7_200))


def test_adapters_and_routes(node: Answered) -> None:
    adapters = {a.name: a for a in node.get(Adapters).adapters}
    assert set(adapters) == {a.name for a in node.machine.adapters}
    for have in node.machine.adapters:
        got = adapters[have.name]
        assert (got.index, got.mac, got.mtu, got.status) == (have.index, have.mac, have.mtu, have.status)
        assert (got.hidden, got.virtual, got.forwarding) == (have.hidden, have.virtual, have.forwarding)
        assert [(i.address, i.prefix_length) for i in got.addresses] == have.addresses
    wanted = {(r.prefix, r.next_hop, r.index, r.metric) for r in node.machine.routes}
    assert {(r.prefix, r.next_hop, r.index, r.metric) for r in node.get(Routes).routes} == wanted


def test_dns_client_and_time(node: Answered) -> None:
    dns = node.get(DnsClient)
    assert dns.servers == {a.name: tuple(a.dns) for a in node.machine.adapters if a.dns}
    assert dns.append_to_multi_label is None
    assert node.get(TimeSource) == TimeSource("NTP", "10.0.1.1,0x8")


def test_ports(node: Answered) -> None:
    ports = node.get(Ports)
    assert {(p.address, p.port, p.pid) for p in ports.listening} == {tuple(x) for x in node.machine.listening}
    assert ports.dynamic == {"tcp": (49152, 16384), "udp": (49152, 16384)}
    assert ports.excluded == {"tcp": ((5985, 5985), (47001, 47001)), "udp": ()}


def test_firewall(node: Answered) -> None:
    firewall = node.get(Firewall)
    assert firewall.profiles == {"Domain": True, "Private": True, "Public": True}
    assert set(firewall.default_inbound.values()) == {"Block"}
    rules = {r.name: r for r in firewall.rules}
    assert {"off", "out", "web"} & set(rules) == set()
    assert rules["wide"].ports == ("1024-5000", "80") and rules["wide"].profiles == ("Domain", "Private")
    assert not rules["deny"].allow and rules["deny"].store == "GroupPolicy"
    assert rules["OverlayTraffic4789UDP"].protocol == "UDP" and rules["OverlayTraffic4789UDP"].ports == (
        "4789",
    )


def test_hns(node: Answered) -> None:
    hns, state = node.get(Hns), node.machine.hns
    assert {n.name for n in hns.networks} == {n["Name"] for n in state.networks}
    overlay = hns.overlay
    assert overlay is not None and overlay.vsid == 4096 and overlay.management_ip == node.machine.address
    assert {r.provider_address for r in overlay.remote_subnets} == {"10.0.1.10", "10.0.1.22"}
    assert {e.id: e.ip for e in hns.endpoints} == {e["ID"]: e["IPAddress"] for e in state.endpoints}
    assert {b.id for b in hns.load_balancers} == {p["ID"] for p in state.policy_lists}
    pods = [e for e in hns.endpoints if e.dns_servers]
    assert pods and all(
        e.dns_suffixes[-1] == "cluster.local" and e.state_name == "AttachedSharing" for e in pods
    )
    dns = [b for b in hns.load_balancers if "10.96.0.10" in b.vips]
    assert {(b.protocol, b.external_port) for b in dns} >= {(17, 53), (6, 53)}
    assert all(set(b.endpoints) <= {e.id for e in hns.endpoints} for b in hns.load_balancers)


def test_kubelet_and_kube_proxy(node: Answered) -> None:
    kubelet, proxy = node.get(Kubelet), node.get(KubeProxy)
    assert (kubelet.version, kubelet.found_in, kubelet.config_exists) == ("v1.31.4", "process", True)
    assert kubelet.setting("hostname-override", "") == "win-1"
    assert kubelet.setting("cluster-dns", "clusterDNS") == ["10.96.0.10"]
    assert kubelet.config["cgroupsPerQOS"] is False
    assert (proxy.found_in, proxy.flags["source-vip"]) == ("process", proxy.source_vip)


def test_kubeconfigs(node: Answered) -> None:
    found = node.get(Kubeconfigs)
    own = found.kubelet
    assert own is not None and own.path == r"C:\etc\kubernetes\kubelet.conf"
    assert own.server == "https://10.0.1.10:6443" and not own.error
    pem = node.machine.files[own.certificate_path].text
    assert own.certificate is not None
    assert (own.certificate.common_name, own.certificate.organizations[0]) == subject_of(pem)
    begins, ends = validity_of(pem)
    assert own.certificate.not_before == datetime.fromtimestamp(begins, UTC)
    assert own.certificate.not_after == datetime.fromtimestamp(ends, UTC)
    authority = next(c for c in found.certificates if c.path.endswith("ca.crt"))
    assert authority.sha256 == own.ca_sha256 and len(own.ca_sha256) == 64


def test_logs(node: Answered) -> None:
    logs = node.get(NodeLogs)
    kubelet = next(log for log in logs.logs if log.component == "kubelet")
    assert kubelet.text == node.machine.files[kubelet.path].text
    assert close(kubelet.modified, node.time(node.machine.files[kubelet.path].modified))


def test_runtime(node: Answered) -> None:
    containerd, cri = node.get(Containerd), node.get(Cri)
    assert (containerd.version, containerd.config_version, containerd.pipe) == ("1.7.22", 2, True)
    assert cri.sandbox_image == "registry.k8s.io/pause:3.10" and cri.last_cni_load == "OK"
    ready = cri.condition("NetworkReady")
    assert ready is not None and ready.status
    assert isinstance(node.values[Docker], NotApplicable)
    pods = json.loads(_crictl(node.machine, "pods"))["items"]
    assert {s.id for s in node.get(Sandboxes).sandboxes} == {p["id"] for p in pods}
    pause = node.get(Images).find("registry.k8s.io/pause:3.10")
    assert pause is not None and pause.pinned and pause.size == 320_000


def _crictl(machine: Machine, word: str) -> str:
    answers = next(a for program, a in machine.natives.items() if program.endswith("crictl.exe"))
    return next(a.stdout for line, a in answers.items() if f" {word} " in f" {line} ")


def test_cni_and_flannel(node: Answered) -> None:
    files, flannel = node.get(CniFiles), node.get(FlannelFiles)
    conf = files.confs[0]
    assert (conf.name, conf.network, conf.bom, conf.error) == ("10-flannel.conf", "flannel.4096", "", "")
    assert conf.delegate["type"] == "sdnoverlay"
    assert {p.name for p in files.programs if p.directory == r"C:\opt\cni\bin"} == {
        Path(p.replace("\\", "/")).name for p in node.machine.files if p.startswith(r"C:\opt\cni\bin")
    }
    net = flannel.net_confs[0].conf
    assert (net.vni, net.port, net.backend) == (4096, 4789, "vxlan")
    assert flannel.subnet_env["FLANNEL_SUBNET"] == "10.244.1.1/24" and flannel.node_name == "win-1"
    assert node.get(Ipam).leases.keys() == {"flannel.4096"}


def test_probes(pwsh: str, tmp_path: Path) -> None:
    machine = build("flannel-2022", NOW).windows["win-1"]
    machine.tcp = {
        "a:1": "open",
        "b:2": "refused",
        "c:3": "timeout",
        "d:4": "unknown-host",
        "e:5": "unreachable",
        "f:6": "open",
    }
    bench = Bench(machine, pwsh, tmp_path)
    targets = [{"purpose": "api", "host": name[0], "port": int(name[2:])} for name in machine.tcp]
    raw = bench.answers(asked(TcpProbes, targets=targets, timeout_ms=3000))
    probes = decoded(TcpProbes, raw["tcp_probes"])
    assert isinstance(probes, TcpProbes)
    outcomes = {p.host: p.outcome for p in probes.probes}
    assert outcomes == {
        "a": "open",
        "b": "refused",
        "c": "timeout",
        "d": "name",
        "e": "unreachable",
        "f": "open",
    }
    took = {p.host: p.ms for p in probes.probes}
    assert took["f"] < 2000 < 3000 <= took["c"], "one that nobody answers makes no other look slow"
