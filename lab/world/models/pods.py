"""Pods on a node: sandboxes that the kubelet gets the runtime to make, pod status, and the events on the way."""

from __future__ import annotations

from typing import Any

from lab.world.images import digest
from lab.world.machine import Machine
from lab.world.models import cni
from lab.world.models.events import pod_event
from lab.world.models.kubelet import KubeletState, runtime_up
from lab.world.models.settings import containerd
from lab.world.state import Object, Sandbox, World
from lab.world.text import rfc3339, sentence, stable_hex

FAILED = "FailedCreatePodSandBox"
PULLING = "pulling"  # what `pull` says while the image is on its way: no error, and no image either


def is_host_process(pod: Object) -> bool:
    options = pod["spec"].get("securityContext", {}).get("windowsOptions", {})
    return bool(options.get("hostProcess"))


def on_host_network(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def pause_reference(world: World, machine: Machine, kubelet: KubeletState) -> str:
    if world.plan.classic:
        return kubelet.settings.flags.get("--pod-infra-container-image", "k8s.gcr.io/pause:3.2")
    return containerd(machine).pause


def registry_host(reference: str) -> str:
    first = reference.split("/", 1)[0]
    return first if "." in first or ":" in first else "registry-1.docker.io"


def pull(world: World, machine: Machine, reference: str) -> str:
    """Empty if the image is on disk or a pull succeeds, PULLING while it goes on, else the runtime's error."""
    pulled = world.node_memory(machine.name).pulled
    image = world.registries.get(reference)
    if reference in pulled:
        if world.plan.classic and image is not None and not image.fits(machine.os.build):
            return "mismatch"
        return ""
    where = registry_host(reference)
    path = reference.split("/", 1)[-1].rsplit(":", 1)
    state = machine.tcp.get(f"{where}:443", "open")
    if state != "open":
        code = 10061 if state == "refused" else 10060
        failure = f"dial tcp: {where}:443: connectex: {sentence(code, machine.os.ui_culture)}"
        if world.plan.classic:
            return (
                f'rpc error: code = Unknown desc = failed pulling image "{reference}": Error response from daemon: '
                f"Get https://{where}/v2/: {failure}"
            )
        request = f'failed to do request: Head "https://{where}/v2/{path[0]}/manifests/{path[-1]}": {failure}'
        return f'failed to resolve reference "{reference}": {request}'
    if image is None:
        if world.plan.classic:
            return (
                f'rpc error: code = Unknown desc = failed pulling image "{reference}": Error response from daemon: '
                f"manifest for {reference} not found: manifest unknown"
            )
        return f'failed to resolve reference "{reference}": {reference}: not found'
    if not image.fits(machine.os.build):
        if world.plan.classic:
            return (
                f'rpc error: code = Unknown desc = failed pulling image "{reference}": no matching manifest for '
                f"windows/amd64 10.0.{machine.os.build} in the manifest list entries"
            )
        return f"no match for platform in manifest {digest(reference)}: not found"
    rate = world.downlink.get(machine.name, 0.0)
    begun = world.node_memory(machine.name).pulls.setdefault(reference, world.now) if rate else world.now
    if (world.now - begun) * rate < image.size and rate:
        return PULLING
    pulled[reference] = digest(reference)
    return ""


def pull_events(world: World, machine: Machine, pod: Object, pulling: set[str]) -> None:
    """The kubelet's events about the pod's images that are on their way (containers by name)."""
    for container in pod["spec"]["containers"]:
        if container["name"] in pulling:
            image = container["image"]
            ago = world.now - world.node_memory(machine.name).pulls.get(image, world.now)
            pod_event(
                world, pod, "Normal", "Pulling", f'Pulling image "{image}"', component="kubelet", ago=ago
            )


def _pause_failure(world: World, machine: Machine, kubelet: KubeletState, pod: Object) -> str:
    reference = pause_reference(world, machine, kubelet)
    why = pull(world, machine, reference)
    if not why:
        return ""
    if world.plan.classic:
        if why == "mismatch":
            container = stable_hex(64, "compute", pod["metadata"]["uid"])
            return (
                "rpc error: code = Unknown desc = failed to start sandbox container for pod "
                f'"{pod["metadata"]["name"]}": '
                f"Error response from daemon: CreateComputeSystem {container}: "
                f"{sentence(0xC0370101, machine.os.ui_culture)} (0xc0370101)"
            )
        return why
    code = "NotFound" if "not found" in why else "DeadlineExceeded"
    pulling = f'failed to pull image "{reference}": failed to pull and unpack image "{reference}": {why}'
    return f'rpc error: code = {code} desc = failed to get sandbox image "{reference}": {pulling}'


def _attempt(world: World, machine: Machine, kubelet: KubeletState, pod: Object) -> Sandbox | tuple[str, str]:
    """One RunPodSandbox: the sandbox, or (event reason, message)."""
    meta = pod["metadata"]
    resolver = str(kubelet.settings.value("--resolv-conf", "resolvConf", "") or "").strip('"')
    if resolver not in ("", "Host"):
        return FAILED, (
            f'Failed to create pod sandbox: Unexpected resolver config value: "{resolver}". Expected "", "Host", or a '
            "path to an existing resolv.conf file."
        )
    if kubelet.network and not on_host_network(pod):
        return "NetworkNotReady", f"network is not ready: {kubelet.network}"
    why = _pause_failure(world, machine, kubelet, pod)
    if why:
        return FAILED, f"Failed to create pod sandbox: {why}"
    identity = cni.sandbox_id(machine, meta["uid"], 0)
    name = (meta["namespace"], meta["name"])
    sandbox = Sandbox(identity, name, meta["uid"], world.changed_at or world.now)
    if on_host_network(pod):
        return sandbox
    why = cni.namespace_failure(machine)
    if why:
        what = f'failed to create network namespace for sandbox "{identity}": {why}'
        return FAILED, f"Failed to create pod sandbox: rpc error: code = Unknown desc = {what}"
    try:
        sandbox.ip, sandbox.endpoint = cni.add(world, machine, pod, identity)
    except cni.CniError as error:
        cni.remove(machine, identity, "")  # the runtime calls DEL after a failed ADD: the lease goes
        return (
            FAILED,
            f"Failed to create pod sandbox: rpc error: code = Unknown desc = {_setup(world, pod, identity, error)}",
        )
    return sandbox


def _setup(world: World, pod: Object, identity: str, error: cni.CniError) -> str:
    meta = pod["metadata"]
    if world.plan.classic:
        what = f'failed to set up sandbox container "{identity}" network for pod "{meta["name"]}": '
        what += "networkPlugin cni failed to "
        return f'{what}set up pod "{meta["name"]}_{meta["namespace"]}" network: {error}'
    return f'failed to setup network for sandbox "{identity}": plugin type="flannel" failed (add): {error}'


def run_sandboxes(world: World, machine: Machine, kubelet: KubeletState, *, host_network: bool) -> None:
    """Make the sandboxes that are missing (of pods on the host network, or of all others) and drop stale ones."""
    memory = world.node_memory(machine.name)
    pods = {p["metadata"]["uid"]: p for p in world.pods_on(machine.name)}
    for uid in [u for u in memory.sandboxes if u not in pods]:
        gone = memory.sandboxes.pop(uid)
        cni.remove(machine, gone.id, gone.endpoint)
    for uid, pod in pods.items():
        if on_host_network(pod) is not host_network or uid in memory.sandboxes:
            continue
        memory.failures.pop(uid, None)
        if not kubelet.posts or not runtime_up(world, machine) or kubelet.runtime:
            continue
        result = _attempt(world, machine, kubelet, pod)
        if isinstance(result, Sandbox):
            memory.sandboxes[uid] = result
        else:
            memory.failures[uid] = result


def _waiting(reason: str, message: str = "") -> dict[str, Any]:
    state: dict[str, Any] = {"reason": reason}
    if message:
        state["message"] = message
    return {"waiting": state}


def _container_status(
    world: World, node: str, container: dict[str, Any], sandbox: Sandbox, exit_line: str, image_error: str
) -> dict[str, Any]:
    image = container["image"]
    status: dict[str, Any] = {
        "name": container["name"],
        "image": image,
        "imageID": "",
        "restartCount": 0,
        "started": False,
        "ready": False,
        "lastState": {},
    }
    if image_error == PULLING:
        status["state"] = _waiting("ContainerCreating")
        return status
    if image_error:
        status["state"] = _waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {image_error}')
        return status
    identity = "containerd://" + container_id(node, sandbox, container["name"])
    if world.plan.classic:
        identity = identity.replace("containerd", "docker", 1)
    status["imageID"] = f"{image.rsplit(':', 1)[0]}@{digest(image)}"
    if exit_line:
        ended = {
            "containerID": identity,
            "exitCode": 1,
            "reason": "Error",
            "startedAt": rfc3339(world.now - 70),
            "finishedAt": rfc3339(world.now - 68),
        }
        status |= {"restartCount": 7, "lastState": {"terminated": ended}}
        name = container["name"]
        status["state"] = _waiting("CrashLoopBackOff", f"back-off 5m0s restarting failed container={name}")
        return status
    status |= {"containerID": identity, "ready": True, "started": True}
    status["state"] = {"running": {"startedAt": rfc3339(sandbox.created + 3)}}
    return status


def container_id(node: str, sandbox: Sandbox, name: str) -> str:
    return stable_hex(64, "container", node, sandbox.id, name)


def pod_status(
    world: World,
    pod: Object,
    node_address: str,
    sandbox: Sandbox | None,
    *,
    exits: dict[str, str],
    images: dict[str, str],
    frozen: bool,
    unready: frozenset[str] = frozenset(),
) -> None:
    """Write the pod's status. `exits`: container → last line; `images`: container → pull error; `unready`: containers
    whose readiness probe fails; `frozen`: the node no longer reports, so that only readiness changes."""
    status: dict[str, Any] = pod["status"]
    if frozen and status.get("containerStatuses"):
        _conditions(world, pod, initialized=True, scheduled=True, ready=False, containers=True)
        return
    before = status.get("conditions", [])
    status.clear()
    status["conditions"] = before
    status["qosClass"] = _qos_class(pod)
    if not pod["spec"].get("nodeName"):
        status["phase"] = "Pending"
        _conditions(world, pod, initialized=False, scheduled=False, ready=False, containers=False)
        return
    names = [c["name"] for c in pod["spec"]["containers"]]
    status["hostIP"] = node_address
    if sandbox is None:
        status["phase"] = "Pending"
        status["startTime"] = pod["metadata"]["creationTimestamp"]
        status["containerStatuses"] = [
            {
                "name": c["name"],
                "image": c["image"],
                "imageID": "",
                "lastState": {},
                "ready": False,
                "restartCount": 0,
                "started": False,
                "state": _waiting("ContainerCreating"),
            }
            for c in pod["spec"]["containers"]
        ]
        _conditions(world, pod, initialized=True, scheduled=True, ready=False, containers=False)
        return
    status["startTime"] = rfc3339(sandbox.created)
    node = pod["spec"]["nodeName"]
    statuses = [
        _container_status(world, node, c, sandbox, exits.get(c["name"], ""), images.get(c["name"], ""))
        for c in pod["spec"]["containers"]
    ]
    for one in statuses:
        one["ready"] = one["ready"] and one["name"] not in unready
    status["containerStatuses"] = statuses
    ready = all(s["ready"] for s in statuses) and not frozen
    status["phase"] = "Pending" if any(n in images for n in names) else "Running"
    address = sandbox.ip or node_address
    status["podIP"] = address
    status["podIPs"] = [{"ip": address}]
    _conditions(world, pod, initialized=True, scheduled=True, ready=ready, containers=ready)


def _conditions(
    world: World, pod: Object, *, initialized: bool, scheduled: bool, ready: bool, containers: bool
) -> None:
    before = {c["type"]: c for c in pod["status"].get("conditions", [])}
    values = {
        "PodReadyToStartContainers": containers,
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": containers,
        "PodScheduled": scheduled,
    }
    if world.plan.minor < 29:
        del values["PodReadyToStartContainers"]
    conditions: list[dict[str, Any]] = []
    for kind, value in values.items():
        word = "True" if value else "False"
        old = before.get(kind)
        since = (
            old["lastTransitionTime"]
            if old and old["status"] == word
            else rfc3339(world.changed_at or world.now)
        )
        item: dict[str, Any] = {
            "type": kind,
            "status": word,
            "lastProbeTime": None,
            "lastTransitionTime": since,
        }
        if not value and kind in ("Ready", "ContainersReady"):
            item["reason"] = "ContainersNotReady"
            waiting = " ".join(c["name"] for c in pod["spec"]["containers"])
            item["message"] = f"containers with unready status: [{waiting}]"
        if not value and kind == "PodScheduled":
            item |= {"reason": "Unschedulable", "message": "0/3 nodes are available."}
        conditions.append(item)
    pod["status"]["conditions"] = conditions


def sandbox_events(world: World, machine: Machine) -> None:
    """Events for what failed on this node."""
    for uid, (reason, message) in world.node_memory(machine.name).failures.items():
        pod = next((p for p in world.pods_on(machine.name) if p["metadata"]["uid"] == uid), None)
        if pod is not None:
            pod_event(world, pod, "Warning", reason, message, count=97, component="kubelet")


def _qos_class(pod: Object) -> str:
    """Guaranteed is not told apart: no workload here sets equal requests and limits for all."""
    containers = pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
    asked = any(c.get("resources", {}).get(kind) for c in containers for kind in ("requests", "limits"))
    return "Burstable" if asked else "BestEffort"
