"""The healthy scenarios agree with themselves, and deriving twice changes nothing."""

from __future__ import annotations

import copy
import json

import pytest

from lab.world.derive import derive
from lab.world.net import inside, remote_routes
from lab.world.scenarios import TITLES, build
from lab.world.state import World

NOW = 1_800_000_000.0


@pytest.fixture(params=sorted(TITLES))
def world(request: pytest.FixtureRequest) -> World:
    return build(request.param, NOW)


def test_two_windows_nodes_and_a_linux_control_plane_are_ready(world: World) -> None:
    nodes = list(world.each("v1", "Node"))
    systems = sorted(n["metadata"]["labels"]["kubernetes.io/os"] for n in nodes)
    assert systems == ["linux", "windows", "windows"]
    for node in nodes:
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")


def test_every_pod_runs_and_is_behind_its_services(world: World) -> None:
    for pod in world.each("v1", "Pod"):
        assert pod["status"]["phase"] == "Running", pod["metadata"]["name"]
        assert all(s["ready"] for s in pod["status"]["containerStatuses"])
    slices = {
        s["metadata"]["labels"]["kubernetes.io/service-name"]: s
        for s in world.each("discovery.k8s.io/v1", "EndpointSlice")
    }
    assert {s["metadata"]["name"] for s in world.each("v1", "Service")} == set(slices)
    assert all(item["endpoints"] for item in slices.values())


def test_nothing_warns(world: World) -> None:
    assert [e for e in world.each("v1", "Event") if e["type"] == "Warning"] == []
    for lines in world.logs.values():
        assert [text for _, text in lines if text[:1] in "EW" and text[1:2].isdigit()] == []


def test_every_local_endpoint_has_a_pod_and_every_pod_an_endpoint(world: World) -> None:
    for name, machine in world.windows.items():
        local = {e["IPAddress"]: e for e in machine.hns.endpoints if not e.get("IsRemoteEndpoint")}
        vip = next(a for a, e in local.items() if e["Name"] == "sourceVipEndpoint")
        pods = {p["status"]["podIP"] for p in world.pods_on(name) if not p["spec"].get("hostNetwork")}
        assert set(local) - {vip} == pods
        addresses = [e["IPAddress"] for e in machine.hns.endpoints]
        assert len(addresses) == len(set(addresses))
        for address in pods:
            pod = next(p for p in world.pods_on(name) if p["status"]["podIP"] == address)
            assert local[address]["DNSServerList"] == world.plan.dns_ip
            assert (
                local[address]["DNSSuffix"].split(",")[0]
                == f"{pod['metadata']['namespace']}.svc.cluster.local"
            )


def test_the_pod_network_carries_vni_podcidr_and_a_route_to_every_peer(world: World) -> None:
    for name, machine in world.windows.items():
        network = next(n for n in machine.hns.networks if n["Name"] != "External")
        assert network["Subnets"][0]["Policies"] == [{"Type": "VSID", "VSID": 4096}]
        assert network["Subnets"][0]["AddressPrefix"] == world.get("v1", "Node", name)["spec"]["podCIDR"]
        assert network["ManagementIP"] == machine.address
        peers = {n["spec"]["podCIDR"]: n for n in world.each("v1", "Node") if n["metadata"]["name"] != name}
        routes = remote_routes(network)
        assert set(routes) == set(peers)
        for prefix, node in peers.items():
            notes = node["metadata"]["annotations"]
            lease = json.loads(notes["flannel.alpha.coreos.com/backend-data"])
            assert routes[prefix]["ProviderAddress"] == notes["flannel.alpha.coreos.com/public-ip"]
            assert routes[prefix]["IsolationId"] == lease["VNI"] == 4096
            mac = lease["VtepMAC"].replace(":", "-").upper()
            assert routes[prefix]["DistributedRouterMacAddress"] == mac


def test_load_balancers_match_services_and_refer_to_endpoints_that_exist(world: World) -> None:
    for machine in world.windows.values():
        known = {e["ID"] for e in machine.hns.endpoints}
        fronts = set()
        for item in machine.hns.policy_lists:
            policy = item["Policies"][0]
            assert {r.removeprefix("/endpoints/") for r in item["References"]} <= known
            fronts.add((*policy.get("VIPs", ["node"]), policy["ExternalPort"], policy["Protocol"]))
            assert policy["LocalRoutedVip"] is ("VIPs" not in policy)
        for service in world.each("v1", "Service"):
            for port in service["spec"]["ports"]:
                number = {"TCP": 6, "UDP": 17}[port["protocol"]]
                assert (service["spec"]["clusterIP"], port["port"], number) in fronts
                if "nodePort" in port:
                    assert ("node", port["nodePort"], number) in fronts


def test_ipam_leases_are_the_pods_and_the_source_vip(world: World) -> None:
    for name, machine in world.windows.items():
        folder = "C:\\var\\lib\\cni\\networks\\"
        leases = {p.rsplit("\\", 1)[1] for p in machine.files if p.startswith(folder)} - {
            "lock",
            "last_reserved_ip.0",
        }
        local = {e["IPAddress"] for e in machine.hns.endpoints if not e.get("IsRemoteEndpoint")}
        assert leases == local
        assert all(inside(a, world.get("v1", "Node", name)["spec"]["podCIDR"]) for a in leases)


def test_deriving_again_changes_nothing(world: World) -> None:
    before = copy.deepcopy((world.objects, world.windows, world.logs))
    derive(world)
    assert (world.objects, world.windows, world.logs) == before


@pytest.mark.parametrize("scenario", sorted(TITLES))
def test_a_scenario_is_the_same_every_time(scenario: str) -> None:
    assert build(scenario, NOW).windows == build(scenario, NOW).windows


def test_the_lease_is_renewed_as_the_clock_goes_on(world: World) -> None:
    name = next(iter(world.windows))
    before = world.get("coordination.k8s.io/v1", "Lease", name, "kube-node-lease")["spec"]["renewTime"]
    world.now += 10
    derive(world)
    assert world.get("coordination.k8s.io/v1", "Lease", name, "kube-node-lease")["spec"]["renewTime"] > before


def test_native_programs_tell_what_the_cluster_knows() -> None:
    world = build("flannel-2022", NOW)
    machine = world.windows["win-1"]
    crictl = machine.natives[r"C:\Program Files\containerd\crictl.exe"]
    start = "--runtime-endpoint npipe:////./pipe/containerd-containerd --timeout 5s "
    info = json.loads(crictl[start + "info"].stdout)
    assert info["config"]["sandboxImage"] == world.plan.pause
    assert all(c["status"] for c in info["status"]["conditions"])
    pods = json.loads(crictl[start + "pods -o json"].stdout)["items"]
    assert {p["metadata"]["name"] for p in pods} == {p["metadata"]["name"] for p in world.pods_on("win-1")}
    images = json.loads(crictl[start + "images -o json"].stdout)["images"]
    assert [i["repoTags"] for i in images if i["pinned"]] == [[world.plan.pause]]
