"""What flannel's settings account for: the nodes on which flanneld exits by them, and no others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, Draft, change, drafted
from checks.cni.flannel_leases import annotated
from checks.cni.flannel_running import linux_daemons_say
from checks.cni.flannel_vni import of_net_conf
from checks.edits import node_object
from checks.engine import Report, judge
from checks.finding import Finding, OutcomeKind
from facts.cluster.flannel import FlannelConfig
from facts.cluster.nodes import Nodes
from facts.cluster.objects import Metadata, NodeObject
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns

NO_NETWORK = change(Hns, lambda h: replace(h, networks=()), "win-2")


def report(stack: str, *changes: Change) -> Report:
    return judge(drafted(Case("", stack, changes)).session)


def first(judged: Report, check: str) -> Finding:
    return next(f for f in judged.findings if f.id == check)


def accounts_for(judged: Report, cause: str) -> set[tuple[str, str]]:
    """(id, node) of everything that the findings of `cause` lead to."""
    keys = [f.key for f in judged.findings if f.id == cause]
    return {(f.id, f.node) for key in keys for f in judged.ranked.consequences(key)}


@pytest.mark.parametrize(
    ("setting", "check", "ends"),
    [
        ({"vni": None}, "cni.flannel.vni", False),
        ({"vni": 1}, "cni.flannel.vni", True),
        ({"vni": 5000}, "cni.flannel.vni", False),
        ({"port": None}, "cni.flannel.port", False),
        ({"port": 8472}, "cni.flannel.port", True),
        ({"backend": "wireguard"}, "cni.flannel.backend", True),
        ({"gbp": True}, "cni.flannel.options", True),
        ({"mac_prefix": ""}, "cni.flannel.options", True),
        ({"mac_prefix": "zz-zz"}, "cni.flannel.options", False),
    ],
)
def test_a_missing_network_is_put_down_to_what_ends_flanneld(
    setting: dict[str, object], check: str, ends: bool
) -> None:
    judged = report(FLANNEL_2022, of_net_conf(**setting), NO_NETWORK)
    assert (("hns.network.absent", "win-2") in accounts_for(judged, check)) is ends


def test_a_file_of_one_node_ends_flanneld_there_alone() -> None:
    def direct(files: FlannelFiles) -> FlannelFiles:
        confs = (replace(f, conf=replace(f.conf, direct_routing=True)) for f in files.net_confs)
        return replace(files, net_confs=tuple(confs))

    here = change(Hns, lambda h: replace(h, networks=()), "win-1")
    judged = report(FLANNEL_2022, change(FlannelFiles, direct, "win-1"), here, NO_NETWORK)
    led_to = accounts_for(judged, "cni.flannel.options")
    assert ("hns.network.absent", "win-1") in led_to and ("hns.network.absent", "win-2") not in led_to


def test_linux_leases_of_another_vni_are_put_down_to_the_absent_one() -> None:
    def of_linux(nodes: Nodes) -> Nodes:
        edit = annotated(backend_data='{"VNI":1,"VtepMAC":"5a:1c:0f:3e:77:21"}')
        return replace(nodes, items=tuple(edit(n) if n.os == "linux" else n for n in nodes.items))

    judged = report(FLANNEL_2022, of_net_conf(vni=None), change(Nodes, of_linux))
    assert ("cni.flannel.lease-annotations", "cp-1") in accounts_for(judged, "cni.flannel.vni")


@pytest.mark.parametrize(("key", "check"), [("vni", "cni.flannel.vni"), ("port", "cni.flannel.port")])
def test_nought_is_a_setting_and_not_an_absent_one(key: str, check: str) -> None:
    message = first(report(FLANNEL_2022, of_net_conf(**{key: 0})), check).message
    assert "sets" in message and " 0:" in message and "exits" in message


@pytest.mark.parametrize(
    ("stack", "namespace"), [(FLANNEL_2022, "kube-flannel"), (CLASSIC_2019, "kube-system")]
)
@pytest.mark.parametrize(
    ("setting", "check"),
    [
        ({"vni": 1}, "cni.flannel.vni"),
        ({"port": 1}, "cni.flannel.port"),
        ({"backend": "udp"}, "cni.flannel.backend"),
        ({"gbp": True}, "cni.flannel.options"),
        ({"network": "10.200.0.0/16"}, "node.podcidr.outside"),
    ],
)
def test_the_remedy_restarts_flannel_alone_and_in_its_own_namespace(
    stack: str, namespace: str, setting: dict[str, object], check: str
) -> None:
    remedy = first(report(stack, of_net_conf(**setting)), check).remedy
    assert f"kubectl -n {namespace} rollout restart daemonset -l app=flannel" in remedy
    assert ("-n kube-flannel" in remedy) is (namespace == "kube-flannel")


@pytest.mark.parametrize("stack", [FLANNEL_2022, CLASSIC_2019])
def test_other_nodes_have_no_route_to_a_slice_that_a_node_has_been_given_anew(stack: str) -> None:
    def moved(node: NodeObject) -> NodeObject:
        new = "10.244.77.0/24"
        return replace(node, spec=replace(node.spec, pod_cidr=new, pod_cidrs=(new,)))

    judged = report(stack, node_object(moved))
    told = {f.node for f in judged.findings if f.id == "cni.flannel.remote-subnets"}
    assert told and {("cni.flannel.remote-subnets", n) for n in told} <= accounts_for(
        judged, "node.podcidr.changed"
    )


def test_another_network_for_all_stays_right_while_a_node_has_no_lease_yet() -> None:
    def on_a_second_network(nodes: Nodes) -> Nodes:
        moved = [annotated(public_ip=f"172.31.0.{10 + at}")(n) for at, n in enumerate(nodes.items)]
        return Nodes((*moved, NodeObject(Metadata("joins", labels={"kubernetes.io/os": "linux"}))))

    judged = report(FLANNEL_2022, change(Nodes, on_a_second_network))
    assert {f.object.name for f in judged.findings if f.id == "cni.flannel.lease-annotations"} == {"joins"}


def test_a_linux_lease_is_not_put_down_to_what_ends_flanneld_on_windows() -> None:
    def of_linux(nodes: Nodes) -> Nodes:
        edit = annotated(public_ip="172.31.0.9")
        return replace(nodes, items=tuple(edit(n) if n.os == "linux" else n for n in nodes.items))

    judged = report(FLANNEL_2022, of_net_conf(gbp=True), change(Nodes, of_linux))
    lease = first(judged, "cni.flannel.lease-annotations")
    assert lease.object.name == "cp-1" and lease in judged.ranked.causes


def test_a_port_alone_that_is_old_needs_no_device_removed() -> None:
    judged = report(FLANNEL_2022, linux_daemons_say(4096, 8472))
    remedy = first(judged, "cni.flannel.linux-device").remedy
    assert "kubectl -n kube-flannel delete pod kube-flannel-ds-" in remedy and "ip link del" not in remedy
    judged = report(FLANNEL_2022, linux_daemons_say(1, 0))
    assert "ip link del flannel.1 on cp-1" in first(judged, "cni.flannel.linux-device").remedy


def test_hundreds_of_nodes_without_the_line_are_one_sentence() -> None:
    def many(nodes: Nodes) -> Nodes:
        linux = next(n for n in nodes.items if n.os == "linux")
        more = (replace(linux, metadata=replace(linux.metadata, name=f"worker-{at}")) for at in range(300))
        return Nodes((*nodes.items, *more))

    judged = report(FLANNEL_2022, change(Nodes, many))
    outcome = next(o for o in judged.outcomes if o.id == "cni.flannel.linux-device")
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert "and 295 more" in outcome.why and len(outcome.why) < 300


def test_what_runs_by_an_older_config_map_is_restarted_in_its_namespace() -> None:
    def changed_last(draft: Draft) -> None:
        change(FlannelConfig, lambda f: replace(f, changed=datetime(2999, 1, 1, tzinfo=UTC)))(draft)

    judged = report(CLASSIC_2019, changed_last, of_net_conf(vni=5000))
    remedy = first(judged, "cni.flannel.restart-needed").remedy
    assert "kubectl -n kube-system rollout restart daemonset -l app=flannel" in remedy
