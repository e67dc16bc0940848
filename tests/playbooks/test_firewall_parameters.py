"""What the firewall step would do, worked out from the node's answers: no engine is needed for that."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from checks.cases import FLANNEL_2022, Case, Draft, change, drafted
from checks.cni.flannel_wire import without_rules_for
from checks.engine import judge
from facts.node.network import Firewall, FirewallRule
from playbooks.remedies.firewall_4789 import open_4789
from playbooks.step import NotPossible


def blocked_in(profile: str) -> Draft:
    """No rule lets VXLAN in, and one blocks it in that profile; the node's card is in Public."""
    rule = FirewallRule("no-vxlan", "No VXLAN", False, "UDP", ("4789",), (profile,))
    added = change(Firewall, lambda f: replace(f, rules=(*f.rules, rule)))
    return drafted(Case("", FLANNEL_2022, (without_rules_for(4789), added)))


def parameters(draft: Draft) -> dict[str, object]:
    finding = next(f for f in judge(draft.session).findings if f.id == "cni.flannel.firewall-4789")
    return dict(open_4789(draft.session, draft.node, finding))


def test_a_block_in_a_profile_that_does_not_apply_is_no_hindrance() -> None:
    assert parameters(blocked_in("Domain"))["name"] == "OverlayTraffic4789UDP"


@pytest.mark.parametrize("profile", ["Any", "Public"])
def test_a_block_that_applies_wins(profile: str) -> None:
    with pytest.raises(NotPossible, match=r"No VXLAN \(no-vxlan\).*a block wins"):
        parameters(blocked_in(profile))
