"""What may stop or cut VXLAN packets at the Windows node itself: its firewall and its MTU."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change
from checks.check import Case, check
from checks.cni.flannel_numbers import PORT, ipv4_of
from checks.cni.links import no_packets
from checks.edits import node_object
from checks.finding import WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.objects import Address, NodeObject
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.cni import FlannelFiles
from facts.node.network import Adapters, Firewall, FirewallRule

ENCAPSULATION = 50  # bytes that VXLAN over IPv4 adds (flannel pkg/backend/vxlan: encapOverhead)
_DOMAIN = {"domainauthenticated": "domain"}


def covers(ports: tuple[str, ...], port: int) -> bool:
    """Whether a rule's list of ports, as Windows writes them, has `port`."""
    for word in ports:
        low, _, high = word.partition("-")
        if word.lower() in ("any", "*") or (low.isdigit() and int(low) <= port <= int(high or low)):
            return True
    return not ports


def _about(rule: FirewallRule) -> bool:
    """Whether the rule is about inbound UDP 4789."""
    return rule.protocol.upper() in ("UDP", "ANY", "17") and covers(rule.ports, PORT)


def _applies(rule: FirewallRule, profiles: set[str]) -> set[str]:
    """Those of `profiles` that the rule holds in."""
    own = {p.lower() for p in rule.profiles}
    return profiles if not own or "any" in own else profiles & own


def shut(
    firewall: Firewall, adapters: Adapters | Failed, address: str
) -> tuple[set[str], FirewallRule | None]:
    """(profiles that drop UDP 4789 on the card with `address`, the rule that says so, if there is one)."""
    profiles = active_profiles(firewall, adapters, address)
    rules = [r for r in firewall.rules if _about(r)]
    denied = next((r for r in rules if not r.allow and _applies(r, profiles)), None)
    if denied is not None:
        return _applies(denied, profiles), denied
    blocking = {p for p in profiles if firewall.default_inbound.get(p.title(), "Block") != "Allow"}
    return blocking - {p for r in rules if r.allow for p in _applies(r, blocking)}, None


def active_profiles(firewall: Firewall, adapters: Adapters | Failed, address: str) -> set[str]:
    """Lower-case names of the profiles that are on and apply to the card with `address` (all that are on, if
    unknown)."""
    on = {name.lower() for name, state in firewall.profiles.items() if state}
    card = adapters.holding(address) if isinstance(adapters, Adapters) else None
    if card is None or not card.category:
        return on
    category = card.category.lower()
    return on & {_DOMAIN.get(category, category)}


def without_rules_for(port: int) -> Change:
    """Remove the firewall rules that let `port` in, for cases."""
    return change(
        Firewall, lambda f: replace(f, rules=tuple(r for r in f.rules if not covers(r.ports, port)))
    )


def _let_in(*profiles: str) -> FirewallRule:
    return FirewallRule("vxlan", "VXLAN", True, "UDP", (str(PORT),), profiles)


def _blocked(*profiles: str) -> FirewallRule:
    return FirewallRule("no-vxlan", "No VXLAN", False, "UDP", (str(PORT),), profiles)


def _with_rules(firewall: Firewall, *rules: FirewallRule) -> Firewall:
    return replace(firewall, rules=(*firewall.rules, *rules))


def _ipv6_first(node: NodeObject) -> NodeObject:
    addresses = (Address("InternalIP", "fd00::21"), *node.status.addresses)
    return replace(node, status=replace(node.status, addresses=addresses))


def _all_off(firewall: Firewall) -> Firewall:
    return replace(firewall, profiles=dict.fromkeys(firewall.profiles, False))


@check(
    "cni.flannel.firewall-4789",
    title="The Windows firewall lets VXLAN in (UDP 4789)",
    severity=WARN,
    explains=no_packets(),
    cases=[
        Case("no rule", FLANNEL_2022, (without_rules_for(PORT),), "node"),
        Case("classic, no rule", CLASSIC_2019, (without_rules_for(PORT),), "node"),
        Case(
            "the rule is for a profile that does not apply",
            FLANNEL_2022,
            (
                change(
                    Firewall,
                    lambda f: replace(
                        f,
                        rules=tuple(
                            replace(r, profiles=("Domain",)) if r.protocol == "UDP" else r for r in f.rules
                        ),
                    ),
                ),
            ),
            "node",
        ),
        Case(
            "a rule blocks it",
            FLANNEL_2022,
            (change(Firewall, lambda f: _with_rules(f, _blocked())),),
            "node",
            WARN,
        ),
        Case(
            "a rule blocks it in a profile that does not apply",
            FLANNEL_2022,
            (change(Firewall, lambda f: _with_rules(f, _blocked("Domain"))),),
            quiet=True,
        ),
        Case(
            "two rules let it in, each in some of the profiles",
            FLANNEL_2022,
            (
                without_rules_for(PORT),
                change(
                    Adapters,
                    lambda a: replace(a, adapters=tuple(replace(x, category="") for x in a.adapters)),
                ),
                change(
                    Firewall,
                    lambda f: _with_rules(f, _let_in("Domain", "Private"), _let_in("Public")),
                ),
            ),
            quiet=True,
        ),
        Case(
            "the card is that of the IPv4 address, which is the second of a dual stack",
            FLANNEL_2022,
            (change(Firewall, lambda f: _with_rules(f, _blocked("Domain"))), node_object(_ipv6_first)),
            quiet=True,
        ),
        Case(
            "all profiles off",
            FLANNEL_2022,
            (change(Firewall, _all_off), without_rules_for(PORT)),
            quiet=True,
        ),
    ],
)
def firewall_4789(
    node: ThisNode, stack: Stack, firewall: Firewall, adapters: Adapters | Failed
) -> Iterator[Said]:
    """Encapsulated packets from the other nodes arrive at UDP 4789; a firewall that is on and has no rule
    may drop them.

    Rule: overlay, the profile of the card with the node's address is on and blocks by default, and no
    enabled inbound rule allows UDP 4789 in it, or a rule blocks it.
    Remedy: New-NetFirewallRule -Name OverlayTraffic4789UDP -DisplayName "Overlay Traffic 4789 UDP"
    -Direction Inbound -Action Allow -Protocol UDP -LocalPort 4789 -Enabled True
    Confused with: a cloud's security group or NSX (cni.flannel.underlay-4789). netstat never shows 4789,
    because VFP takes VXLAN below the sockets.
    Source: microsoft/SDN Kubernetes/flannel helper.psm1; Calico for Windows node scripts; RKE2 Windows agent.
    """
    if stack.mode != "overlay":
        yield Skip("The node has no overlay network.")
        return
    profiles = active_profiles(firewall, adapters, ipv4_of(node.object))
    closed, denied = shut(firewall, adapters, ipv4_of(node.object))
    shown = f"profiles on: {', '.join(sorted(p.title() for p in profiles))}; rules for UDP {PORT}: "
    if denied:
        text = f"The firewall rule {denied.display_name or denied.name} on {node.name} blocks inbound UDP {PORT}."
        remedy = (
            f"Look at what the rule is for, since it wins over every rule that allows: Get-NetFirewallRule -Name "
            f"'{denied.name}' -PolicyStore ActiveStore. If it is not wanted: Disable-NetFirewallRule -Name "
            f"'{denied.name}' (one of group policy must be changed there)."
        )
        yield Problem(text, proof={Firewall: shown + denied.name}, remedy=remedy)
    elif closed:
        text = (
            f"The Windows firewall on {node.name} is on, and no rule lets in UDP {PORT}, which "
            "carries the pods' packets."
        )
        names = (
            ", ".join(f"{r.name} ({'/'.join(r.profiles)})" for r in firewall.rules if covers(r.ports, PORT))
            or "none"
        )
        yield Problem(text, proof={Firewall: shown + names})


@check(
    "cni.flannel.mtu",
    title="Pods' packets fit into the network below with VXLAN's header",
    severity=WARN,
    explains=[],
    cases=[
        Case(
            "the pods' MTU leaves no room",
            FLANNEL_2022,
            (change(FlannelFiles, lambda f: replace(f, subnet_env={**f.subnet_env, "FLANNEL_MTU": "1500"})),),
            "node",
        ),
        Case(
            "the card's MTU is small",
            CLASSIC_2019,
            (
                change(
                    Adapters, lambda a: replace(a, adapters=tuple(replace(x, mtu=1400) for x in a.adapters))
                ),
            ),
            "node",
        ),
        Case(
            "the node's first address is IPv6",
            FLANNEL_2022,
            (node_object(_ipv6_first),),
            quiet=True,
        ),
        Case(
            "jumbo frames below",
            FLANNEL_2022,
            (
                change(
                    Adapters, lambda a: replace(a, adapters=tuple(replace(x, mtu=9000) for x in a.adapters))
                ),
            ),
            quiet=True,
        ),
    ],
)
def mtu(node: ThisNode, stack: Stack, files: FlannelFiles, adapters: Adapters) -> Iterator[Said]:
    """If the pods' MTU leaves no room for VXLAN's 50 bytes, large packets vanish: ping works, TLS and large
    answers hang.

    Rule: overlay, and FLANNEL_MTU in subnet.env is larger than the MTU of the card with the node's address
    less 50.
    Remedy: set "MTU" in the Backend of net-conf.json to the network's MTU less 50 and restart flannel
    everywhere, or raise the MTU of the network below.
    Confused with: complete loss of connection: small packets pass here.
    Source: flannel pkg/backend/vxlan (encapOverhead = 50).
    """
    if not stack.flannel_overlay:
        yield Skip("The node does not use flannel's overlay.")
        return
    text = files.subnet_env.get("FLANNEL_MTU", "")
    if not text.isdigit():
        yield Skip("flanneld has written no FLANNEL_MTU (cni.flannel.subnet-env).")
        return
    card = adapters.holding(ipv4_of(node.object))
    if card is None or not card.mtu:
        yield CannotTell(f"no adapter with the address {ipv4_of(node.object)} and a known MTU")
        return
    room = card.mtu - ENCAPSULATION
    if int(text) > room:
        message = (
            f"Pods on {node.name} use an MTU of {text}, and {card.name} ({card.mtu}) leaves "
            f"{room} after VXLAN's header."
        )
        yield Problem(
            message, proof={FlannelFiles: f"FLANNEL_MTU={text}", Adapters: f"{card.name}: MTU {card.mtu}"}
        )
