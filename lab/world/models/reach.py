"""Whether a program on a Windows node gets through to the API server, and what it logs if it does not."""

from __future__ import annotations

from urllib.parse import urlsplit

from lab.world.machine import Machine
from lab.world.models.settings import Kubeconfig, kubeconfig
from lab.world.pki import subject_of, validity_of
from lab.world.state import World
from lab.world.text import rfc3339, sentence

WINSOCK = {"timeout": 10060, "refused": 10061}


def dial(machine: Machine, host: str, port: int) -> str:
    """Empty if a TCP connection works, else Go's error text for it."""
    state = machine.tcp.get(f"{host}:{port}", "open")
    if state == "open":
        return ""
    return f"dial tcp {host}:{port}: connectex: {sentence(WINSOCK[state], machine.os.ui_culture)}"


def known_hosts(world: World) -> set[str]:
    return {world.plan.api_host, *(n.address for n in world.linux.values())}


def api_error(world: World, machine: Machine, config: Kubeconfig, node: str, path: str) -> str:
    """Empty if a request with this kubeconfig succeeds, else the error as client-go words it."""
    url = urlsplit(config.server)
    target, port = url.hostname or "", url.port or 443
    request = f'Get "{config.server}{path}": '
    failure = dial(machine, target, port)
    if not failure and (target not in known_hosts(world) or port != world.plan.api_port):
        failure = f"dial tcp {target}:{port}: connectex: {sentence(10060, machine.os.ui_culture)}"
    if failure:
        return request + failure
    if config.ca.strip() != world.pki.ca.strip():
        return request + "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if config.certificate:
        local = world.now + machine.os.clock_offset
        start, end = validity_of(config.certificate)
        ca_start, _ = validity_of(world.pki.ca)
        if local < ca_start:
            text = "x509: certificate has expired or is not yet valid: current time "
            return f"{request}tls: failed to verify certificate: {text}{rfc3339(local)} is before {rfc3339(ca_start)}"
        if not start <= world.now <= end:
            return "Unauthorized"
        user, group = subject_of(config.certificate)
        if group == "system:nodes" and user != f"system:node:{node}":
            who = user.removeprefix("system:node:")
            return f'nodes "{node}" is forbidden: node "{who}" is not allowed to modify node "{node}"'
    return ""


def kubelet_api_error(world: World, machine: Machine, path: str) -> str:
    """The same for the kubeconfig at `path` on the node; a missing file is the kubelet's own matter."""
    config = kubeconfig(machine, path)
    if config is None:
        return f"open {path}: {sentence(0x2, machine.os.ui_culture)}"
    return config.error or api_error(world, machine, config, machine.name, f"/api/v1/nodes/{machine.name}")
