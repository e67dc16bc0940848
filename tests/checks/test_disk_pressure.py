"""A disk that is full now accounts for a pause image that was collected; memory has no part in that."""

from __future__ import annotations

import pytest

from checks.cases import FLANNEL_2022, Case, Draft, drafted
from checks.edits import condition, node_object
from checks.engine import judge
from checks.image.reference import same
from checks.workload.edits import node_event
from facts.derived.pause_image import PauseImage
from facts.node.runtime import Images


def collected(draft: Draft) -> None:
    reference = draft.get(PauseImage).reference
    rest = (i for i in draft.get(Images).images if not any(same(r, reference) for r in i.references))
    draft.put(Images, Images(tuple(rest)))
    node_event("FreeDiskSpaceFailed", "Failed to garbage collect required amount of images.")(draft)


@pytest.mark.parametrize(("kind", "linked"), [("DiskPressure", True), ("MemoryPressure", False)])
def test_only_a_full_disk_accounts_for_it(kind: str, linked: bool) -> None:
    draft = drafted(Case("", FLANNEL_2022, (node_object(condition(kind, "True")), collected)))
    report = judge(draft.session)
    causes = {f.id for f in report.ranked.causes if f.node == draft.node}
    assert "node.conditions.pressure" in causes
    assert ("image.pause.gc" not in causes) is linked
    assert "image.pause.gc" in {f.id for f in report.findings}
