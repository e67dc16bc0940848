"""The healthy examples are what the real scripts answer, run by the real engine."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime

import examples
import pytest

from facts.catalogue import load
from facts.examples import STACKS, example, path_of
from facts.fact import Failed
from targets.recording import Recording


@pytest.mark.pwsh
@pytest.mark.usefixtures("pwsh")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stack", STACKS)
def test_made_anew_it_is_the_same(stack: str) -> None:
    _, lines = examples.record(stack)
    found = examples.differences(Recording(path_of(stack)).lines, lines)
    assert found == [], "run make recordings"


@pytest.mark.parametrize("stack", STACKS)
def test_it_holds_every_fact(stack: str) -> None:
    session = example(stack)
    for question in load():
        for node in session.windows_nodes():
            value = session.get(question.fact, node)
            assert not isinstance(value, Failed), f"{question.name} of {node}: {value}"


@pytest.mark.parametrize("stack", STACKS)
def test_it_names_no_computer_but_the_labs(stack: str) -> None:
    text = gzip.decompress(path_of(stack).read_bytes()).decode()
    assert not re.search(r"127\.0\.0\.1:\d{5}|/tmp/|Bearer |PRIVATE KEY-----(?!\[redacted\])|Kw-", text)
    header = Recording(path_of(stack)).header
    assert (header.recorded, header.context) == (datetime(2026, 1, 1, tzinfo=UTC), "practice")


def test_a_difference_is_told_by_its_name() -> None:
    lines = Recording(path_of(STACKS[0])).lines
    assert examples.differences(lines, lines) == []
    assert examples.differences(lines, lines[1:])[0].endswith("only in the stored example")
