"""The API server that is tried from a node is that of the kubeconfig which the kubelet uses."""

from __future__ import annotations

import pytest

from facts.derived.probe_plan import ProbePlan, ProbeTarget
from facts.fact import NotApplicable
from facts.node.kubernetes import Kubeconfig, Kubeconfigs

USUAL = Kubeconfig(r"C:\etc\kubernetes\kubelet.conf", "https://old.example:6443")
OWN = Kubeconfig(r"C:\ProgramData\kubernetes\kubeconfig", "https://eks.example")
FIRST = Kubeconfig(r"C:\etc\kubernetes\bootstrap-kubelet.conf", "https://new.example:6443")


@pytest.mark.parametrize(
    ("found", "told", "tried"),
    [
        ((USUAL, OWN), "", ("old.example", 6443)),
        ((USUAL, OWN), OWN.path, ("eks.example", 443)),
        ((FIRST,), USUAL.path, ("new.example", 6443)),
        ((USUAL,), OWN.path, None),
    ],
    ids=["not told", "told", "not bootstrapped yet", "the one it is told is not there"],
)
def test_the_kubelets_own(found: tuple[Kubeconfig, ...], told: str, tried: tuple[str, int] | None) -> None:
    plan = ProbePlan.derive(Kubeconfigs(found, (), told), NotApplicable("no pause image"))
    if tried is None:
        assert isinstance(plan, NotApplicable)
    else:
        assert isinstance(plan, ProbePlan) and plan.targets == (ProbeTarget("api", *tried),)
