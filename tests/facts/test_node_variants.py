"""Nodes of other makers, and what Windows PowerShell does that the healthy practice node never makes it do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import pytest
from nodekit import Bench, asked

from facts.asking import read_node_answer
from facts.collector.wire import Asked, RawAnswer, script_text
from facts.fact import Fact
from facts.node.cni import CniFiles, FlannelFiles
from facts.node.kubernetes import Kubeconfigs, Kubelet, NodeLogs
from facts.node.network import Adapters, Firewall
from facts.node.probes import RawTcpProbes
from facts.node.runtime import Containerd, Cri, Docker, Images, Sandboxes
from facts.node.windows import TimeSource
from lab.world.machine import File, Machine, Process
from lab.world.scenarios import build

pytestmark = pytest.mark.pwsh
BenchFactory = Callable[[Machine], Bench]
F = TypeVar("F", bound=Fact)
RKE2 = r"C:\var\lib\rancher\rke2"


def value(raw: RawAnswer) -> Any:
    assert raw.error is None, raw.error
    return msgspec.json.decode(raw.value)


def test_rke2_starts_everything_itself(bench: BenchFactory, machine: Machine) -> None:
    """No service is called containerd or kubelet; the configuration of the kubelet is a folder of files.

    Source: https://github.com/rancher/windows/issues/62, https://github.com/rancher/rke2/issues/4043
    """
    for name in ("containerd", "kubelet"):
        del machine.services[name]
    old = machine.natives[r"C:\Program Files\containerd\containerd.exe"]
    crictl = machine.natives.pop(r"C:\Program Files\containerd\crictl.exe")
    machine.natives = {rf"{RKE2}\bin\containerd.exe": old, rf"{RKE2}\bin\crictl.exe": crictl}
    toml = '[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "index.docker.io/rancher/mirrored-pause:3.6"\n'
    toml += f"[plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = '{RKE2}\\agent\\etc\\cni\\other'\n"
    folder = rf"{RKE2}\agent\etc\kubelet.conf.d"
    stale = machine.files[r"C:\var\lib\kubelet\config.yaml"]
    machine.files = {
        r"C:\var\lib\kubelet\config.yaml": stale,
        rf"{RKE2}\bin\containerd.exe": File(size=1),
        rf"{RKE2}\bin\crictl.exe": File(size=1),
        rf"{RKE2}\agent\etc\containerd\config.toml": File(toml),
        rf"{RKE2}\agent\etc\cni\other\10-flannel.conflist": File('{"name": "rke2"}'),
        rf"{RKE2}\agent\containerd\containerd.log": File("level=info\n"),
        rf"{folder}\00-rke2-defaults.conf": File("clusterDNS: [10.43.0.10]\nshutdown: {a: 1, b: 2}\n"),
        rf"{folder}\20-cli\extra.conf": File("shutdown: {b: 3}\nclusterDNS: [10.43.0.11]\n"),
        rf"{folder}\10-cli-config.conf": File("maxPods: 99\nclusterDNS: [10.43.0.12]\n"),
        rf"{folder}\notes.txt": File("maxPods: 1\n"),
        r"C:\elsewhere\kube config.yaml": File("current-context: ''\n"),
    }
    machine.processes = [
        Process("rke2.exe", 100),
        Process(
            "containerd.exe", 101, 100, rf'"{RKE2}\bin\containerd.exe" -c {RKE2}\agent\etc\containerd\config.toml'
        ),
        Process(
            "kubelet.exe", 102, 100,
            rf'{RKE2}\bin\kubelet.exe --config-dir={folder} "--kubeconfig=C:\elsewhere\kube config.yaml" --v=2',
        ),
    ]  # fmt: skip
    got = bench(machine).facts([Containerd, CniFiles, Cri, Kubelet, Kubeconfigs, NodeLogs])
    containerd, files, cri, kubelet = got[Containerd], got[CniFiles], got[Cri], got[Kubelet]
    assert isinstance(containerd, Containerd) and isinstance(files, CniFiles) and isinstance(cri, Cri)
    assert containerd.config_path == rf"{RKE2}\agent\etc\containerd\config.toml" and containerd.version
    assert "mirrored-pause" in str(containerd.config)
    assert [c.name for c in files.confs] == ["10-flannel.conflist"]
    assert cri.conditions
    assert isinstance(kubelet, Kubelet) and kubelet.config_path == "", "an old config.yaml is not in force"
    assert kubelet.config == {"clusterDNS": ["10.43.0.11"], "shutdown": {"a": 1, "b": 3}, "maxPods": 99}
    configs, logs = got[Kubeconfigs], got[NodeLogs]
    assert isinstance(configs, Kubeconfigs) and isinstance(logs, NodeLogs)
    assert configs.kubelet is not None and configs.kubelet.path == r"C:\elsewhere\kube config.yaml"
    assert [log.component for log in logs.logs] == ["containerd"]


# The form of https://github.com/kubernetes-sigs/image-builder, StartKubelet.ps1 of the Windows role.
START = """$arguments = "--config=$env:SYSTEMDRIVE/var/lib/kubelet/config.yaml",
        "--hostname-override=$(hostname)",
        "--pod-infra-container-image=`"registry.example/pause:3.9`"",
        "--enforce-node-allocatable=`"`"",
        "--resolv-conf=`"`""
$line = "C:\\k\\kubelet.exe " + ($arguments -join " ") + " $kubeAdmArgs"
"""


def test_cluster_apis_start_script(bench: BenchFactory, machine: Machine) -> None:
    """Of a kubelet that does not run the script is all there is."""
    machine.processes = [p for p in machine.processes if p.name != "kubelet.exe"]
    machine.files[r"C:\k\StartKubelet.ps1"] = File(START)
    machine.files[r"C:\var\lib\kubelet\kubeadm-flags.env"] = File('KUBELET_KUBEADM_ARGS="--v=2"')
    kubelet = bench(machine).fact(Kubelet)
    assert (kubelet.found_in, kubelet.config_path) == ("script", r"C:\var\lib\kubelet\config.yaml")
    assert kubelet.config_exists and kubelet.config
    flags = kubelet.flags
    assert flags["pod-infra-container-image"] == "registry.example/pause:3.9"
    assert (flags["resolv-conf"], flags["enforce-node-allocatable"], flags["v"]) == ("", "", "2")


def test_a_kubeconfig_that_only_the_start_script_names(bench: BenchFactory, machine: Machine) -> None:
    """The kubelet does not run; what lies in the usual place is not what it would use."""
    machine.processes = [p for p in machine.processes if p.name != "kubelet.exe"]
    usual = machine.files[r"C:\etc\kubernetes\kubelet.conf"]
    own = r"C:\ProgramData\kubernetes\kubeconfig"
    machine.files[own] = File(usual.text)
    line = (
        '"--kubeconfig=$env:SYSTEMDRIVE/ProgramData/kubernetes/kubeconfig",\n"--bootstrap-kubeconfig=C:\\b"\n'
    )
    machine.files[r"C:\k\StartKubelet.ps1"] = File("# --kubeconfig=C:\\old\n" + line)
    found = bench(machine).fact(Kubeconfigs)
    assert found.told == own and found.kubelet is not None and found.kubelet.path == own
    del machine.files[own]
    gone = bench(machine).fact(Kubeconfigs)
    assert gone.told == own and gone.kubeconfigs and gone.kubelet is None
    machine.files[r"C:\k\StartKubelet.ps1"] = File("kubelet.exe --kubeconfig=$config\n")
    assert bench(machine).fact(Kubeconfigs).told == "", "a variable's value is not known"


@pytest.mark.parametrize(("encoding", "said"), [("utf-8-sig", "utf-8"), ("utf-16", "utf-16")])
def test_a_net_conf_that_powershell_wrote(
    bench: BenchFactory, machine: Machine, encoding: str, said: str
) -> None:
    """flannel's JSON reader takes no byte order mark: what follows it is in force nowhere."""
    text = '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}'
    machine.files[r"C:\etc\kube-flannel\net-conf.json"] = File(text, encoding=encoding)
    conf = bench(machine).fact(FlannelFiles).net_confs[0].conf
    assert conf.error == f"a byte order mark of {said} comes first" and conf.network == ""


def test_whether_the_file_of_resolvconf_exists(bench: BenchFactory, machine: Machine) -> None:
    machine.processes = [p for p in machine.processes if p.name != "kubelet.exe"]
    machine.files[r"C:\k\StartKubelet.ps1"] = File(
        "kubelet.exe --config=C:\\k\\c.yaml --config-dir=C:\\k\\more\n"
    )
    machine.files[r"C:\k\c.yaml"] = File('resolvConf: "C:\\\\k\\\\resolv.conf" # ours\n')
    machine.files[r"C:\k\more\10.conf"] = File("resolvConf: /etc/resolv.conf\r\n")
    machine.files[r"C:\k\resolv.conf"] = File("nameserver 10.0.0.53\n")
    kubelet = bench(machine).fact(Kubelet)
    assert kubelet.resolv_files == {r"C:\k\resolv.conf": True, "/etc/resolv.conf": False}
    machine.files[r"C:\k\StartKubelet.ps1"] = File('kubelet.exe "--resolv-conf=/k/resolv.conf"\n')
    assert bench(machine).fact(Kubelet).resolv_files["/k/resolv.conf"] is True


def test_containerd_under_nssm_and_pipes_that_spoil_the_list(bench: BenchFactory, machine: Machine) -> None:
    """AKS, and the tip in Kubernetes' own page on container runtimes, start containerd by nssm."""
    service = machine.services["containerd"]
    service.path = r"C:\k\nssm.exe"
    service.nssm = {
        "Application": r"C:\Program Files\containerd\containerd.exe",
        "AppParameters": r'--config "C:\other place\config.toml"',
        "AppStderr": r'"C:\k\containerd.err.log"',
    }
    machine.files[r"C:\other place\config.toml"] = File("version = 2\n")
    machine.files[r"C:\k\containerd.err.log"] = File("level=error\n")
    # As Windows PowerShell does where one pipe of all has such a name.
    broken = "function Get-ChildItem { [CmdletBinding()] param($LiteralPath) if ($LiteralPath -eq '\\\\.\\pipe\\') { "
    broken += (
        "$PSCmdlet.WriteError((New-Object Management.Automation.ErrorRecord (New-Object ArgumentException "
    )
    broken += "'Illegal characters in path.'), 'DirArgumentError', 'InvalidArgument', $null)) } }\n"
    questions = [
        *asked(Containerd, NodeLogs),
        Asked("pipes", broken + script_text("containerd.ps1"), {}, 60.0),
    ]
    raw = bench(machine).answers(questions)
    containerd = fact_of(Containerd, raw["containerd"])
    assert containerd.program == r"C:\Program Files\containerd\containerd.exe" and containerd.version
    assert containerd.config_path == r"C:\other place\config.toml" and containerd.config == {"version": 2}
    assert "containerd" in {log.component for log in fact_of(NodeLogs, raw["node_logs"]).logs}
    assert fact_of(Containerd, raw["pipes"]).pipe, "one pipe's name hid all the others"


def fact_of(fact: type[F], raw: RawAnswer) -> F:
    def none(_: object) -> object:
        raise AssertionError

    found = read_node_answer(fact, raw, none)
    assert isinstance(found, fact), found
    return found


def test_docker_with_a_crictl_beside_it(bench: BenchFactory) -> None:
    """crictl asks containerd's pipe, which Docker does not serve: that is no runtime that fails."""
    machine = build("classic-2019", 1_767_323_045.0).windows["192.168.18.8"]
    machine.files[r"C:\k\crictl.exe"] = File(size=1)
    machine.natives[r"C:\k\crictl.exe"] = {}
    got = bench(machine).facts([Docker, Images, Sandboxes, Cri])
    assert isinstance(got[Images], Images) and isinstance(got[Sandboxes], Sandboxes)
    assert not isinstance(got[Cri], Cri)


def test_numbers_and_answers_at_the_edge(bench: BenchFactory, machine: Machine) -> None:
    machine.adapters[0].mtu = 4_294_967_295
    machine.registry[r"HKLM:\SOFTWARE\Policies\Microsoft\W32Time\Parameters"] = {
        "Type": "NTP",
        "NtpServer": "time.corp",
    }
    nothing = "function Get-NetFirewallPortFilter { [CmdletBinding()] param($Protocol, $PolicyStore) "
    nothing += (
        "$PSCmdlet.WriteError((New-Object Management.Automation.ErrorRecord (New-Object Exception 'none'), "
    )
    nothing += (
        "'CmdletizationQuery_NotFound_Protocol,Get-NetFirewallPortFilter', 'ObjectNotFound', $Protocol)) }\n"
    )
    # A TcpClient of .NET Framework, made without a family, is one of IPv4.
    client = (
        "function New-Object([string]$TypeName, $Family = 'InterNetwork') {\n"
        "$one = [pscustomobject]@{ Family = [string]$Family }\n"
        "$one | Add-Member ScriptMethod ConnectAsync { param($server, $port) if (($server -match ':') -ne "
        "($this.Family -eq 'InterNetworkV6')) { throw [ArgumentException]'no address of this family' }; "
        "[Threading.Tasks.Task]::CompletedTask }\n"
        "$one | Add-Member ScriptMethod Dispose { }\n$one }\n"
    )
    targets = [
        {"purpose": "api", "host": host, "port": 6443} for host in ("fd00::1", "10.0.0.1", "api.example")
    ]
    raw = bench(machine).answers(
        [
            *asked(Adapters, TimeSource),
            Asked("firewall", nothing + script_text("firewall.ps1"), {}, 60.0),
            Asked(
                "tcp", client + script_text("tcp_probes.ps1"), {"targets": targets, "timeout_ms": 500}, 60.0
            ),
        ]
    )
    assert fact_of(Adapters, raw["adapters"]).adapters[0].mtu == 4_294_967_295
    assert fact_of(TimeSource, raw["time_source"]) == TimeSource("NTP", "time.corp"), "group policy wins"
    assert fact_of(Firewall, raw["firewall"]).profiles, "no rule at all is an answer"
    probes = msgspec.convert(value(raw["tcp"]), RawTcpProbes).probes
    assert [p.open for p in probes] == [True, True, True], probes


def test_helpers(bench: BenchFactory, machine: Machine) -> None:
    """Ends of large files, arguments as people quote them, programs that cannot be started."""
    secret = "first eyJhbGciOiJSUzI1NiJ9.cGF5bG9hZA.c2lnbmF0dXJl\r\n"  # JWT-shaped, cut in two below
    machine.files[r"C:\big.log"] = File(secret + "last line\r\n")
    machine.files[r"C:\wide.log"] = File("first\r\nzweite Zeile: ä\r\n", encoding="utf-16")
    machine.files[r"C:\torn.exe"] = File("not a program")
    lines = {
        "plain": r"k.exe --config=C:\a.yaml --config-dir=C:\d",
        "apart": r'k.exe --bootstrap-kubeconfig=x --config "C:\b c.yaml" -v=2',
        "value": r'"C:\p q\k.exe" --config="C:\b c.yaml"',
        "whole": r'k.exe "--config=C:\b c.yaml" --x=1',
        "script": r'$a = "--config=/var/x.yaml --cert-dir=y"; $b',
        "none": r"k.exe --config-dir=C:\d --kube-config=z",
    }
    script = r"""
    $said = @{}
    foreach ($one in $p.lines.PSObject.Properties) { $said[$one.Name] = Get-Argument $one.Value 'config' }
    @{
        big = (Read-Text 'C:\big.log' 20); all = (Read-Text 'C:\big.log' 4000); wide = (Read-Text 'C:\wide.log' 38)
        said = $said; torn = (Read-Program 'C:\torn.exe' 'x')
        path = (Format-Path '/etc/x'); unc = (Format-Path '//s/x')
    }
    """
    found = value(bench(machine).answers([Asked("help", script, {"lines": lines}, 60.0)])["help"])
    assert found["big"] == "last line\r\n", "half a line may be half a secret"
    assert found["all"] == secret + "last line\r\n"
    assert found["wide"] == "zweite Zeile: ä\r\n"
    assert found["said"] == {
        "plain": r"C:\a.yaml",
        "apart": r"C:\b c.yaml",
        "value": r"C:\b c.yaml",
        "whole": r"C:\b c.yaml",
        "script": "/var/x.yaml",
        "none": "",
    }
    assert found["torn"]["code"] != 0 and found["torn"]["err"]
    assert (found["path"], found["unc"]) == (r"C:\etc\x", r"\\s\x")
