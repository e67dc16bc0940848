"""What readers make of text, without an engine."""

from __future__ import annotations

import pytest

from facts.fact import Failed, NotApplicable
from facts.node.kubernetes import Kubelet, KubeProxy, RawKubeconfig, RawKubelet, RawKubeProxy, read_kubeconfig
from facts.node.network import RawOpenRule
from facts.node.parsing import (
    command_words,
    container_log,
    environment_argument,
    flags_of,
    port_ranges,
    script_arguments,
    size_of,
    subject_values,
    texts,
    toml_document,
    yaml_document,
)
from facts.node.runtime import Cri, Docker, RawCri, RawDocker, RawTool, Sandboxes
from facts.node.windows import Nssm


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (r"C:\k\kubelet.exe --a=b --c d --e", {"a": "b", "c": "d", "e": "true"}),
        (
            r'"C:\Program Files\k.exe" --path="C:\Program Files\x" -v=4',
            {"path": r"C:\Program Files\x", "v": "4"},
        ),
        (
            "k --resolv-conf='' --enforce-node-allocatable=\"\"",
            {"resolv-conf": "", "enforce-node-allocatable": ""},
        ),
        ("k --a=1 --a=2 --b --c=d=e", {"a": "2", "b": "true", "c": "d=e"}),
        ("", {}),
        (r'"C:\k\kube-log-runner.exe" -log-file=C:\a.log C:\k\kubelet.exe --v=2', {"v": "2"}),
        (r"kube-log-runner -log-file C:\a.log -also-stdout kubelet --log-file=b", {"log-file": "b"}),
        ('k --open="never closed --x=1', {"open": "never", "x": "1"}),
    ],
)
def test_flags(line: str, flags: dict[str, str]) -> None:
    assert flags_of(line) == flags


def test_words_keep_backslashes() -> None:
    assert command_words(r'"C:\a b\c.exe" D:\x\ y') == [r"C:\a b\c.exe", "D:\\x\\", "y"]


def test_flags_in_a_start_script_are_those_of_its_code() -> None:
    text = (
        '# --old=1\n$own = \'--a=C:\\x --b=y\'\n$args += "--node-ip=$env:IP"\nif ($x) { kubelet --c="d e" }\n'
    )
    assert flags_of(script_arguments(text)) == {"a": r"C:\x", "b": "y", "node-ip": "$env:IP", "c": "d e"}


def test_kubeadm_flags() -> None:
    assert (
        environment_argument('X=1\nKUBELET_KUBEADM_ARGS="--a=b --c=d"\n', "KUBELET_KUBEADM_ARGS")
        == "--a=b --c=d"
    )
    assert environment_argument("KUBELET_KUBEADM_ARGS=--a=b\n", "KUBELET_KUBEADM_ARGS") == "--a=b"
    assert environment_argument("", "KUBELET_KUBEADM_ARGS") == ""


@pytest.mark.parametrize(
    ("subject", "names", "organizations"),
    [
        ("CN=system:node:win-1, O=system:nodes", ("system:node:win-1",), ("system:nodes",)),
        ('O="a, b" + O=c, CN="x ""y"""', ('x "y"',), ("a, b", "c")),
        ("O=only", (), ("only",)),
        ("", (), ()),
    ],
)
def test_subjects(subject: str, names: tuple[str, ...], organizations: tuple[str, ...]) -> None:
    assert subject_values(subject, "CN") == names
    assert subject_values(subject, "O") == organizations


def test_netsh_is_read_by_its_digits_alone() -> None:
    text = (
        "\n协议 tcp 端口排除范围\n\n开始端口    结束端口\n----------    --------\n"
        "      5985        5985\n     50000       50059     *\n\n* - 管理的端口排除。\n"
    )
    assert port_ranges(text) == ((5985, 5985), (50000, 50059))


def test_container_logs() -> None:
    stamp = "2026-01-02T03:04:05.000000001+01:00 stdout"
    assert container_log(f"{stamp} P ab\n{stamp} F cd\nplain\n{stamp} P open") == "abcd\nplain\nopen"


def test_sizes_and_lists() -> None:
    assert [size_of(t) for t in ("256MB", "1.5kB", "2GB", "N/A", "")] == [
        256_000_000,
        1_500,
        2_000_000_000,
        0,
        0,
    ]
    assert texts("a, b") == ("a", "b") and texts(["a", "b,c", 1]) == ("a", "b", "c") and texts(None) == ()


@pytest.mark.parametrize("text", ["a: [", "- list", "2020-13-45", "!!python/object:x {}"])
def test_documents_that_are_none_say_why(text: str) -> None:
    document, error = yaml_document(text)
    assert document == {} and error


def test_toml_says_where() -> None:
    document, error = toml_document("version = 2\nbroken\nx = 1")
    assert document == {} and "line 2" in error


def test_where_a_kubelets_arguments_come_from() -> None:
    nssm = Nssm(r"C:\k\kubelet.exe", "--from=nssm")
    wrapped = Nssm(r"C:\Windows\powershell.exe", r"-File C:\k\StartKubelet.ps1")
    env = 'KUBELET_KUBEADM_ARGS="--from=env --more=1"'
    script = "$own = '--from=script'"

    def found(raw: RawKubelet) -> tuple[str, str]:
        kubelet = Kubelet.read(raw)
        return kubelet.found_in, kubelet.flags.get("from", "")

    everything = RawKubelet(
        process="kubelet.exe --from=process", nssm=nssm, script_text=script, flags_env=env
    )
    assert found(everything) == ("process", "process")
    native = RawKubelet(service=r"C:\k\kubelet.exe --windows-service --from=service", flags_env=env)
    assert found(native) == (
        "service",
        "service",
    )
    assert found(RawKubelet(nssm=nssm, script_text=script)) == ("nssm", "nssm")
    last = Kubelet.read(RawKubelet(nssm=wrapped, script_text=script, flags_env=env))
    assert (last.found_in, last.flags["from"], last.flags["more"]) == ("script", "script", "1")
    assert found(RawKubelet()) == ("", "")


def test_kube_proxy_and_its_source_vip() -> None:
    old = '{"cniVersion":"0.2.0","ip4":{"ip":"10.244.3.2/24"},"dns":{}}'
    new = '{"cniVersion":"1.0.0","ips":[{"address":"10.244.3.9/24"}]}'
    assert KubeProxy.read(RawKubeProxy(source_vip=old)).source_vip == "10.244.3.2"
    assert KubeProxy.read(RawKubeProxy(source_vip=new)).source_vip == "10.244.3.9"
    assert KubeProxy.read(RawKubeProxy(source_vip="Service failed")).source_vip == ""
    unseen = KubeProxy.read(
        RawKubeProxy(running=True, nssm=Nssm("kube-proxy.exe", "--v=4", environment=("KUBE_NETWORK=cbr0",)))
    )
    assert (unseen.found_in, unseen.flags, unseen.kube_network) == ("process", {"v": "4"}, "cbr0")
    assert KubeProxy.read(RawKubeProxy()).found_in == ""


KUBECONFIG = """\
apiVersion: v1
clusters:
- cluster:
    server: https://a:6443
  name: one
contexts:
- context:
    cluster: one
    user: me
  name: here
current-context: here
users:
- name: me
  user:
    token: kw-hidden
"""


def test_kubeconfigs() -> None:
    good = read_kubeconfig(RawKubeconfig(r"C:\x", text=KUBECONFIG))
    assert (good.server, good.context, good.user, good.has_token, good.error) == (
        "https://a:6443",
        "here",
        "me",
        True,
        "",
    )
    assert read_kubeconfig(RawKubeconfig("x", text="")).error == "It has no current context."
    assert (
        "not in it"
        in read_kubeconfig(RawKubeconfig("x", text=KUBECONFIG.replace("cluster: one", "cluster: two"))).error
    )
    assert read_kubeconfig(RawKubeconfig("x", text="a: b: c")).error
    in_json = read_kubeconfig(RawKubeconfig("x", json=True))
    assert in_json.json and not in_json.error, "the kubelet reads it"


def test_crictl_info_of_both_generations() -> None:
    one = Cri.read(RawCri(True, 0, '{"config": {"cni": {"binDir": "C:/a"}, "sandboxImage": "p:1"}}'))
    two = Cri.read(
        RawCri(
            True, 0, '{"config": {"cni": {"binDirs": ["C:/a", "C:/b"]}, "pinnedImages": {"sandbox": "p:2"}}}'
        )
    )
    assert isinstance(one, Cri) and (one.cni_bin_dirs, one.sandbox_image) == (("C:/a",), "p:1")
    assert isinstance(two, Cri) and (two.cni_bin_dirs, two.sandbox_image) == (("C:/a", "C:/b"), "p:2")
    assert isinstance(Cri.read(RawCri(False)), NotApplicable)
    garbled = Cri.read(RawCri(True, 0, "time=... level=warning"))
    assert isinstance(garbled, Failed) and garbled.kind == "malformed"


def test_tools_that_print_rubbish_or_are_not_there() -> None:
    assert isinstance(Sandboxes.read(RawTool("")), NotApplicable)
    for tool in ("crictl", "docker"):
        failed = Sandboxes.read(RawTool(tool, "rubbish"))
        assert isinstance(failed, Failed) and tool in failed.why
    silent = Docker.read(RawDocker(True, "", "", 0))
    assert isinstance(silent, Docker) and silent.error


def test_firewall_rules_of_the_registry() -> None:
    rule = RawOpenRule("r", "v2.30|Action=Block|Active=TRUE|Dir=In|Protocol=6|Name=No|", policy=True).rule
    assert (rule.allow, rule.protocol, rule.ports, rule.profiles) == (False, "TCP", ("Any",), ("Any",))
    assert rule.store == "GroupPolicy"
