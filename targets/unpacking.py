"""Gzip read as far as it goes: a file that was cut off or damaged gives what stands before the damage."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

MAGIC = b"\x1f\x8b"
_GZIP = 31  # zlib's word for "with gzip's head and checksum"
_PIECE = 1 << 16

Trouble = Literal["", "cut", "broken", "checksum"]


@dataclass(frozen=True)
class Unpacked:
    """What came out, and what was wrong: the file ends early, cannot be read on, or is not what was written."""

    data: bytes
    trouble: Trouble


def unpacked(packed: bytes) -> Unpacked:
    """Unpack one or several gzip members. Bytes behind their end are passed over, as gzip does with zeros."""
    out = bytearray()
    rest = packed
    while rest.startswith(MAGIC):
        state = zlib.decompressobj(_GZIP)
        for start in range(0, len(rest), _PIECE):
            piece, before = rest[start : start + _PIECE], state.copy()
            try:
                out += state.decompress(piece)
            except zlib.error as error:
                out += _up_to_the_error(before, piece)
                whole = "data check" in str(error) or "length check" in str(error)
                return Unpacked(bytes(out), "checksum" if whole else "broken")
            if state.eof:
                rest = state.unused_data + rest[start + _PIECE :]
                break
        else:
            return Unpacked(bytes(out), "cut")
    return Unpacked(bytes(out), "")


def _up_to_the_error(state: zlib._Decompress, piece: bytes) -> bytes:
    """zlib gives nothing of a piece in which it meets an error: byte by byte it gives all but the last."""
    out = bytearray()
    for place in range(len(piece)):
        try:
            out += state.decompress(piece[place : place + 1])
        except zlib.error:
            break
    return bytes(out)
