"""Why flanneld does not get through its start on a Windows node: its interface, its name, its address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_flanneld
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.derived.flanneld_words import FlanneldWords
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.cni import FlannelFiles
from facts.node.hns import Hns, Network
from facts.node.network import Adapters, Route, Routes

NO_MANAGEMENT_IP = (
    "failed to get management IP from HostComputeNetwork",
    "took too long to get ready",
    "cannot parse DR MAC",
)
NO_INTERFACE = ("Failed to find any valid interface to use", "Could not find valid interface matching")
NO_NAME = ("env variables POD_NAME and POD_NAMESPACE must be set", "failed to get node")


def says(line: str) -> Change:
    """flanneld's last word is `line`, for cases."""
    return change(FlanneldWords, lambda w: replace(w, lines=(*w.lines, line)))


def _flannels(hns: Hns) -> list[Network]:
    """The networks of the types that flannel makes."""
    return [n for n in hns.pod_networks if n.type.lower() in ("overlay", "l2bridge")]


@check(
    "cni.flannel.mgmt-ip",
    title="The pod network got the node's address back",
    severity=ERROR,
    explains=no_flanneld(),
    cases=[
        Case(
            "flanneld waited in vain",
            FLANNEL_2022,
            (
                says(
                    "E1124 main.go:537] Error registering network: timeout, failed to get management "
                    "IP from HostComputeNetwork flannel.4096"
                ),
            ),
            "node",
        ),
        Case(
            "the network has no address",
            CLASSIC_2019,
            (
                change(
                    Hns,
                    lambda h: replace(h, networks=tuple(replace(n, management_ip="") for n in h.networks)),
                ),
            ),
            "node",
        ),
        Case(
            "Docker's nat never has one",
            FLANNEL_2022,
            (
                change(
                    Hns,
                    lambda h: replace(
                        h,
                        networks=(
                            *h.networks,
                            replace(h.networks[0], name="nat", type="nat", management_ip=""),
                        ),
                    ),
                ),
            ),
            quiet=True,
        ),
        Case(
            "a switch that an administrator made has none",
            FLANNEL_2022,
            (
                change(
                    Hns,
                    lambda h: replace(
                        h,
                        networks=(
                            *h.networks,
                            replace(h.networks[0], name="lab", type="Private", management_ip=""),
                        ),
                    ),
                ),
            ),
            quiet=True,
        ),
    ],
)
def mgmt_ip(node: ThisNode, stack: Stack, hns: Hns | Failed, words: FlanneldWords | Failed) -> Iterator[Said]:
    """Making the virtual switch interrupts the network card; if its address is not back in time, flanneld
    gives up.

    Rule: after its last good start flanneld says that it got no management IP, that the interface took too
    long, or that the network has no MAC of its router; or the ManagementIP of a pod network is empty.
    flanneld waits 5 s for the address and 45 s for the interface.
    Remedy: give the card a fixed address, or mend DHCP (ipconfig /renew); pass --iface with the node's
    address; then remove the network (Get-HnsNetwork | ? Name -eq NAME | Remove-HnsNetwork; a remote session may
    end) and restart flanneld.
    Confused with: DHCP that did not work before the switch existed.
    Source: flannel pkg/backend/vxlan/device_windows.go.
    """
    if stack.cni != "flannel":
        yield Skip("The node does not use flannel.")
        return
    line = words.saying(*NO_MANAGEMENT_IP) if isinstance(words, FlanneldWords) else ""
    empty = [n.name for n in _flannels(hns) if not n.management_ip] if isinstance(hns, Hns) else []
    proof: dict[type[Fact], str] = {}
    if line:
        proof[FlanneldWords] = line
    if empty:
        proof[Hns] = f"network {empty[0]}: ManagementIP is empty"
    if proof:
        yield Problem(f"The pod network on {node.name} never got a management address.", proof=proof)
    elif isinstance(hns, Failed):
        yield CannotTell(hns.why, hint=hns.hint)
    elif isinstance(words, Failed):
        yield CannotTell(words.why, hint=words.hint)


def _wanted(arguments: str) -> list[str]:
    """The values of --iface, which may be given more than once: flanneld takes the first that is there."""
    found = re.finditer(r"--?iface[= ](?:\"([^\"]*)\"|(.+?))(?=\"?\s+-|\"?\s*$)", arguments)
    return [value for m in found if (value := (m.group(1) or m.group(2) or "").strip())]


def _told(arguments: str) -> bool:
    """Whether flanneld is told its card in one of the three ways."""
    return re.search(r"--?iface(?:-regex|-can-reach)?[= ]", arguments) is not None


def _two_defaults(routes: Routes) -> Routes:
    return replace(routes, routes=(*routes.routes, Route("0.0.0.0/0", "172.16.0.1", 99, 10)))


def _iface(value: str) -> Change:
    return change(
        FlannelFiles, lambda f: replace(f, arguments=f"flanneld.exe --kube-subnet-mgr=1 --iface={value}")
    )


@check(
    "cni.flannel.iface",
    title="flanneld uses the network card that it should",
    severity=ERROR,
    explains=[cause_of("cni.flannel.mgmt-ip"), *no_flanneld()],
    cases=[
        Case(
            "--iface names an address that the node has not",
            CLASSIC_2019,
            (_iface("10.99.99.99"),),
            "node",
            ERROR,
        ),
        Case(
            "flanneld says so",
            FLANNEL_2022,
            (
                says(
                    "E1124 main.go:372] Failed to find any valid interface to use: failed to get "
                    "default interface"
                ),
            ),
            "node",
            ERROR,
        ),
        Case(
            "two default routes and no --iface",
            FLANNEL_2022,
            (
                change(FlannelFiles, lambda f: replace(f, arguments="flanneld.exe --kube-subnet-mgr")),
                change(Routes, _two_defaults),
            ),
            "node",
            WARN,
        ),
        Case(
            "two default routes, and --iface says which",
            CLASSIC_2019,
            (change(Routes, _two_defaults),),
            quiet=True,
        ),
        Case(
            "two default routes, and flannel says by which address it is to be reached",
            CLASSIC_2019,
            (
                change(
                    FlannelFiles, lambda f: replace(f, arguments="flanneld.exe --iface-can-reach 10.0.0.1")
                ),
                change(Routes, _two_defaults),
            ),
            quiet=True,
        ),
        Case(
            "two default routes, and it took the wrong one",
            FLANNEL_2022,
            (
                change(FlannelFiles, lambda f: replace(f, arguments="flanneld.exe --kube-subnet-mgr")),
                change(Routes, _two_defaults),
                change(
                    Hns,
                    lambda h: replace(h, networks=(replace(h.networks[0], management_ip="172.16.0.9"),)),
                ),
            ),
            "node",
            ERROR,
        ),
        Case(
            "the second of two --iface is there",
            CLASSIC_2019,
            (_iface("Ethernet 7 --iface=192.168.18.8"),),
            quiet=True,
        ),
        Case(
            "two default routes, and nothing shows flanneld's arguments",
            FLANNEL_2022,
            (change(FlannelFiles, lambda f: replace(f, arguments="")), change(Routes, _two_defaults)),
            unknown=True,
        ),
    ],
)
def iface(
    node: ThisNode,
    stack: Stack,
    files: FlannelFiles,
    routes: Routes,
    adapters: Adapters,
    hns: Hns | Failed,
    words: FlanneldWords | Failed,
) -> Iterator[Said]:
    """With more than one network card flanneld must be told which; a name or address that is not there ends
    its start.

    Rule: flanneld says that it finds no valid interface; or --iface names neither an adapter (before or
    after the virtual switch took it, "vEthernet (NAME)") nor an address of the node. More than one card with
    a default route and no --iface is a warning, and an error where the network stands on an address that is not
    the node's InternalIP.
    Remedy: pass the node's own address, --iface=ADDRESS, which survives the switch (adapter names change and
    are localised): classic in the flanneld service's parameters, else in the DaemonSet's args; then restart
    flanneld.
    Confused with: a card that is down.
    Source: flannel main.go and pkg/ip/iface_windows.go; microsoft/SDN Kubernetes/flannel helper.psm1.
    """
    if stack.cni != "flannel":
        yield Skip("The node does not use flannel.")
        return
    line = words.saying(*NO_INTERFACE) if isinstance(words, FlanneldWords) else ""
    values = _wanted(files.arguments)
    known = sorted({a.name for a in adapters.adapters if not a.hidden} | set(adapters.ipv4))
    if values and not any(_matches(value, known) for value in values):
        text = (
            f"flanneld on {node.name} is told to use {' or '.join(values)}, which is no adapter and no address of "
            "the node."
        )
        proof: dict[type[Fact], str] = {FlannelFiles: files.arguments, Adapters: ", ".join(known)}
        if line:
            proof[FlanneldWords] = line
        yield Problem(text, proof=proof)
    elif line:
        text = f"flanneld on {node.name} finds no network card that it may use."
        shown = (
            "; ".join(f"{r.prefix} via {r.next_hop} on {r.index}" for r in routes.defaults)
            or "no default route"
        )
        yield Problem(text, proof={FlanneldWords: line, Routes: shown})
    elif not _told(files.arguments) and len({r.index for r in routes.defaults}) > 1:
        shown = "; ".join(f"{r.next_hop} on interface {r.index} metric {r.metric}" for r in routes.defaults)
        text = (
            f"{node.name} has {len(routes.defaults)} default routes, and flanneld is not told which "
            "card to use"
        )
        own = {a.address for a in node.object.status.addresses if a.type == "InternalIP"}
        taken = {n.management_ip for n in _flannels(hns)} - {""} if isinstance(hns, Hns) else set()
        proof = {Routes: shown, FlannelFiles: files.arguments or "flanneld's arguments are not known"}
        if own and taken and not taken & own:
            proof[Hns] = f"ManagementIP {', '.join(sorted(taken))}"
            text += (
                f": it took the one of {', '.join(sorted(taken))}, and the node is {', '.join(sorted(own))}."
            )
            yield Problem(text, proof=proof)
        elif not files.arguments:
            yield CannotTell(
                f"{node.name} has {len(routes.defaults)} default routes, and nothing shows whether flanneld is told "
                "which card to use"
            )
        else:
            yield Problem(
                text + (": this time it took the right one." if taken else "."), severity=WARN, proof=proof
            )


def _matches(value: str, known: list[str]) -> bool:
    """Whether `value` is an address or an adapter's name, with or without `vEthernet (…)`. A variable may be
    either."""
    lower = [k.lower() for k in known]
    return "$" in value or value.lower() in lower or f"vethernet ({value.lower()})" in lower


def _called(name: str) -> Change:
    return change(FlannelFiles, lambda f: replace(f, node_name=name))


@check(
    "cni.flannel.nodename",
    title="flanneld knows which node it runs on",
    severity=ERROR,
    explains=no_flanneld(),
    cases=[
        Case("NODE_NAME is not the Node's name", CLASSIC_2019, (_called("WIN-K8S-1"),), "node"),
        Case(
            "neither NODE_NAME nor POD_NAME",
            FLANNEL_2022,
            (
                says(
                    "E1124 main.go:224] Failed to create SubnetManager: env variables POD_NAME and "
                    "POD_NAMESPACE must be set"
                ),
            ),
            "node",
        ),
        Case("HostProcess pods need no NODE_NAME", FLANNEL_2022, (_called(""),), quiet=True),
    ],
)
def nodename(
    node: ThisNode, stack: Stack, files: FlannelFiles, words: FlanneldWords | Failed
) -> Iterator[Said]:
    """flanneld takes its lease from its Node object: with a wrong or no name it finds none and exits.

    Rule: flanneld says that POD_NAME and POD_NAMESPACE must be set, or that it failed to get its node; or
    the NODE_NAME that it gets differs from the Node's name (names are lower case, or an address, exactly as
    the kubelet registered).
    Remedy: classic: nssm get flanneld AppEnvironmentExtra, then nssm set flanneld AppEnvironmentExtra
    NODE_NAME=NAME with the others that were there (set replaces them all), then Restart-Service flanneld.
    HostProcess flannel: give the container POD_NAME and POD_NAMESPACE from metadata.name and
    metadata.namespace.
    Confused with: missing rights: then the message ends in "forbidden".
    Source: flannel pkg/subnet/kube/kube.go.
    """
    if stack.cni != "flannel":
        yield Skip("The node does not use flannel.")
        return
    line = words.saying(*NO_NAME) if isinstance(words, FlanneldWords) else ""
    if files.node_name and files.node_name != node.name and files.has_pod_name is not True:
        proof: dict[type[Fact], str] = {FlannelFiles: f"NODE_NAME={files.node_name}"}
        if line:
            proof[FlanneldWords] = line
        yield Problem(f"flanneld on {node.name} is told that its node is {files.node_name}.", proof=proof)
    elif line and "forbidden" not in line:
        yield Problem(
            f"flanneld on {node.name} cannot tell which node it runs on.", proof={FlanneldWords: line}
        )
    elif isinstance(words, Failed) and not files.node_name and not files.has_pod_name:
        yield CannotTell(words.why, hint=words.hint)
