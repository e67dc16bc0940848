"""What flanneld leaves for the CNI plug-in, and the wait for a network that never comes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.configuration import of_conf
from checks.cni.flannel_numbers import pod_cidr
from checks.cni.links import no_network, no_pods
from checks.edits import node_object
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.objects import NodeObject
from facts.derived.effective_cni import EffectiveCni, folder
from facts.derived.flanneld_words import FlanneldWords
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns
from facts.node.kubernetes import LogTail, NodeLogs

PATH = r"C:\run\flannel\subnet.env"
KEYS = ("FLANNEL_NETWORK", "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ")
# microsoft/SDN start.ps1 and helper.psm1; in sig-windows-tools' KubeClusterHelper.psm1 the network's name stands in it.
WAITING = re.compile(r"Waiting for the network (?:.{1,60} )?to be created", re.IGNORECASE)


def _dual_stack(node: NodeObject) -> NodeObject:
    both = ("fd00:10:244:1::/64", node.spec.pod_cidr)
    return replace(node, spec=replace(node.spec, pod_cidr=both[0], pod_cidrs=both))


@check(
    "cni.flannel.subnet-env",
    title="flanneld's lease lies where the CNI plug-in reads it",
    severity=ERROR,
    explains=no_pods(),
    cases=[
        Case(
            "the file is gone",
            FLANNEL_2022,
            (change(FlannelFiles, lambda f: replace(f, subnet_env_path="", subnet_env={})),),
            "node",
        ),
        Case(
            "of an earlier podCIDR",
            CLASSIC_2019,
            (
                change(
                    FlannelFiles,
                    lambda f: replace(f, subnet_env={**f.subnet_env, "FLANNEL_SUBNET": "10.244.99.1/24"}),
                ),
            ),
            "node",
        ),
        Case(
            "cut off",
            FLANNEL_2022,
            (change(FlannelFiles, lambda f: replace(f, subnet_env={"FLANNEL_NETWORK": "10.244.0.0/16"})),),
            "node",
        ),
        Case(
            "IPv6 is the first podCIDR of a dual stack", FLANNEL_2022, (node_object(_dual_stack),), quiet=True
        ),
        Case(
            "the plug-in is told another file",
            FLANNEL_2022,
            (
                of_conf(lambda c: replace(c, parsed={**c.parsed, "subnetFile": "/var/flannel/subnet.env"})),
                change(FlannelFiles, lambda f: replace(f, subnet_env_path="", subnet_env={})),
            ),
            unknown=True,
        ),
    ],
)
def subnet_env(
    node: ThisNode, stack: Stack, files: FlannelFiles, cni: EffectiveCni | Failed | NotApplicable
) -> Iterator[Said]:
    """The flannel plug-in reads subnet.env at every ADD; without it no pod gets a network.

    Rule: the configuration in force starts the flannel plug-in, and C:\\run\\flannel\\subnet.env is absent,
    lacks one of its four keys, or holds a FLANNEL_SUBNET that is not inside the node's podCIDR.
    Remedy: restart flanneld on the node (Restart-Service flanneld, or delete its pod), which writes the
    file; copying it by hand is the last resort, because it is lost at the next start.
    Confused with: missing plug-in programs (cni.binary-missing).
    Source: flannel-io/cni-plugin flannel.go; Kubernetes, "Troubleshooting Kubernetes on Windows".
    """
    plugin = cni.conf.plugin if isinstance(cni, EffectiveCni) and cni.conf else {}
    if stack.cni != "flannel" or plugin.get("type") != "flannel":
        yield Skip("No CNI configuration in force starts the flannel plug-in.")
        return
    other = str(plugin.get("subnetFile", ""))
    if other and folder(other) not in (folder(PATH), folder(files.subnet_env_path)):
        yield CannotTell(
            f"the CNI configuration makes the plug-in read {other}, which was not looked at",
            hint=f"On the node: Get-Content '{other}'",
        )
        return
    if not files.subnet_env_path:
        text = f"{PATH} is missing on {node.name}: every pod fails with open /run/flannel/subnet.env."
        yield Problem(text, proof={FlannelFiles: f"{PATH}: absent"})
        return
    shown = f"{files.subnet_env_path}: " + " ".join(f"{k}={v}" for k, v in files.subnet_env.items())
    absent = [k for k in KEYS if k not in files.subnet_env]
    if absent:
        yield Problem(
            f"{files.subnet_env_path} on {node.name} lacks {', '.join(absent)}.", proof={FlannelFiles: shown}
        )
        return
    cidr, subnet = pod_cidr(node.object), files.subnet_env["FLANNEL_SUBNET"]
    try:
        own = ipaddress.ip_interface(subnet).ip
    except ValueError:
        yield Problem(
            f"FLANNEL_SUBNET on {node.name} is {subnet}, which is no subnet.", proof={FlannelFiles: shown}
        )
        return
    if not cidr:
        yield CannotTell("the node has no podCIDR to compare FLANNEL_SUBNET with")
    elif own not in ipaddress.ip_network(cidr, strict=False):
        text = (
            f"FLANNEL_SUBNET on {node.name} is {subnet}, and the node's podCIDR is {cidr}: the file "
            "is of an earlier time."
        )
        yield Problem(text, proof={FlannelFiles: shown, ThisNode: f"podCIDR {cidr}"})


def _waits(line: str = "Waiting for the Network to be created") -> Change:
    return change(FlanneldWords, lambda w: replace(w, lines=(*w.lines, *[line] * 40)))


def _another_waits(logs: NodeLogs) -> NodeLogs:
    line = "Waiting for the Network (vxlan0) to be created by flanneld"
    tail = LogTail("kube-proxy", r"C:\k\kube-proxy.log", None, "\n".join([line] * 12))
    return replace(logs, logs=(*logs.logs, tail))


@check(
    "cni.flannel.waiting-network",
    title="Nothing waits for a pod network that does not come",
    severity=ERROR,
    explains=[cause_of("cni.flannel.subnet-env"), cause_of("hns.network.absent"), *no_network()],
    cases=[
        Case(
            "the start script loops",
            CLASSIC_2019,
            (_waits(), change(Hns, lambda h: replace(h, networks=()))),
            "node",
        ),
        Case(
            "kube-proxy's script waits for it by name",
            CLASSIC_2019,
            (change(NodeLogs, _another_waits), change(Hns, lambda h: replace(h, networks=()))),
            "node",
        ),
        Case("it waited, and the network came", CLASSIC_2019, (_waits(),), quiet=True),
        Case("nobody waits", FLANNEL_2022, quiet=True),
    ],
)
def waiting_network(
    node: ThisNode,
    stack: Stack,
    hns: Hns,
    words: FlanneldWords | Failed,
    logs: NodeLogs | Failed | NotApplicable,
) -> Iterator[Said]:
    """The classic start script polls until flanneld has made the network; flanneld before 0.12 could miss
    the moment.

    Rule: a log on the node repeats "Waiting for the Network to be created" (in another script with the
    network's name in it), and HNS still has no pod network, or one without a management IP. The scripts poll
    once in one to five seconds: a few lines at the first start are normal.
    Remedy: use flannel 0.12 or newer, and start it again with NODE_NAME set: C:\\flannel\\flanneld.exe
    --kubeconfig-file=C:\\k\\config --iface=ADDRESS --ip-masq=1 --kube-subnet-mgr=1. Read flanneld's own log
    first: what ends its start is the cause.
    Confused with: the short normal wait at the first start.
    Source: microsoft/SDN Kubernetes/flannel start.ps1; Kubernetes, "Troubleshooting Kubernetes on Windows".
    """
    if stack.cni != "flannel":
        yield Skip("The node does not use flannel.")
        return
    lines = list(words.now) if isinstance(words, FlanneldWords) else []
    for log in logs.logs if isinstance(logs, NodeLogs) else ():
        if log.component != "flanneld" or not isinstance(words, FlanneldWords):  # else `words` has them
            lines += log.text.splitlines()
    waits = [line for line in lines if WAITING.search(line)]
    usable = any(n.management_ip for n in hns.pod_networks)
    if len(waits) > 5 and not usable:
        names = ", ".join(n.name for n in hns.networks) or "none"
        proof: dict[type[Fact], str] = {
            NodeLogs: f"{len(waits)} times: {waits[-1].strip()}",
            Hns: f"networks: {names}",
        }
        yield Problem(
            f"{node.name} has waited {len(waits)} rounds for a pod network that nobody makes.", proof=proof
        )
