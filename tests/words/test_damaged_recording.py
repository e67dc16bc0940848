"""A recording that is damaged is judged as far as it can be read, and the place of the damage is named."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path

import pytest
from wordkit import Kwinnow

from facts.examples import FLANNEL_2022, path_of
from targets.recording import Recording, RecordingError

WHOLE = path_of(FLANNEL_2022).read_bytes()
TEXT = gzip.decompress(WHOLE).splitlines(keepends=True)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kwinnow:
    return Kwinnow(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "it.kwr"


def flipped(place: int, bits: int = 0xFF) -> bytes:
    return WHOLE[:place] + bytes([WHOLE[place] ^ bits]) + WHOLE[place + 1 :]


def test_one_flipped_byte_costs_what_stands_behind_it(run: Kwinnow, file: Path) -> None:
    file.write_bytes(flipped(len(WHOLE) // 2))
    done = run("check", "--json", "--open", file)
    assert done.code in (1, 3) and json.loads(done.out)["counts"]["passed"] > 0
    said = re.fullmatch(rf"kwinnow: {file} is damaged after line (\d+); .*\n", done.err)
    assert said and 2 < int(said[1]) < len(TEXT)
    assert len(Recording(file).lines) == int(said[1]) - 1


def test_wherever_a_bit_is_flipped_it_is_told(file: Path) -> None:
    """Never a traceback, never silence, but for the bits that mean nothing: what fills up the last byte, say."""
    whole = Recording(path_of(FLANNEL_2022)).lines
    dice = random.Random(7)
    read = 0
    for place in dice.sample(range(4, len(WHOLE)), 150):
        file.write_bytes(flipped(place, 1 << dice.randrange(8)))
        try:
            recording = Recording(file)
        except RecordingError as error:
            assert "is damaged at its very start" in error.what
        else:
            assert "is damaged" in recording.damage or recording.lines == whole
            read += bool(recording.lines)
    assert read > 100


def test_a_checksum_that_is_wrong_is_told_where_every_line_can_be_read(run: Kwinnow, file: Path) -> None:
    file.write_bytes(flipped(len(WHOLE) - 8))
    done = run("check", "--open", file)
    assert done.code == 3 and "its checksum is wrong" in done.err, "not proved to be healthy"


def test_a_line_that_is_none_is_left_out_and_the_others_are_judged(run: Kwinnow, file: Path) -> None:
    lines = list(TEXT)
    lines[4] = lines[4][:40] + b"\xff\n"
    file.write_bytes(gzip.compress(b"".join(lines)))
    done = run("check", "--json", "--open", file)
    assert json.loads(done.out)["counts"]["passed"] > 0
    assert done.err.startswith(f"kwinnow: {file} is damaged: line 5 cannot be read and is left out;")
    assert len(Recording(file).lines) == len(TEXT) - 2


def test_an_answer_of_another_shape_fails_alone(run: Kwinnow, file: Path) -> None:
    lines = [json.loads(line) for line in TEXT]
    for line in lines[1:]:
        if line["node"] == "win-1" and line["ask"] in ("hns", "access"):
            line["value"] = ["no", "such", "shape"]
    file.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    asked = {f["node"]: f for f in json.loads(run("facts", "hns", "--json", "--open", file).out)["facts"]}
    assert "cannot be read" in asked["win-1"]["why"] and asked["win-2"]["outcome"] == "known"
    listed = {n["name"]: n for n in json.loads(run("nodes", "--json", "--open", file).out)["nodes"]}
    assert "cannot be read" in listed["win-1"]["why"] and listed["win-2"]["way"] == "winrm"


@pytest.mark.parametrize("length", [200, len(WHOLE) // 2, len(WHOLE) - 1])
def test_what_ends_early_says_where(run: Kwinnow, file: Path, length: int) -> None:
    file.write_bytes(WHOLE[:length])
    try:
        recording = Recording(file)
    except RecordingError as error:
        assert length == 200 and "is damaged at its very start" in error.what
    else:
        assert f"ends early, after line {len(recording.lines) + 1};" in recording.damage


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (flipped(2), "is damaged at its very start"),
        (flipped(14), "is damaged at its very start"),
        (WHOLE[:5], "is damaged at its very start"),
        (b"", "is not a recording of kwinnow"),
        (b"just words\n", "is not a recording of kwinnow"),
        (gzip.compress(b"just words\n"), "is not a recording of kwinnow"),
        (gzip.compress(b""), "is not a recording of kwinnow"),
    ],
    ids=["method", "start", "5 bytes", "empty", "words", "packed words", "packed nothing"],
)
def test_what_gives_nothing_at_all(run: Kwinnow, file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    done = run("check", "--open", file)
    assert (done.code, done.out) == (2, "")
    assert f"{file} {said}" in done.err and "--save" in done.err
