"""What real clusters and runtimes hand out that the practice cluster does not."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from facts.asking import ask_cluster, read_node_answer
from facts.cluster.control_plane import (
    ClusterInfo,
    CoreDns,
    KubeadmConfig,
    KubeletConfigMap,
    KubeProxyConfigMap,
)
from facts.cluster.flannel import FlannelDaemons
from facts.cluster.objects import ConfigMapObject, Container, Metadata, PodObject, PodSpec, WrittenMetadata
from facts.collector.wire import RawAnswer, ScriptError
from facts.derived.effective_cni import EffectiveCni
from facts.derived.pause_image import PauseImage
from facts.derived.probe_plan import server_of
from facts.derived.stack import Stack
from facts.fact import Fact, Failed, NotApplicable
from facts.netconf import NetConf, net_conf
from facts.node.cni import CniFiles
from facts.node.kubernetes import Kubelet, RawConfigFile, RawKubelet
from facts.node.network import Routes
from facts.node.parsing import container_log, merged, yaml_document
from facts.node.runtime import Containerd
from facts.node.windows import Processes, Services
from targets.target import ClusterTarget


class Maps:
    """An API server whose ConfigMaps all hold `data`, and whose pods are `pods`."""

    def __init__(self, data: dict[str, str], *pods: PodObject) -> None:
        self.data, self.pods = data, list(pods)

    def get(self, path: str, kind: type[Any]) -> ConfigMapObject:
        return ConfigMapObject(WrittenMetadata("x", "kube-system"), self.data)

    def list(self, path: str, kind: type[Any]) -> list[PodObject]:
        return [p for p in self.pods if f"/{p.metadata.namespace}/" in path]

    def text(self, path: str, *, params: dict[str, str]) -> str:
        return "I0102 03:04:05.000000 1 vxlan.go:50] VXLAN config: VNI=4096 Port=4789\n"


def asked(fact: type[Fact], **data: str) -> object:
    return ask_cluster(fact, cast(ClusterTarget, Maps({k.replace("__", "."): v for k, v in data.items()})))


def test_net_conf_is_read_as_go_reads_it() -> None:
    backend = '{"type": "vxlan", "vni": 4096, "PORT": 4789, "DirectRouting": true}'
    said = f'{{"network": "10.244.0.0/16", "Backend": {backend}}}'
    assert net_conf(said) == NetConf("10.244.0.0/16", "vxlan", 4096, 4789, direct_routing=True)
    assert net_conf('{"Network": null, "Backend": {"Type": null}}') == NetConf(), "nobody is called None"


def test_what_is_null_in_a_config_map_is_not_called_none() -> None:
    adm = asked(
        KubeadmConfig, ClusterConfiguration="networking: {podSubnet: null, serviceSubnet: 10.96.0.0/12}"
    )
    assert adm == KubeadmConfig(service_subnet="10.96.0.0/12")
    assert asked(KubeadmConfig, ClusterConfiguration="networking: none of it") == KubeadmConfig()
    assert asked(KubeletConfigMap, kubelet="clusterDNS: [10.96.0.10]\nclusterDomain:") == KubeletConfigMap(
        ("10.96.0.10",)
    )
    proxy = asked(KubeProxyConfigMap, config__conf="clusterCIDR: null", kubeconfig__conf="clusters: [null]")
    assert proxy == KubeProxyConfigMap()
    for fact, key in ((KubeadmConfig, "ClusterConfiguration"), (KubeletConfigMap, "kubelet")):
        failed = asked(fact, **{key: "at: 2020-13-45"})
        assert isinstance(failed, Failed) and failed.kind == "malformed", "a date that does not exist"


@pytest.mark.parametrize("data", ["A", "LS0t", ""])
def test_cluster_info_without_a_certificate_that_can_be_read(data: str) -> None:
    said = f"clusters: [{{cluster: {{server: 'https://a:6443', certificate-authority-data: '{data}'}}}}]"
    found = asked(ClusterInfo, kubeconfig=said)
    assert isinstance(found, Failed) if data == "A" else found == ClusterInfo("https://a:6443")


def test_cluster_info_with_a_bundle_is_told_by_its_first_certificate() -> None:
    pem = "".join(
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
        for der in (b"the first one, of 25 bytes", b"second")
    )
    said = (
        f"clusters: [{{cluster: {{certificate-authority-data: {base64.b64encode(pem.encode()).decode()}}}}}]"
    )
    found = asked(ClusterInfo, kubeconfig=said)
    assert found == ClusterInfo("", hashlib.sha256(b"the first one, of 25 bytes").hexdigest())


@pytest.mark.parametrize(
    ("line", "domain"),
    [
        ("    kubernetes cluster.local in-addr.arpa {", "cluster.local"),
        ("\tkubernetes\tcorp.example. {", "corp.example"),
        ("    kubernetes {", ""),
        ("    # kubernetes old.example {", ""),
    ],
)
def test_the_domain_in_a_corefile(line: str, domain: str) -> None:
    assert CoreDns(f".:53 {{\n    errors\n{line}\n    }}\n}}\n").domain == domain


def test_what_installs_flannel_is_no_flannel() -> None:
    """RKE2 leaves a finished helm-install-rke2-flannel pod behind, on the node where the daemon runs too."""
    job = PodObject(
        Metadata("helm-install-rke2-flannel-x", "kube-system"),
        PodSpec(node_name="cp-1", containers=(Container("helm", "rancher/klipper-helm"),)),
    )
    daemon = PodObject(
        Metadata("kube-flannel-ds-y", "kube-system"),
        PodSpec(node_name="cp-1", containers=(Container("kube-flannel", "flannel"),)),
    )
    found = FlannelDaemons.ask(cast(ClusterTarget, Maps({}, job, daemon)))
    assert isinstance(found, FlannelDaemons) and [d.pod for d in found.daemons] == ["kube-flannel-ds-y"]


def test_dockers_own_log_files() -> None:
    line = r'{"log":"E0102 03:04:05 a \"quoted\" \u003cthing\u003e\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}'
    assert (
        container_log(f'{line}\r\n{{"log": broken\r\n') == 'E0102 03:04:05 a "quoted" <thing>\n{"log": broken'
    )


def test_files_of_config_dir_are_merged_in_their_order() -> None:
    """Lists are replaced, mappings are merged: Kubelet Configuration Directory Merging in Kubernetes' documentation."""
    files = (
        RawConfigFile(r"C:\d\20-more\a.conf", "authentication: {webhook: {enabled: true}}"),
        RawConfigFile(
            r"C:\d\10.conf", "clusterDNS: [10.0.0.2]\nauthentication: {anonymous: {enabled: false}}"
        ),
    )
    raw = RawKubelet(
        process=r"kubelet.exe --config-dir=C:\d", config="clusterDNS: [1.1.1.1]\nmaxPods: 9", config_exists=True,
        config_more=files,
    )  # fmt: skip
    assert Kubelet.read(raw).config_files == (r"C:\d\10.conf", r"C:\d\20-more\a.conf")
    assert Kubelet.read(raw).config == {
        "clusterDNS": ["10.0.0.2"],
        "maxPods": 9,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    }
    torn = Kubelet.read(RawKubelet(config_more=(RawConfigFile(r"C:\d\x.conf", "a: ["),)))
    assert torn.config_error.startswith(r"C:\d\x.conf: ")
    assert merged({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"c": None, "d": 3}}) == {"b": {"d": 3}}


@pytest.mark.parametrize(
    ("error", "denied"),
    [
        (ScriptError("System.UnauthorizedAccessException", "0x80070005", "X,Y"), True),
        (ScriptError("CimException", "0x80131500", "HRESULT 0x80041003,…GetCimInstanceCommand"), True),
        (ScriptError("CimException", "0x80131500", "Windows System Error 5,Get-NetFirewallProfile"), True),
        (ScriptError("CimException", "0x80131500", "Windows System Error 53,Get-NetFirewallProfile"), False),
        (ScriptError("CimException", "0x80131500", "HRESULT 0x80041010,…GetCimInstanceCommand"), False),
    ],
)
def test_windows_denies_in_several_words(error: ScriptError, denied: bool) -> None:
    failed = read_node_answer(Routes, RawAnswer(datetime.now(UTC), error=error), lambda _: None)
    assert isinstance(failed, Failed) and ("Administrators" in failed.hint) is denied


def test_a_mistyped_server_is_no_target_and_no_crash() -> None:
    assert [(t.host, t.port) for t in server_of("https://[fd00::1]:6443")] == [("fd00::1", 6443)]
    assert [(t.host, t.port) for t in server_of("https://api.example")] == [("api.example", 443)]
    bare = [server_of(a)[0] for a in ("10.0.0.1:6443", "api.example:6443", "api.example")]
    assert [(t.host, t.port) for t in bare] == [
        ("10.0.0.1", 6443),
        ("api.example", 6443),
        ("api.example", 443),
    ]
    for mistyped in (
        "https://10.0.0.1:644333",
        "10.0.0.1:644333",
        "https://10.0.0.1:port",
        "https://[fd00::1",
        "",
    ):
        assert server_of(mistyped) == ()


def test_config_toml_of_version_1_names_its_tables_shortly() -> None:
    """RKE2 wrote it so: https://github.com/rancher/windows/issues/62. containerd reads it up to 1.7."""
    config = {
        "plugins": {"cri": {"sandbox_image": "rancher/pause:3.2", "cni": {"conf_dir": r"C:\var\net.d"}}}
    }
    containerd = Containerd(version="1.7.22", config_exists=True, config=config)
    none = NotApplicable("")
    pause = PauseImage.derive(Kubelet(), containerd, none, none, Services(()), Processes(()))
    assert isinstance(pause, PauseImage)
    assert (pause.reference, pause.origin) == ("rancher/pause:3.2", "config.toml")
    cni = EffectiveCni.derive(
        Stack("containerd", "", "", "", "", ""), CniFiles((), ()), NotApplicable(""), containerd, Kubelet()
    )
    assert isinstance(cni, EffectiveCni)
    assert (cni.conf_dir, cni.conf_origin) == (r"C:\var\net.d", "config.toml")


def test_a_kubelet_configuration_in_json_may_be_indented_with_tabs() -> None:
    assert yaml_document('{\n\t"clusterDNS": [\n\t\t"10.0.0.10"\n\t]\n}\n') == (
        {"clusterDNS": ["10.0.0.10"]},
        "",
    )
    assert yaml_document("{a: 1}") == ({"a": 1}, "")
