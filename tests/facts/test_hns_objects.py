"""HNS objects of both schemas become the same shape."""

from __future__ import annotations

import json
from typing import Any

from facts.fact import Failed
from facts.node.hns import Hns, HnsEndpoint, LoadBalancer, Network, RawHns, RemoteSubnet

V1_NETWORK = {
    "ID": "N1",
    "Name": "vxlan0",
    "Type": "Overlay",
    "ManagementIP": "10.0.0.5",
    "NetworkAdapterName": "Ethernet",
    "Subnets": [{"AddressPrefix": "10.244.1.0/24", "Policies": [{"Type": "VSID", "VSID": 4096}]}],
    "Policies": [
        {"Type": "HostRoute"},
        {
            "Type": "RemoteSubnetRoute",
            "DestinationPrefix": "10.244.2.0/24",
            "IsolationId": 4096,
            "ProviderAddress": "10.0.0.6",
            "DistributedRouterMacAddress": "00-15-5D-00-00-06",
        },
    ],
}
V2_NETWORK = {
    "ID": "N1",
    "Name": "vxlan0",
    "Type": "Overlay",
    "Ipams": [
        {
            "Type": "Static",
            "Subnets": [
                {
                    "IpAddressPrefix": "10.244.1.0/24",
                    "Policies": [{"Type": "VSID", "Settings": {"IsolationId": 4096}}],
                }
            ],
        }
    ],
    "Policies": [
        {"Type": "HostRoute", "Settings": {}},
        {"Type": "ProviderAddress", "Settings": {"ProviderAddress": "10.0.0.5"}},
        {"Type": "NetAdapterName", "Settings": {"NetworkAdapterName": "Ethernet"}},
        {
            "Type": "RemoteSubnetRoute",
            "Settings": {
                "DestinationPrefix": "10.244.2.0/24",
                "IsolationId": 4096,
                "ProviderAddress": "10.0.0.6",
                "DistributedRouterMacAddress": "00-15-5D-00-00-06",
            },
        },
    ],
}
V1_ENDPOINTS = [
    {
        "ID": "E1",
        "Name": "e1",
        "VirtualNetwork": "N1",
        "VirtualNetworkName": "vxlan0",
        "IPAddress": "10.244.1.7",
        "MacAddress": "0E-2A",
        "State": 3,
        "DNSSuffix": "svc.cluster.local",
        "DNSServerList": "10.96.0.10,10.96.0.11",
        "SharedContainers": ["c1"],
        "Policies": [{"Type": "OutBoundNAT", "ExceptionList": ["10.96.0.0/12"]}],
    },
    {
        "ID": "E2",
        "Name": "r",
        "VirtualNetwork": "N1",
        "IPAddress": "10.244.2.3",
        "IsRemoteEndpoint": True,
        "State": 1,
    },
]
V2_ENDPOINTS = [
    {
        "ID": "E1",
        "Name": "e1",
        "HostComputeNetwork": "n1",
        "IpConfigurations": [
            {"IpAddress": "fd00:10:244:1::7", "PrefixLength": 64},  # dual stack, IPv6 first
            {"IpAddress": "10.244.1.7", "PrefixLength": 24},
        ],
        "MacAddress": "0E-2A",
        "Flags": 0,
        "State": 3,
        "Dns": {"Search": ["svc.cluster.local"], "ServerList": ["10.96.0.10", "10.96.0.11"]},
        "SharedContainers": ["c1"],
        "Policies": [{"Type": "OutBoundNAT", "Settings": {"Exceptions": ["10.96.0.0/12"]}}],
    },
    {
        "ID": "E2",
        "Name": "r",
        "HostComputeNetwork": "N1",
        "IpConfigurations": [{"IpAddress": "10.244.2.3"}],
        "Flags": 1,
        "State": 1,
    },
]
V1_LISTS = [
    {
        "ID": "L1",
        "References": ["/endpoints/E1", "/endpoints/E2"],
        "Policies": [
            {
                "Type": "ELB",
                "Protocol": 6,
                "InternalPort": 80,
                "ExternalPort": 30080,
                "VIPs": ["10.96.1.1"],
                "SourceVIP": "10.244.1.2",
                "IsDSR": True,
                "ILB": True,
                "LocalRoutedVip": True,
            }
        ],
    },
    {"ID": "L2", "References": [], "Policies": [{"Type": "ROUTE"}]},
]
V2_LISTS = [
    {
        "ID": "L1",
        "HostComputeEndpoints": ["E1", "E2"],
        "FrontendVIPs": ["10.96.1.1"],
        "SourceVIP": "10.244.1.2",
        "Flags": 1,
        "PortMappings": [{"Protocol": 6, "InternalPort": 80, "ExternalPort": 30080, "Flags": 3}],
        "Policies": [],
    }
]


def read(networks: Any, endpoints: Any, lists: Any) -> Hns:
    value = Hns.read(RawHns(json.dumps(networks), json.dumps(endpoints), json.dumps(lists)))
    assert isinstance(value, Hns)
    return value


def test_both_schemas_say_the_same() -> None:
    one = read([V1_NETWORK], V1_ENDPOINTS, V1_LISTS)
    assert one == read([V2_NETWORK], V2_ENDPOINTS, V2_LISTS)
    remote = RemoteSubnet("10.244.2.0/24", 4096, "10.0.0.6", "00-15-5D-00-00-06")
    prefixes = ("10.244.1.0/24",)
    assert one.networks == (
        Network("N1", "vxlan0", "Overlay", "10.0.0.5", "Ethernet", prefixes, 4096, (remote,), True),
    )
    servers = ("10.96.0.10", "10.96.0.11")
    assert one.endpoints == (
        HnsEndpoint(
            "E1",
            "e1",
            "vxlan0",
            "10.244.1.7",
            "0E-2A",
            False,
            3,
            ("svc.cluster.local",),
            servers,
            ("c1",),
            ("10.96.0.0/12",),
        ),
        HnsEndpoint("E2", "r", "vxlan0", "10.244.2.3", "", True, 1),
    )
    assert one.load_balancers == (
        LoadBalancer("L1", ("10.96.1.1",), 6, 30080, 80, "10.244.1.2", True, True, True, ("E1", "E2")),
    )
    assert one.endpoint("10.244.2.3") is None, "a remote endpoint is not this node's"


def test_what_5_1_unrolls_or_leaves_out() -> None:
    """One element for a list, null for what an object does not have, no object at all."""
    policy = {"Type": "ELB", "Protocol": "17", "ExternalPort": 53, "InternalPort": 53, "VIPs": "10.96.0.10"}
    listed = {"ID": "L", "References": "/endpoints/E", "Policies": policy}
    empty = {"ID": "N", "Name": "nat", "Type": "nat", "Subnets": None, "Policies": None}
    hns = read(empty, [], [listed])
    assert hns.load_balancers == (LoadBalancer("L", ("10.96.0.10",), 17, 53, 53, endpoints=("E",)),)
    assert hns.networks[0].subnets == () and hns.pod_networks == ()


def test_rubbish_is_malformed() -> None:
    failed = Hns.read(RawHns("[", "[]", "[]"))
    assert isinstance(failed, Failed) and failed.kind == "malformed"
