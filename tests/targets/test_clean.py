"""Hostile text is harmless before it is painted."""

from __future__ import annotations

import time

import pytest

from targets.clean import clean, clean_line, escape_markup


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("plain text, 以太网, Ünïcode, 😀", "plain text, 以太网, Ünïcode, 😀"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b[?1049h\x1b[38;2;1;2;3mx", "x"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x1b_Gapc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\after", "after"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("\x1bc\x1b7\x1b8\x1bMreset", "reset"),
        ("\x1b]0;never ended\nnext line", "]0;never ended\nnext line"),
        ("a\x1b", "a"),
        ("bell\x07 back\x08space nul\x00 del\x7f", "bell backspace nul del"),
        ("over\rwritten", "overwritten"),
        ("one\r\ntwo\u2028three\x85four\tfive", "one\ntwo\nthree\nfour\tfive"),
        ("abc\u202etxt.exe\u202c \u2066x\u2069 \u200fy\u061c", "abctxt.exe x y"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\x1b\x1b[31m[31mnested", "[31mnested"),
    ],
)
def test_sequences_and_controls_go(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless
    assert clean(harmless) == harmless


def test_a_line_stays_a_line() -> None:
    assert clean_line("one\r\ntwo\tthree\x1b[1m") == "one two three"


@pytest.mark.parametrize(
    "text",
    [
        "[bold]x[/bold]",
        "[/]",
        "\\[x]",
        "[@click=app.quit]go[/]",
        "a[0] = [b, c]",
        "\\",
        "[link=http://e]x",
        "x\\[",
    ],
)
def test_markup_is_shown_and_not_obeyed(text: str) -> None:
    from rich.text import Text

    shown = Text.from_markup(escape_markup(text + "\x1b[31m") + "[bold]ours[/bold]")
    assert shown.plain == text + "ours"
    assert [str(span.style) for span in shown.spans] == ["bold"]


@pytest.mark.parametrize(
    "piece", ["\x1b]", "\x1b[", "\x1bP", "\x9d", "\x1b", "\x1b[1;", "\u202e", "\x1b \x1b"]
)
def test_hostile_text_costs_linear_time(piece: str) -> None:
    started = time.perf_counter()
    clean(piece * 100_000)
    assert time.perf_counter() - started < 2
