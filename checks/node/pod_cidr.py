"""The node's slice of the pod network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change, fails, fields
from checks.causes import CLUSTER, cause_of
from checks.check import Case, check
from checks.cni.flannel_vni import remedy_in
from checks.cni.links import names_cause, no_flanneld, no_lease
from checks.edits import node_object
from checks.finding import ERROR, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns
from facts.node.kubernetes import KubeProxy

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def _subnet(text: str) -> Subnet | None:
    """A subnet, or the /32 of an address; None where the text is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _inside(part: str, whole: str) -> bool | None:
    """Whether `part` lies within `whole`; None where one of them is no subnet, or they are of two IP families."""
    a, b = _subnet(part), _subnet(whole)
    if isinstance(a, ipaddress.IPv4Network) and isinstance(b, ipaddress.IPv4Network):
        return a.subnet_of(b)
    if isinstance(a, ipaddress.IPv6Network) and isinstance(b, ipaddress.IPv6Network):
        return a.subnet_of(b)
    return None


def _slice(node: ThisNode) -> str:
    """The node's podCIDR of the family that the pod networks of Windows go by, IPv4; else what there is."""
    spec = node.object.spec
    given = [c for c in (*spec.pod_cidrs, spec.pod_cidr) if c]
    return next((c for c in given if ":" not in c), given[0] if given else "")


def _cidr(*values: str) -> Change:
    """Other podCIDRs on the Node object."""
    first = values[0] if values else ""
    return node_object(
        lambda found: replace(found, spec=replace(found.spec, pod_cidr=first, pod_cidrs=values))
    )


def _six_first(draft: Draft) -> None:
    """Dual stack, with IPv6 first."""
    _cidr("fd00:10:244:1::/64", draft.get(ThisNode).object.spec.pod_cidr)(draft)


def _six_too(found: Hns) -> Hns:
    """Dual stack: each network has an IPv6 subnet too."""
    networks = tuple(replace(n, subnets=(*n.subnets, "fd00:10:244:1::/64")) for n in found.networks)
    return replace(found, networks=networks)


@check(
    "node.podcidr.missing",
    title="The node has a slice of the pod network",
    severity=ERROR,
    explains=no_flanneld(),
    cases=[
        Case("none", FLANNEL_2022, (_cidr(),), finds="node"),
        Case("none, classic", CLASSIC_2019, (_cidr(),), finds="node"),
        Case(
            "the CNI is not known",
            FLANNEL_2022,
            (_cidr(), fails(FlannelConfig), fields(Stack, cni="")),
            unknown=True,
        ),
        Case("Calico does not use it", FLANNEL_2022, (_cidr(), fields(Stack, cni="calico")), quiet=True),
    ],
)
def podcidr_missing(
    node: ThisNode, stack: Stack, flannel: FlannelConfig | Failed | NotApplicable
) -> Iterator[Said]:
    """flanneld and host-local give pods addresses out of this slice: without it there are none.

    Rule: `spec.podCIDR` of the Node is empty, and the CNI is flannel.
    Remedy: Start kube-controller-manager with `--allocate-node-cidrs=true --cluster-cidr=PODNETWORK`; nodes that exist
    get theirs at once. If all slices are taken, use a larger network or a smaller `--node-cidr-mask-size`.
    Confused with: Calico and Azure CNI, which do not use it.
    Source: flannel, pkg/subnet/kube (`pod cidr not assigned`); flannel, Documentation/kubernetes.md.
    """
    if _slice(node):
        return
    if not stack.cni and isinstance(flannel, Failed):
        yield CannotTell("Whether the CNI is flannel, which needs the podCIDR, is not known.")
    elif stack.cni != "flannel":
        yield Skip(f"The CNI is {stack.cni or 'not known'}; only flannel is known to need the podCIDR.")
    else:
        yield Problem(
            f"{node.name} has no podCIDR: flannel cannot give its pods addresses.",
            proof={ThisNode: "spec.podCIDR is empty"},
        )


def _network(value: str) -> Change:
    return change(FlannelConfig, lambda found: replace(found, conf=replace(found.conf, network=value)))


@check(
    "node.podcidr.outside",
    title="The node's slice lies in flannel's network",
    severity=ERROR,
    explains=[
        # A wrong Network is wrong for every node, the Linux ones too, of which no Windows check speaks.
        cause_of(
            "cni.flannel.lease-annotations",
            CLUSTER,
            when=lambda cause, effect: "no flannel lease" in effect.message,
        ),
        *no_flanneld(),
    ],
    cases=[
        Case("flannel has another network", FLANNEL_2022, (_network("10.200.0.0/16"),), finds="node"),
        Case("a slice from elsewhere", CLASSIC_2019, (_cidr("10.99.3.0/24"),), finds="node"),
        Case("a larger network", FLANNEL_2019, (_network("10.0.0.0/8"),), quiet=True),
        Case("dual stack, IPv6 first", FLANNEL_2022, (_six_first,), quiet=True),
        Case("not a network", FLANNEL_2022, (_network("ten"),), unknown=True),
    ],
)
def podcidr_outside(node: ThisNode, flannel: FlannelConfig) -> Iterator[Said]:
    """flanneld refuses a podCIDR that is not part of its `Network`, and makes no pod network.

    Rule: `spec.podCIDR` is no subnet of `Network` in net-conf.json of the ConfigMap kube-flannel-cfg.
    Remedy: Make `Network` in ConfigMap kube-flannel-cfg equal to kube-controller-manager's `--cluster-cidr`, then
    restart flannel on every node, Linux first: `kubectl -n kube-flannel rollout restart daemonset -l app=flannel`
    (classic: Restart-Service flanneld).
    Confused with: a pod network that overlaps the nodes' own (join.pre.cidr-overlap).
    Source: flannel, pkg/subnet/kube (`subnet … specified in the flannel net config doesn't contain … PodCIDR`).
    """
    cidr, network = _slice(node), flannel.conf.network
    if not cidr or flannel.conf.error:
        yield Skip("The node has no podCIDR, or net-conf.json cannot be read.")
        return
    inside = _inside(cidr, network)
    if inside is None:
        yield CannotTell(f"podCIDR “{cidr}” or flannel's Network “{network}” is no subnet.")
    elif not inside:
        yield Problem(
            f"podCIDR {cidr} of {node.name} is not inside flannel's Network {network}.",
            proof={ThisNode: f"spec.podCIDR {cidr}", FlannelConfig: f"Network {network}"},
            remedy=remedy_in(flannel.namespace, podcidr_outside),
        )


def _moved() -> Change:
    return _cidr("10.244.77.0/24")


@check(
    "node.podcidr.changed",
    title="What lies on the node belongs to its slice of today",
    severity=ERROR,
    explains=[
        cause_of("cni.ipam-exhausted"),
        # Other nodes have no route to the new slice until flannel has announced it.
        cause_of("cni.flannel.remote-subnets", CLUSTER, when=names_cause),
        *no_lease(),
    ],
    cases=[
        Case("joined anew", FLANNEL_2022, (_moved(),), finds="node"),
        Case(
            "an old sourceVip.json",
            FLANNEL_2019,
            (fields(KubeProxy, source_vip="10.244.99.9"),),
            finds="node",
        ),
        Case("dual stack", FLANNEL_2022, (_six_first, change(Hns, _six_too)), quiet=True),
        Case("HNS is not known", FLANNEL_2022, (fails(Hns),), unknown=True),
        Case("HNS is not known, subnet.env tells", CLASSIC_2019, (_moved(), fails(Hns)), finds="node"),
    ],
)
def podcidr_changed(
    node: ThisNode,
    stack: Stack,
    hns: Hns | Failed,
    files: FlannelFiles | Failed,
    proxy: KubeProxy | Failed | NotApplicable,
) -> Iterator[Said]:
    """A node that joined again got another slice; networks, leases and the source VIP of the old one are still there.

    Rule: the subnet of the HNS pod network, FLANNEL_SUBNET in subnet.env, or the address in sourceVip.json is not
    inside `spec.podCIDR`.
    Remedy: On the node: remove `C:\\k\\sourceVip.json` and `C:\\k\\sourceVipRequest.json` (with HostProcess pods
    `C:\\sourcevip\\*`), `C:\\var\\lib\\cni\\networks\\NETWORK` and the HNS network (`Get-HnsNetwork | ? Name -eq
    NETWORK | Remove-HnsNetwork`; its pods lose their network, and this session may break off: drain the node first),
    then restart flannel and kube-proxy.
    Confused with: leases that were not given back (cni.ipam-exhausted): those are inside the slice.
    Source: Kubernetes documentation, "Windows debugging tips"; MicrosoftDocs, "Troubleshooting Kubernetes".
    """
    cidr = _slice(node)
    if stack.cni != "flannel" or not cidr:
        yield Skip("Only with flannel is the podCIDR what the node must use.")
        return
    told: list[tuple[type[Fact], str, str]] = []
    if isinstance(hns, Hns):
        told += [(Hns, f"HNS network {n.name}", subnet) for n in hns.pod_networks for subnet in n.subnets]
    if isinstance(files, FlannelFiles) and files.subnet_env.get("FLANNEL_SUBNET"):
        told.append((FlannelFiles, files.subnet_env_path or "subnet.env", files.subnet_env["FLANNEL_SUBNET"]))
    if isinstance(proxy, KubeProxy) and proxy.source_vip:
        told.append((KubeProxy, proxy.source_vip_path or "sourceVip.json", proxy.source_vip))
    wrong = [(fact, f"{what} has {value}") for fact, what, value in told if _inside(value, cidr) is False]
    if wrong:
        yield Problem(
            f"podCIDR of {node.name} is {cidr}, but {'; '.join(text for _, text in wrong)}.",
            proof={ThisNode: f"spec.podCIDR {cidr}", **dict(reversed(wrong))},
        )
    for answer in (hns, files, proxy):
        if isinstance(answer, Failed):
            yield CannotTell(
                f"Not all that could hold the old slice is known: {answer.why}", hint=answer.hint
            )
