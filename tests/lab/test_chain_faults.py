"""Every link of the walk from NotReady to its first cause can be practised."""

from __future__ import annotations

import pytest

from checks.chain import NOT_READY, links
from checks.ids import CHECK_IDS
from lab.faults import CONDITIONS, FAULTS, QUESTIONS

# Links that nothing plants, each with its reason.
NOT_TO_PRACTISE = {
    NOT_READY: "the condition whose causes the walk looks for: nearly every fault brings it about"
}


def planted() -> set[str]:
    """The catalogue entries that faults, questions and conditions bring out."""
    by_condition = {entry for condition in CONDITIONS.values() for entry in condition.entries}
    return {f.entry for f in FAULTS.values()} | {q.entry for q in QUESTIONS.values()} | by_condition


@pytest.mark.parametrize("link", links())
def test_every_link_can_be_practised(link: str) -> None:
    assert (link in planted()) is not (link in NOT_TO_PRACTISE), NOT_TO_PRACTISE.get(
        link, "nothing plants it"
    )


def test_conditions_name_entries_of_the_catalogue() -> None:
    assert {entry for condition in CONDITIONS.values() for entry in condition.entries} <= set(CHECK_IDS)
