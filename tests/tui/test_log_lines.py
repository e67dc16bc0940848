"""The lines of a log: ring, filter, wrapping, search; without a widget."""

from __future__ import annotations

import pytest

from tui.panes.log_lines import Line, LogLines, harmless, wanted


def lines(start: int, end: int) -> list[Line]:
    return [Line("", f"line {i}") for i in range(start, end)]


def shown(log: LogLines) -> list[str]:
    return [log.line(p.number).text[p.start : p.end] for p in log.pieces]


def test_the_ring_lets_the_oldest_go_and_counts_them() -> None:
    log = LogLines(limit=100)
    assert log.add(lines(0, 80)) == (80, 0)
    assert log.add(lines(80, 130)) == (50, 30)
    assert (log.let_go, len(log.lines), shown(log)[0], shown(log)[-1]) == (30, 100, "line 30", "line 129")


def test_one_batch_may_be_larger_than_the_ring() -> None:
    log = LogLines(limit=10)
    log.add(lines(0, 5))
    log.add(lines(5, 100))
    assert shown(log) == [f"line {i}" for i in range(90, 100)]
    assert log.let_go == 90


@pytest.mark.parametrize(
    ("needle", "kept"),
    [
        ("NE 9", ["line 9"]),
        ("!line", []),
        ("!1", ["line 0", "line 9"]),
        ("!", ["line 0", "line 1", "line 9"]),
    ],
)
def test_the_filter_includes_or_excludes_whatever_the_case(needle: str, kept: list[str]) -> None:
    log = LogLines()
    log.add([Line("", "line 0"), Line("", "line 1"), Line("", "line 9")])
    log.narrow(needle)
    assert shown(log) == kept


def test_notices_pass_every_filter() -> None:
    log = LogLines(needle="nothing has this")
    log.add([Line("", "a"), Line("", "the stream ended", notice=True), Line("", "b")])
    assert shown(log) == ["the stream ended"]


def test_what_the_filter_hides_still_counts_against_the_ring() -> None:
    log = LogLines(limit=10, needle="9")
    log.add(lines(0, 10))
    assert log.add(lines(10, 20)) == (1, 1)
    assert shown(log) == ["line 19"]


def test_wrapping_cuts_at_the_width_and_loses_nothing() -> None:
    log = LogLines()
    log.add([Line("", "abcdefghij"), Line("", ""), Line("", "xy")])
    log.wrap(4)
    assert shown(log) == ["abcd", "efgh", "ij", "", "xy"]
    log.wrap(0)
    assert shown(log) == ["abcdefghij", "", "xy"]


def test_wide_characters_are_cut_by_cells() -> None:
    log = LogLines()
    log.add([Line("", "网络适配器没有启动")])  # each is two cells wide
    log.wrap(6)
    assert shown(log) == ["网络适", "配器没", "有启动"]


def test_search_goes_on_from_the_last_hit_and_round() -> None:
    log = LogLines()
    log.add(lines(0, 30))
    first = log.hit("LINE 2", 0, 1)
    assert first == 2
    assert log.hit("line 2", first, 1) == 20
    assert log.hit("line 2", first, -1) == 29
    assert log.hit("absent", 0, 1) is None


def test_marks_stay_with_their_line() -> None:
    log = LogLines(limit=20)
    log.add(lines(0, 20))
    log.marks |= {3, 12}
    log.add(lines(20, 25))
    assert log.marks == {12}, "the line of the other mark is gone"
    assert log.line(log.pieces[log.next_mark(0) or 0].number).text == "line 12"


def test_lines_are_harmless_to_paint() -> None:
    assert harmless("\x1b[31mred\x1b[0m\tx\x07") == "red     x"
    assert wanted("")("anything")


def test_text_gives_each_line_once_with_its_time() -> None:
    log = LogLines()
    log.add([Line("2026-01-01T00:00:00Z", "abcdefgh"), Line("", "b")])
    log.wrap(4)
    assert log.text() == ["2026-01-01T00:00:00Z abcdefgh", "b"]
