"""The console comes back as it was left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from consolekit import console, judged

from tui.look import DARK, LIGHT
from tui.remember import Remembered, keep, recall


def opened_and_left(theme: str = "") -> str:
    """The theme that a console opens with; `theme` is chosen before it is left."""

    async def run() -> str:
        app = console()
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            first = app.theme
            if theme:
                app.theme = theme
            await pilot.press("q")
        return first

    return asyncio.run(run())


def test_the_theme_is_taken_up_again() -> None:
    assert opened_and_left(LIGHT.name) == DARK.name
    assert opened_and_left() == LIGHT.name


@pytest.mark.parametrize("text", [b"", b"{", b'{"theme": 5}', b'{"theme": "no-such-theme"}'])
def test_a_damaged_file_or_an_unknown_theme_is_passed_over(state: Path, text: bytes) -> None:
    state.mkdir()
    (state / "console.json").write_bytes(text)
    assert opened_and_left() == DARK.name


def test_without_a_writable_place_nothing_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KWINNOW_STATE", str(tmp_path / "file"))
    keep(Remembered("x"))
    assert recall() == Remembered()
