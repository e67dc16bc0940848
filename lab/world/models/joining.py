"""How a Windows machine becomes a node: its certificate request is signed, its kubelet registers."""

from __future__ import annotations

import base64
import copy

from cryptography import x509
from cryptography.x509.oid import NameOID

from lab.world.machine import File, Machine
from lab.world.models.settings import BOOTSTRAP, KUBECONFIG, KUBELET_CERTIFICATE
from lab.world.scenarios import configs
from lab.world.state import Object, World
from lab.world.text import rfc3339

_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
_NODES = "system:nodes"


def sign_requests(world: World) -> None:
    """The controller manager's signer: requests that were approved and have no certificate get one."""
    for item in _requests(world):
        status = item.setdefault("status", {})
        words = {c["type"] for c in status.get("conditions", [])}
        if "Approved" in words and not words & {"Denied", "Failed"} and not status.get("certificate"):
            issued = world.pki.client(_subject(item), _NODES).certificate
            status["certificate"] = base64.b64encode(issued.encode()).decode()


def _requests(world: World) -> list[Object]:
    versions = ("certificates.k8s.io/v1", "certificates.k8s.io/v1beta1")
    found = [i for v in versions for i in world.each(v, "CertificateSigningRequest")]
    return [i for i in found if i["spec"].get("signerName", _SIGNER) == _SIGNER]


def _subject(request: Object) -> str:
    """CN of what is asked for."""
    pem = base64.b64decode(request["spec"]["request"])
    names = x509.load_pem_x509_csr(pem).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def fetch_certificate(world: World, machine: Machine) -> None:
    """A kubelet that waits with a bootstrap token takes its certificate once it is there, and writes its kubeconfig.

    kubeadm, which has waited for that, removes the bootstrap kubeconfig.
    """
    service = machine.services.get("kubelet")
    if service is None or service.state != "Running" or KUBECONFIG in machine.files:
        return
    user = f"system:node:{machine.name}"
    for item in _requests(world) if BOOTSTRAP in machine.files else ():
        asked = item["spec"].get("username", "").startswith("system:bootstrap:") and _subject(item) == user
        if asked and item.get("status", {}).get("certificate"):
            pair = world.pki.client(user, _NODES)
            reference = configs.file_credential(KUBELET_CERTIFICATE)
            text = configs.kubeconfig(world.plan, world.pki.ca, user, credential=reference)
            machine.files[KUBELET_CERTIFICATE] = File(pair.certificate + pair.key)
            machine.files[KUBECONFIG] = File(text)
            del machine.files[BOOTSTRAP]
            return


def register(world: World, machine: Machine) -> None:
    """A kubelet registers its Node when it starts; one that ran while somebody deleted it does not."""
    at, former = world.unregistered.get(machine.name, (0.0, None))
    service = machine.services.get("kubelet")
    if former is None or service is None or service.state != "Running":
        return
    if world.find("v1", "Node", machine.name) is None and world.epoch + service.started > at:
        meta = former["metadata"]
        labels = {k: v for k, v in meta["labels"].items() if "kubernetes.io/" in k and "node-role" not in k}
        taints = [
            t for t in former["spec"].get("taints", []) if not t["key"].startswith("node.kubernetes.io/")
        ]
        world.put(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": machine.name,
                    "labels": labels,
                    "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
                    "creationTimestamp": rfc3339(world.now),
                },
                "spec": {"taints": copy.deepcopy(taints)} if taints else {},
                "status": {},
            }
        )
        del world.unregistered[machine.name]
