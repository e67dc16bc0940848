"""What the words of ill pods tell about the way between nodes: a timeout towards a pod of another node."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from checks.cni.flannel_numbers import pod_cidr
from facts.cluster.nodes import Nodes
from facts.cluster.pod_logs import WindowsPodLogs
from facts.cluster.workloads import Pods
from facts.fact import Failed

NOBODY_ASKED = "needs a probe between pods, which nobody asked for"
# Go with a time limit of its own, curl, .NET, Node.js; and what Windows itself says, by number and in words: base
# images of containers are English, whatever language the host speaks.
_TIMED_OUT = re.compile(
    r"i/o timeout|timed out|\b10060\b|ETIMEDOUT|deadline exceeded|did not properly respond after a period of time",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")


def timeouts(logs: WindowsPodLogs, node: str) -> Iterator[tuple[str, str, str]]:
    """(pod, address, line) for each line of a pod on `node` that says a call to an address timed out."""
    for tail in logs.tails:
        if tail.node != node:
            continue
        for line in tail.text.splitlines():
            if _TIMED_OUT.search(line):
                for address in ADDRESS.findall(line):
                    yield f"{tail.namespace}/{tail.pod}", address, line.strip()


def towards_peers(
    logs: WindowsPodLogs, nodes: Nodes, pods: Pods | Failed, node: str
) -> list[tuple[str, str, str]]:
    """(pod, peer, line) for timeouts towards pods of other nodes, the latest line of each peer last.

    A pod that is gone, and a node that is not ready, do not answer for reasons of their own.
    """
    found: dict[str, tuple[str, str, str]] = {}
    ready = [n for n in nodes.items if (c := n.condition("Ready")) is None or c.status == "True"]
    cidrs = {n.name: pod_cidr(n) for n in ready if n.name != node and pod_cidr(n)}
    there = {p.status.pod_ip for p in pods.items} if isinstance(pods, Pods) else None
    for pod, address, line in timeouts(logs, node):
        for peer, cidr in cidrs.items():
            if within(address, cidr) and (there is None or address in there):
                found[peer] = (pod, peer, line)
    return list(found.values())


def within(address: str, cidr: str) -> bool:
    """Whether `address` lies in `cidr`; False where either is none."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
