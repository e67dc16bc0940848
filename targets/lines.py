"""Bytes as they come from a socket, as whole lines."""

from __future__ import annotations

_LONGEST_LINE = 8 << 20  # bytes; etcd takes objects of 1.5 MiB, and a watch writes one in one line


class LineSplitter:
    """Feed it chunks, take lines without their end. What follows the last line end waits for more."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes. A line that grows beyond 8 MiB is handed out in pieces."""
        if b"\n" not in chunk:
            self._parts.append(chunk)
            self._held += len(chunk)
            return [self.rest()] if self._held > _LONGEST_LINE else []
        lines = (b"".join(self._parts) + chunk).split(b"\n")
        self._parts = [lines.pop()]
        self._held = len(self._parts[0])
        return lines

    def rest(self) -> bytes:
        """What came after the last line end; it is not kept."""
        whole = b"".join(self._parts)
        self._parts, self._held = [], 0
        return whole
