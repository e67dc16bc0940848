"""The net-conf.json that flanneld on a Windows node really reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import CLUSTER, cause_of
from checks.check import Case, check
from checks.cni.flannel_numbers import PORT, VNI, is_vxlan
from checks.cni.links import names_cause, no_flanneld, only
from checks.finding import ERROR, Finding, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig
from facts.derived.effective_cni import folder
from facts.derived.flanneld_words import FlanneldWords
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.cni import FlannelFiles, NetConf, NetConfFile

DEFAULT_PATH = r"c:\etc\kube-flannel\net-conf.json"
UNREADABLE = "failed to read net conf"


def wanted_path(files: FlannelFiles) -> str:
    """Where flanneld looks for net-conf.json: --net-config-path, else its default."""
    given = re.search(r"--?net-config-path[= ]+[\"']?([^\"'\s]+)", files.arguments)
    return folder(given.group(1)) if given else DEFAULT_PATH


def in_force(files: FlannelFiles) -> NetConfFile | None:
    """The file that flanneld reads; None if it is not there."""
    wanted = wanted_path(files)
    return next((f for f in files.net_confs if folder(f.path) == wanted), None)


def _edited(**values: object) -> Change:
    return change(
        FlannelFiles,
        lambda f: replace(
            f, net_confs=tuple(replace(n, conf=replace(n.conf, **values)) for n in f.net_confs)
        ),
    )


def differences(own: NetConf, cluster: NetConf) -> list[str]:
    """In which settings the node's file contradicts the ConfigMap."""
    found: list[str] = []
    if own.network != cluster.network:
        found.append(f"Network {own.network or '(none)'} instead of {cluster.network}")
    if own.backend.lower() != cluster.backend.lower():
        found.append(f"Type {own.backend or '(none)'} instead of {cluster.backend}")
        return found
    if own.vni is not None and own.vni != cluster.vni:
        found.append(f"VNI {own.vni} instead of {cluster.vni if cluster.vni is not None else 'none'}")
    if own.port is not None and own.port != cluster.port:
        found.append(f"Port {own.port} instead of {cluster.port if cluster.port is not None else 'none'}")
    return found


def _refused(conf: NetConf) -> bool:
    """Whether flanneld on Windows exits by these numbers."""
    return (conf.vni is not None and conf.vni < VNI) or conf.port not in (None, PORT)


def _stops(cause: Finding, effect: Finding) -> bool:
    """flanneld does not start by that file: with an older VNI that Windows takes it does."""
    return re.search(r"no such file|\bNetwork |\bType |exits", cause.message) is not None


@check(
    "cni.flannel.netconf-stale",
    title="The node's net-conf.json says what the ConfigMap says",
    severity=ERROR,
    explains=[
        cause_of("cni.flannel.vsid"),
        cause_of("cni.name-mismatch"),
        cause_of("cni.flannel.remote-subnets", CLUSTER, when=names_cause),
        *only(no_flanneld(), _stops),
    ],
    cases=[
        Case("the repository's network", CLASSIC_2019, (_edited(network="192.168.0.0/16"),), "node"),
        Case("another VNI", FLANNEL_2022, (_edited(vni=5000),), "node"),
        Case(
            "no file at all",
            CLASSIC_2019,
            (change(FlannelFiles, lambda f: replace(f, net_confs=())),),
            "node",
        ),
        Case(
            "VNI and port left to Windows' own defaults",
            CLASSIC_2019,
            (_edited(vni=None, port=None),),
            quiet=True,
        ),
    ],
)
def netconf_stale(
    node: ThisNode, files: FlannelFiles, flannel: FlannelConfig, stack: Stack, words: FlanneldWords | Failed
) -> Iterator[Said]:
    """flanneld on Windows reads a file on the node, not the ConfigMap; the file can be older or another one.

    The classic install script copies its template to C:\\etc\\kube-flannel before it fills it in, so that
    the first run uses the template's network.

    Rule: Network or back end differs from the ConfigMap; or VNI or Port is set in the file and differs. An
    absent VNI or Port in the file is right: flanneld on Windows takes 4096 and 4789 by itself. No file where
    flanneld looks is an error.
    Remedy: classic: Copy-Item C:\\k\\net-conf.json C:\\etc\\kube-flannel\\net-conf.json, then
    Restart-Service flanneld. HostProcess flannel: delete the node's flannel pod, it copies the ConfigMap
    anew. RKE2: Restart-Service rke2, whose agent writes the file.
    Confused with: cni.flannel.restart-needed (Linux pods read the mounted ConfigMap).
    Source: flannel pkg/subnet/kube (--net-config-path); microsoft/SDN Kubernetes/flannel install.ps1 and
    helper.psm1.
    """
    if flannel.conf.error:
        yield Skip(f"The ConfigMap's net-conf.json cannot be read: {flannel.conf.error}.")
        return
    found = in_force(files)
    if found is None:
        line = words.saying(UNREADABLE) if isinstance(words, FlanneldWords) else ""
        if line or stack.classic:
            proof: dict[type[Fact], str] = {
                FlannelFiles: "net-conf.json found in: "
                f"{', '.join(f.path for f in files.net_confs) or 'no place'}"
            }
            if line:
                proof[FlanneldWords] = line
            yield Problem(
                f"flanneld on {node.name} looks for {wanted_path(files)} and finds no such file.", proof=proof
            )
        else:
            yield Skip("The node has no net-conf.json yet: flanneld has not been there.")
        return
    if found.conf.error:
        yield Skip(f"{found.path} cannot be read: {found.conf.error}.")
        return
    wrong = differences(found.conf, flannel.conf)
    if wrong:
        ends = ": flanneld there exits." if is_vxlan(found.conf) and _refused(found.conf) else "."
        text = f"{found.path} on {node.name} contradicts the ConfigMap: {', '.join(wrong)}{ends}"
        yield Problem(
            text,
            proof={FlannelFiles: f"{found.path}: {'; '.join(wrong)}", FlannelConfig: flannel.raw.strip()},
        )
