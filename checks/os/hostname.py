"""The node's host name against its name in the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import change, fields
from checks.check import Case, check
from checks.edits import kubelet_flags
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Failed
from facts.node.kubernetes import Kubelet
from facts.node.windows import Os

NETBIOS = 15  # characters of COMPUTERNAME

_other_host = fields(Os, hostname="WIN-9")


@check(
    "os.hostname.case-length",
    title="The host name and the node's name agree",
    severity=WARN,
    explains=[],
    cases=[
        Case(
            "longer than 15 characters",
            FLANNEL_2022,
            (change(Os, lambda o: replace(o, hostname="KUBERNETES-WINDOWS-1")),),
            "node",
            WARN,
        ),
        Case(
            "another name and no override",
            FLANNEL_2022,
            (_other_host, kubelet_flags(hostname_override=None)),
            "node",
            ERROR,
        ),
        Case("another name by the kubelet's override", CLASSIC_2019, quiet=True),
        Case(
            "an override in capitals, which the kubelet makes small",
            FLANNEL_2022,
            (_other_host, kubelet_flags(hostname_override="WIN-1")),
            quiet=True,
        ),
        Case(
            "the cloud names the node",
            FLANNEL_2022,
            (_other_host, kubelet_flags(hostname_override=None, cloud_provider="aws")),
            quiet=True,
        ),
        Case(
            "a script works the override out",
            FLANNEL_2022,
            (_other_host, kubelet_flags(hostname_override="$(Get-NodeName)")),
            unknown=True,
        ),
        Case(
            "the kubelet's command line was not found",
            FLANNEL_2022,
            (_other_host, fields(Kubelet, flags={}, arguments="", found_in="")),
            unknown=True,
        ),
        Case(
            "upper case is normal",
            FLANNEL_2022,
            (change(Os, lambda o: replace(o, hostname=o.hostname.upper())),),
            quiet=True,
        ),
    ],
)
def case_length(node: ThisNode, os: Os, kubelet: Kubelet | Failed) -> Iterator[Said]:
    """Node names are lower case; COMPUTERNAME is upper case and ends after 15 characters, the DNS host name
    does not.

    Scripts that mix the two register the kubelet under one name and kube-proxy under another.

    Rule: the DNS host name is longer than 15 characters: warning. Its lower-case form is not the node's
    name, and the kubelet has no --hostname-override that is, whatever its capitals: error. Where a cloud provider
    inside the kubelet (--cloud-provider other than external) names the node, the two may differ.
    Remedy: Rename-Computer before joining, or give kubelet and kube-proxy the same --hostname-override.
    Confused with: kubelet.hostname-override, a deliberate override such as the node's address.
    Source: microsoft/SDN Kubernetes/flannel helper.psm1 (hostname in lower case); Azure/AgentBaker
    (COMPUTERNAME).
    """
    name = os.hostname
    if not name:
        yield CannotTell("the node did not tell its DNS host name")
        return
    flags = kubelet.flags if isinstance(kubelet, Kubelet) else {}
    override = flags.get("hostname-override", "").strip("\"' ")
    differs = node.name not in (name.lower(), override.lower())
    if differs and isinstance(kubelet, Failed):
        yield CannotTell(kubelet.why, hint=kubelet.hint)
    elif (
        differs
        and isinstance(kubelet, Kubelet)
        and (not kubelet.found_in or any(sign in override for sign in "$%"))
    ):
        yield CannotTell(
            f"The host calls itself {name}, and how the kubelet names the node is not seen on its command line.",
            hint="A script works it out, or the kubelet does not run: see kubelet.not-running.",
        )
    elif differs and flags.get("cloud-provider", "external") not in ("", "external"):
        yield Skip(f"The cloud provider {flags['cloud-provider']} names the node.")
    elif differs:
        text = (
            f"The host calls itself {name}, the cluster calls it {node.name}, and the kubelet has no "
            "override to that name."
        )
        shown = f"--hostname-override={override}" if override else "no --hostname-override"
        yield Problem(text, severity=ERROR, proof={Os: f"hostname {name}", Kubelet: shown})
    elif len(name) > NETBIOS:
        text = (
            f"The host name {name} has {len(name)} characters, and COMPUTERNAME holds only {NETBIOS} "
            f"({os.computer_name or name[:NETBIOS]})."
        )
        yield Problem(text, proof={Os: f"hostname {name}, COMPUTERNAME {os.computer_name or 'unknown'}"})
