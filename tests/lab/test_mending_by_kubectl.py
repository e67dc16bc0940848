"""The practice cluster is for training: who follows a remedy with the real kubectl mends the fault.

A fault is planted and its check finds it; the commands of the remedy are run; the check is quiet. Where pods on
Windows nodes are made anew the nodes are in a state that nobody has recorded: those need the engine.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from practicekit import Clusters, LateClock, Patient, session_on
from realcluster import find_programs

from checks.check import load
from checks.engine import Report, judge
from checks.finding import Finding, OutcomeKind
from checks.ids import CheckId
from lab.practice import Practice
from lab.windows.engine import find_pwsh

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(find_programs() is None, reason="needs kubectl: KWINNOW_KUBERNETES"),
]
Kubectl = Callable[..., str]
WINDOWS_DS = "daemonset/kube-flannel-ds-windows-amd64"


@dataclass(frozen=True)
class Mend:
    """A fault, and what somebody types who follows the remedy of its check. `edits`: what they change in an editor,
    as sed knows it, before the first command."""

    fault: str
    commands: tuple[str, ...]
    edit: tuple[str, ...] = ()  # the object, and the changes
    scenario: str = "flannel-2022"
    engine: bool = False  # Windows nodes come into a state that is not recorded
    soak: bool = False  # as another of its family

    @property
    def check(self) -> CheckId:
        found: CheckId = self.fault.removeprefix("ask:").split(":")[0]  # type: ignore[assignment]
        return found


def json_of(**container: object) -> str:
    """A strategic merge patch of flannel's container."""
    change = {"spec": {"template": {"spec": {"containers": [{"name": "kube-flannel", **container}]}}}}
    return shlex.quote(json.dumps(change))


def from_field(name: str, path: str) -> dict[str, object]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


NET_CONF = "-n kube-flannel configmap/kube-flannel-cfg"
CNI_CONF = "-n kube-flannel configmap/kube-flannel-windows-cfg"
RESTART = "-n kube-flannel rollout restart daemonset -l app=flannel"
ANEW = "-n shop rollout restart deployment win-web"
NAMES = [from_field("POD_NAME", "metadata.name"), from_field("POD_NAMESPACE", "metadata.namespace")]
OVERLAY = 's/"Type": "vxlan"/"Type": "vxlan", "VNI": 4096, "Port": 4789/'
LINUX_ONLY = shlex.quote("spec: {template: {spec: {nodeSelector: {kubernetes.io/os: linux}}}}")
CLUSTER_POLICY = shlex.quote('{"spec": {"externalTrafficPolicy": "Cluster"}}')
MENDS = [
    Mend("cni.flannel.vni:absent", (RESTART,), (NET_CONF, OVERLAY)),
    Mend("cni.flannel.vni:one", (RESTART,), (NET_CONF, 's/"VNI": 1/"VNI": 4096/'), engine=True),
    Mend("cni.flannel.port:absent", (RESTART,), (NET_CONF, 's/"VNI": 4096/"VNI": 4096, "Port": 4789/')),
    Mend("cni.flannel.restart-needed", (RESTART,)),
    Mend(
        "cni.flannel.linux-device",
        ("-n kube-flannel delete pod -l app=flannel --field-selector spec.nodeName=cp-1",),
    ),
    Mend(
        "cni.flannel.lease-annotations",
        (
            "-n kube-flannel patch daemonset kube-flannel-ds -p "
            + json_of(args=["--ip-masq", "--kube-subnet-mgr", "--iface=10.0.1.10"]),
        ),
    ),
    Mend(
        "cni.flannel.api-access:placeholder",
        (
            f"-n kube-flannel set env {WINDOWS_DS} KUBERNETES_SERVICE_HOST=10.0.1.10 "
            "KUBERNETES_SERVICE_PORT=6443",
        ),
    ),
    Mend(
        "cni.flannel.nodename",
        (f"-n kube-flannel patch {WINDOWS_DS} -p {json_of(env=NAMES)}",),
        engine=True,
        soak=True,
    ),
    Mend(
        "cni.flannel.iface:name",
        (f"-n kube-flannel patch {WINDOWS_DS} -p {json_of(args=None)}",),
        engine=True,
        soak=True,
    ),
    Mend(
        "cni.name-mismatch:cni",
        (RESTART, ANEW),
        (CNI_CONF, "s/vxlan0/flannel.4096/"),
        engine=True,
        soak=True,
    ),
    Mend(
        "cni.name-mismatch:proxy",
        ("-n kube-system set env daemonset/kube-proxy-windows KUBE_NETWORK=flannel.4096",),
        engine=True,
        soak=True,
    ),
    Mend("node.podcidr.outside", (RESTART,), (NET_CONF, "s/10.200.0.0/10.244.0.0/"), engine=True, soak=True),
    Mend(
        "node.linux-daemonsets", (f"-n kube-system patch daemonset kube-proxy --type merge -p {LINUX_ONLY}",)
    ),
    Mend("node.duplicate", ("delete node 10.0.1.21",)),
    Mend("certs.csr-pending", ("get csr", "certificate approve csr-9lm4p")),
    Mend("service.nodeport.etp-local", (f"-n shop patch service win-web-public -p {CLUSTER_POLICY}",)),
    Mend(
        "service.nodeport.lb-present",
        ("-n kube-system delete pod -l k8s-app=kube-proxy-windows --field-selector spec.nodeName=win-1",),
        engine=True,
    ),
    Mend(
        "hns.network.absent",
        (
            "-n kube-flannel rollout restart daemonset kube-flannel-ds-windows-amd64",
            "-n kube-system rollout restart daemonset kube-proxy-windows",
        ),
        engine=True,
        soak=True,
    ),
    Mend(
        "dns.suffix.endpoint-empty",
        (RESTART, ANEW),
        (CNI_CONF, 's/"portMappings": true/"portMappings": true, "dns": true/'),
        engine=True,
    ),
    Mend(
        "ask:dns.suffix.partial-name",
        ("-n shop set env deployment/win-web API_URL=http://api.shop.svc.cluster.local:8080",),
    ),
    Mend("cni.flannel.vni:absent", (RESTART,), (NET_CONF, OVERLAY), scenario="flannel-2019"),
    Mend("node.duplicate", ("delete node win-k8s-1",), scenario="classic-2019"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[Clusters]:
    held = Clusters(lambda scenario: Practice(scenario, LateClock()))
    yield held
    held.stop()


@pytest.fixture
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Runs the real kubectl on a practice cluster; what it prints."""
    home = tmp_path_factory.mktemp("home")
    program = (find_programs() or Path()) / "kubectl"

    def run(practice: Practice, words: str, *, editor: str = "", stdin: str = "") -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(practice.kubeconfig)}
        command = [str(program), *shlex.split(words)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            input=stdin,
            env=environment | {"KUBE_EDITOR": editor},
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    return run


def look(practice: Practice, *names: CheckId) -> Report:
    """What the product finds with these checks alone."""
    checks = [load()[name] for name in names]
    session = session_on(practice, lambda cluster, nodes: (cluster, Patient(nodes)))
    session.gather({fact for check in checks for fact in check.facts})
    report = judge(session, checks)
    assert [(o.id, o.node, o.why) for o in report.of(OutcomeKind.UNKNOWN)] == []
    return report


def found(report: Report) -> list[Finding]:
    return list(report.findings)


SAMPLE = [m for m in MENDS if os.environ.get("KWINNOW_SOAK") or not m.soak]


@pytest.mark.parametrize("mend", SAMPLE, ids=[f"{m.scenario} {m.fault}" for m in SAMPLE])
def test_following_a_remedy_mends(running: Clusters, kubectl: Kubectl, mend: Mend) -> None:
    if mend.engine and find_pwsh() is None:
        pytest.skip("needs the PowerShell engine: KWINNOW_PWSH or pwsh on PATH")
    practice = running.get(mend.scenario)
    planted = practice.plant(mend.fault)
    try:
        assert found(look(practice, mend.check)), "the fault shows"
        if mend.edit:
            where, *changes = mend.edit
            kubectl(practice, f"edit {where}", editor=f"sed -i {shlex.join(changes)}")
        for command in mend.commands:
            kubectl(practice, command)
        assert [f.message for f in found(look(practice, mend.check))] == []
    finally:
        practice.unplant(planted)


def test_a_manifest_that_was_kept_brings_a_daemon_set_back(running: Clusters, kubectl: Kubectl) -> None:
    practice = running.get("flannel-2022")
    kept = kubectl(practice, f"-n kube-flannel get {WINDOWS_DS} -o yaml")
    name: CheckId = "cni.flannel.hpc-removed"
    planted = practice.plant(name)
    try:
        assert found(look(practice, name))
        bare = "".join(
            f"{line}\n" for line in kept.splitlines() if not line.startswith(("  uid:", "  resourceV"))
        )
        assert "created" in kubectl(practice, "apply -f -", stdin=bare)
        assert found(look(practice, name)) == []
        kubectl(practice, f"-n kube-flannel rollout status {WINDOWS_DS} --timeout=60s")
    finally:
        practice.unplant(planted)


def test_taints_and_images_that_people_set_show_and_go(kubectl: Kubectl) -> None:
    """Without any fault: what is typed breaks the cluster, and what is typed mends it."""
    taint: CheckId = "node.taint.blocking"
    image: CheckId = "image.workload.os-mismatch"
    web = "mcr.microsoft.com/windows/servercore/iis:windowsservercore"
    with Practice("flannel-2022", LateClock(), use_engine=False) as practice:
        kubectl(practice, "taint node win-1 win-2 dedicated=shop:NoExecute")
        assert found(look(practice, taint)), "the pods are driven out and wait"
        kubectl(practice, "taint node win-1 win-2 dedicated-")
        assert found(look(practice, taint)) == []
        kubectl(practice, f"-n shop set image deployment/win-web web={web}-ltsc2019")
        assert found(look(practice, image)), "the image does not fit Server 2022"
        kubectl(practice, f"-n shop set image deployment/win-web web={web}-ltsc2022")
        assert found(look(practice, image)) == []
        kubectl(practice, "-n shop rollout status deployment/win-web --timeout=60s")
