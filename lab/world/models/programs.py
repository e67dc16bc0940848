"""What programs in Windows pods do and write: calls by name, and the members of a cluster that find each other.

Windows' base images for containers speak English whatever language the host speaks.
"""

from __future__ import annotations

from lab.world.machine import Machine
from lab.world.models import kube_proxy
from lab.world.models.events import pod_event
from lab.world.models.logs import overlay_works
from lab.world.state import LogLine, Object, World
from lab.world.text import sentence

EVERY = 10.0  # seconds between two rounds of a program
KEEP = 400
MEMBERS = "MEMBERS"  # the app whose pods a member joins; it asks the API for their addresses
MEMBER_PORT = 7946


def log_lines(world: World, pod: Object, before: list[LogLine]) -> list[LogLine]:
    """What the program in a pod on a Windows node writes, every ten seconds.

    What was written before stays, except what is later than an edit that is dated back (`changed_at`).
    """
    machine = world.windows.get(pod["spec"].get("nodeName", ""))
    url = _url(pod)
    if machine is None or not pod["status"].get("podIP") or not (url or _app(pod)):
        return []
    start = world.now - world.now % EVERY - 30 * EVERY
    lines = [line for line in before if not world.changed_at or line[0] < world.changed_at]
    if not lines:
        lines = [(start - 3_000 + i, text) for i, text in enumerate(_greeting(machine, pod))]
    at = max(start, lines[-1][0] - lines[-1][0] % EVERY + EVERY)
    why = _member_failure(world, machine, pod) if _app(pod) else _call_failure(world, machine, pod, url)
    while at <= world.now:
        if _app(pod):
            lines.append((at, why or f"members: all of {_app(pod)} answer"))
        elif why:
            lines.append((at, f"fail: GET {url}/health: {why}"))
        else:
            lines.append((at, f"info: GET {url}/health 200 in {3 + int(at / EVERY) % 5} ms"))
        at += EVERY
    return lines[-KEEP:]


def unready(world: World, pod: Object) -> frozenset[str]:
    """Containers that run and whose readiness probe fails: a member is ready while it reaches all others."""
    machine = world.windows.get(pod["spec"].get("nodeName", ""))
    if machine is None or not _app(pod) or not _member_failure(world, machine, pod):
        return frozenset()
    return frozenset(c["name"] for c in pod["spec"]["containers"] if c.get("readinessProbe"))


def readiness_events(world: World, machine: Machine) -> None:
    """The kubelet's events about those containers."""
    for pod in world.pods_on(machine.name):
        running = pod["status"].get("phase") == "Running"
        for _ in unready(world, pod) if running else ():
            text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
            pod_event(world, pod, "Warning", "Unhealthy", text, count=142, component="kubelet")


def _environment(pod: Object) -> dict[str, str]:
    return {e["name"]: e.get("value", "") for e in pod["spec"]["containers"][0].get("env", [])}


def _app(pod: Object) -> str:
    return _environment(pod).get(MEMBERS, "")


def _url(pod: Object) -> str:
    env = _environment(pod)
    probed = env.get("PROBE_URL", "").replace("$(NODE_IP)", pod["status"].get("hostIP", ""))
    return env.get("API_URL", "") or probed


def _endpoint(machine: Machine, pod: Object) -> dict[str, str]:
    """The pod's HNS endpoint; empty for a pod on the host's network."""
    address = pod["status"].get("podIP")
    return next((e for e in machine.hns.endpoints if e["IPAddress"] == address), {})


def _greeting(machine: Machine, pod: Object) -> list[str]:
    """The first lines; a start script that runs `ipconfig /all` prints the pod's search list."""
    if _app(pod):
        return [f"members: listening on [::]:{MEMBER_PORT}"]
    lines = ["info: Now listening on: http://[::]:80", "info: Application started."]
    if "ipconfig /all" in " ".join(pod["spec"]["containers"][0].get("args", [])):
        suffixes = [s for s in _endpoint(machine, pod).get("DNSSuffix", "").split(",") if s]
        label = "   DNS Suffix Search List. . . . . . : "
        shown = [(label if i == 0 else " " * len(label)) + s for i, s in enumerate(suffixes)]
        lines = ["Windows IP Configuration", "", *shown, *lines]
    return lines


# -- calls by name or address


def _call_failure(world: World, machine: Machine, pod: Object, url: str) -> str:
    """Why a call from this pod to `url` fails, in the words of the Windows resolver; empty if it works."""
    name, _, port = url.split("//", 1)[-1].split("/")[0].partition(":")
    if name.replace(".", "").isdigit():
        known = any(
            s["spec"].get("clusterIP") == name
            and any(str(p["port"]) == port for p in s["spec"].get("ports", []))
            for s in world.each("v1", "Service")
        )
        how = "refused" if name == "127.0.0.1" else "timed out"
        return "" if known else f"A connection attempt failed ({name}:{port}): {how}"
    mine = _endpoint(machine, pod)
    servers, suffix = mine.get("DNSServerList", ""), mine.get("DNSSuffix", "")
    if world.plan.dns_ip not in servers.split(",") or not overlay_works(
        world, machine, next(iter(world.linux))
    ):
        return f"No such host is known: the DNS request for '{name}' timed out"
    # The resolver appends suffixes to single labels only: a name with a dot is asked as it stands.
    asked = (name if "." in name else f"{name}.{suffix.split(',')[0]}").rstrip(".")
    parts = asked.split(".")
    exact = asked.endswith(".svc." + world.plan.domain)
    if exact and world.find("v1", "Service", parts[0], parts[1]) is not None:
        return ""
    return f"No such host is known. ({name}:{port})"


# -- members that find each other


def _member_failure(world: World, machine: Machine, pod: Object) -> str:
    """Why a member does not reach the others, as a Go program on Windows says it; empty if it does.

    It asks the API server, by the ClusterIP that the kubelet put into its environment, for the pods of its app,
    and calls each of them at its own address.
    """
    app, namespace = _app(pod), pod["metadata"]["namespace"]
    api = world.get("v1", "Service", "kubernetes", "default")["spec"]["clusterIP"]
    if not kube_proxy.reaches_nodes(world, machine):
        url = f"https://{api}:443/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}"
        why = f"dial tcp {api}:443: connectex: {sentence(10060, 'en-US')}"
        return f'members: cannot list the pods of {app}: Get "{url}": {why}'
    for other in world.each("v1", "Pod", namespace):
        address, node = other["status"].get("podIP", ""), other["spec"].get("nodeName", "")
        if other["metadata"].get("labels", {}).get("app") != app or not address or node == machine.name:
            continue
        if not overlay_works(world, machine, node):
            return f"members: cannot join {address}: dial tcp {address}:{MEMBER_PORT}: i/o timeout"
    return ""
