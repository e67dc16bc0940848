"""A runtime that stands still: what cannot be told for it names its finding, and nothing is guessed in its place."""

from __future__ import annotations

import pytest

from checks.cases import CLASSIC_2019, FLANNEL_2022, Case, Change, drafted, fails, fields
from checks.edits import service
from checks.engine import Report, judge
from checks.finding import OutcomeKind
from facts.node.runtime import Containerd, Cri, Images

IMAGES = {"image.pause.pulled", "image.pause.gc"}


def report_after(stack: str, *changes: Change) -> tuple[Report, str]:
    draft = drafted(Case("", stack, changes))
    return judge(draft.session), draft.node


@pytest.mark.parametrize(
    ("stack", "name", "cause"),
    [
        (CLASSIC_2019, "docker", "runtime.docker.service-stopped"),
        (FLANNEL_2022, "containerd", "runtime.containerd.stopped"),
    ],
)
def test_unknown_images_name_the_runtimes_finding(stack: str, name: str, cause: str) -> None:
    report, node = report_after(stack, fails(Images, "pipe not found"), service(name, state="Stopped"))
    assert cause in {f.id for f in report.findings}
    unknown = {o.id: o for o in report.of(OutcomeKind.UNKNOWN) if o.node == node}
    assert unknown.keys() == IMAGES
    for outcome in unknown.values():
        assert "does not run" in outcome.why
        assert cause in outcome.hint and f"Start-Service {name}" in outcome.hint


def test_a_configuration_that_cannot_be_read_makes_no_findings_of_its_defaults() -> None:
    report, node = report_after(
        FLANNEL_2022,
        service("containerd", state="Stopped", exit_code=1),
        fails(Cri),
        fails(Images),
        fields(Containerd, config={}, config_error="Illegal character (at line 12)"),
    )
    mine = {f.id for f in report.ranked.causes if f.node == node}
    assert "runtime.containerd.stopped" in mine
    assert not {i for i in mine if i.startswith(("image.pause.", "runtime.containerd.cni"))}
    unknown = {o.id for o in report.of(OutcomeKind.UNKNOWN) if o.node == node}
    assert {"runtime.containerd.cni-dirs", "image.pause.ref", "image.pause.pulled"} <= unknown
