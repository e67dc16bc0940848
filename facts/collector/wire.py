"""The collector's protocol, console side: what is sent, and how the answer is read while it comes.

See docs/collector.md for the format.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from targets.decoding import decoded
from targets.errors import MalformedAnswer

LINE = 4000
COMMAND_LIMIT = 3060  # characters of bootstrap that fit a command line once encoded (docs/collector.md)
LARGEST_ANSWER = 64 << 20


class Asked(msgspec.Struct, frozen=True):
    """One question as it is sent."""

    id: str
    script: str
    parameters: dict[str, Any] = {}
    seconds: float = 10.0


class ScriptError(msgspec.Struct, frozen=True):
    """What PowerShell says of a question that failed. `message` is in the node's language.

    `hint`: what a person can do, where whoever answers for the node knows it.
    """

    type: str
    hresult: str = ""
    fqid: str = ""
    message: str = ""
    hint: str = ""


class RawAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer, not yet decoded as a fact."""

    at: datetime
    ms: int = 0
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: ScriptError | None = None


class HelloLine(msgspec.Struct, frozen=True):
    language: str
    elevated: bool
    version: str
    now: datetime


class Answered(msgspec.Struct, frozen=True):
    id: str
    answer: RawAnswer


class Damaged(msgspec.Struct, frozen=True):
    """An answer that came and cannot be used."""

    id: str
    why: str


class Done(msgspec.Struct, frozen=True):
    count: int


Heard = HelloLine | Answered | Damaged | Done


@cache
def script_text(name: str, package: str = "facts.node.scripts") -> str:
    """A `.ps1` of the product, as it is sent: without comment lines and blank lines."""
    text = resources.files(package).joinpath(name).read_text("ascii")
    return "\n".join(
        line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    )


def command() -> str:
    """The command line that starts the collector."""
    bootstrap = script_text("bootstrap.ps1", "facts.collector")
    if len(bootstrap) > COMMAND_LIMIT:
        raise ValueError(
            f"bootstrap.ps1 has {len(bootstrap)} characters; {COMMAND_LIMIT} fit a command line."
        )
    encoded = base64.b64encode(bootstrap.encode("utf-16-le")).decode("ascii")
    return (
        f"powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encoded}"
    )


def _folded(data: bytes) -> Iterator[str]:
    text = base64.b64encode(data).decode("ascii")
    for at in range(0, len(text), LINE):
        yield text[at : at + LINE]


def standard_input(questions: Sequence[Asked]) -> bytes:
    """Everything that the collector reads, up to and with the line `#end`."""
    payload = {"collector": script_text("collector.ps1", "facts.collector"), "questions": questions}
    packed = gzip.compress(msgspec.json.encode(payload), mtime=0)
    lines = ["#kwinnow 1", *script_text("minimum.ps1", "facts.collector").splitlines()]
    lines += ["#payload", *_folded(packed), "#end"]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


DAMAGED = "The node's answer was damaged on its way"


class Reader:
    """Turns the chunks of standard output into what was heard. Feed it, then ask `finished`."""

    def __init__(self) -> None:
        self._rest = b""
        self._parts: dict[str, list[str]] = {}
        self.finished = False
        self.noise: list[str] = []  # the first lines that are not the protocol's: banners, errors

    def feed(self, chunk: bytes) -> Iterator[Heard]:
        """What the chunk completes. MalformedAnswer if the node sends more than any answer may have."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > 1 << 20:
            raise MalformedAnswer(
                "The node's answer has a line of more than 1 MiB; the collector writes none."
            )
        for line in lines:
            heard = self._line(line.decode("ascii", "replace").strip())
            if heard is not None:
                yield heard

    def _line(self, line: str) -> Heard | None:
        match = re.match(r"~kw (\w+) ?(.*)$", line)
        if match is None:
            if line and len(self.noise) < 20:
                self.noise.append(line[:400])
            return None
        word, rest = match.groups()
        identity, _, value = rest.partition(" ")
        try:
            if word == "hello":
                return decoded(rest, HelloLine)
            if word == "data":
                self._parts.setdefault(identity, []).append(value)
            elif word == "end":
                return self._end(identity, value)
            elif word == "plain":
                return Answered(identity, decoded(value, RawAnswer))
            elif word == "done":
                self.finished = True
                return Done(int(rest))
        except (msgspec.DecodeError, ValueError):
            return Damaged(identity, f"{DAMAGED}: a line of it cannot be read.")
        return None

    def _end(self, identity: str, value: str) -> Heard:
        packed = base64.b64decode("".join(self._parts.pop(identity, [])))
        length, _, digest = value.partition(" ")
        if len(packed) != int(length) or hashlib.sha256(packed).hexdigest() != digest:
            came = f"{len(packed)} of {length} bytes came"
            what = "its hash is not the one that the node announced" if len(packed) == int(length) else came
            return Damaged(identity, f"{DAMAGED}: {what}.")
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text = unpacker.decompress(packed, LARGEST_ANSWER)
        except zlib.error:
            return Damaged(identity, f"{DAMAGED}: it cannot be unpacked.")
        if unpacker.unconsumed_tail:
            return Damaged(identity, "The answer is larger than 64 MiB.")
        return Answered(identity, decoded(text, RawAnswer))
