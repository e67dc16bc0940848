"""What is read out of kube-proxy's logs: several files, two years, words that name no Service."""

from __future__ import annotations

import pytest

from checks.proxy.settings import creation_failed, lines_since_it_worked, told_elsewhere
from facts.node.kubernetes import KubeProxy, LogTail, NodeLogs
from facts.node.parsing import flags_of

WORKED = 'I1231 23:50:00.000000    3728 proxier.go:1318] "Policy successfully applied for service" serviceInfo="a/b:c"'


def logs(*texts: str) -> NodeLogs:
    """Files of kube-proxy, the newest first, as the node sends them."""
    return NodeLogs(tuple(LogTail("kube-proxy", rf"C:\k\{n}.log", text=text) for n, text in enumerate(texts)))


@pytest.mark.parametrize(
    ("newest", "older", "left"),
    [
        (
            "E1231 23:40:00.000000 1 a.go:1] refused",
            WORKED,
            [],
        ),  # the file of errors, whose last words are old
        ("E1231 23:55:00.000000 1 a.go:1] refused", WORKED, ["refused"]),
        ("E0101 00:01:00.000000 1 a.go:1] refused", WORKED, ["refused"]),  # in the new year
        (f"E1231 23:40:00.000000 1 a.go:1] refused\n{WORKED}", "E1130 01:00:00.0 1 a.go:1] old", []),
        ("refused", "", ["refused"]),  # no klog header at all
    ],
)
def test_lines_of_several_files_stand_in_the_order_of_their_time(
    newest: str, older: str, left: list[str]
) -> None:
    assert [line.rpartition("] ")[2] for line in lines_since_it_worked(logs(newest, older))] == left


def test_the_last_refusal_of_a_kind_is_shown_though_it_names_no_service() -> None:
    cluster_ip = (
        'E0101 00:01:00.000000 1 proxier.go:1] "ClusterIP policy creation failed" err="… (0x803b0007)"'
    )
    node_port = 'E0101 00:02:00.000000 1 proxier.go:2] "Nodeport policy creation failed" err="… (0x803b0013)"'
    old = 'E0101 00:03:00.000000 1 proxier.go:3] "Policy creation failed" err="… (0x803b0007)"'
    said = logs(f"{cluster_ip}\n{node_port}")
    assert creation_failed(said, "clusterip", "shop/api") == cluster_ip
    assert creation_failed(said, "nodeport", "shop/api") == node_port
    assert creation_failed(logs(old), "nodeport", "shop/api") == old
    assert creation_failed(logs(WORKED), "nodeport", "shop/api") == ""
    named = node_port + ' serviceInfo="shop/api:http"'
    assert creation_failed(logs(f"{named}\n{node_port}"), "nodeport", "shop/api") == named


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (r"C:\k\kube-proxy.exe --v=4 --proxy-mode=kernelspace", ""),
        (r'"C:\Program Files\k\kube-proxy.exe" --v=4', ""),
        (r"C:\k\kube-proxy.exe --config=C:\k\proxy.conf", "The file of --config"),
        (r"powershell.exe -File C:\k\kubeproxystart.ps1", "The script"),
        (r"powershell.exe C:\hpc\kube-proxy\start.ps1", "The script"),
    ],
)
def test_where_else_kube_proxy_may_be_told_something(arguments: str, place: str) -> None:
    told = told_elsewhere(KubeProxy(arguments, "nssm", flags_of(arguments)))
    assert told.startswith(place) and bool(told) is bool(place)
