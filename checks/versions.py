"""Version numbers, quantities and moments as Kubernetes writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SUFFIX = {
    "": 1,
    "m": 0.001,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "v1.31.4-rc.1" → (1, 31, 4); empty where there are none."""
    found = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def minor(version: str) -> int | None:
    """The minor version of Kubernetes 1.x: "v1.31.4" → 31; None where the text is no such version."""
    found = numbers(version)
    return found[1] if len(found) > 1 and found[0] == 1 else None


def amount(quantity: str) -> float | None:
    """A resource quantity as a number (bytes, cores): "16Gi", "4", "100m"; None where it is none."""
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", quantity.strip())
    if not found or found.group(2) not in _SUFFIX:
        return None
    return float(found.group(1)) * _SUFFIX[found.group(2)]


def clock(moment: datetime) -> str:
    """A moment as messages show it: 2026-01-02 03:04:05 UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """A length of time in two units at most: "4 d 3 h", "14 min", "42 s"."""
    seconds = int(abs(length.total_seconds()))
    for size, unit, lower, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if seconds >= size:
            rest = seconds % size // lower
            return f"{seconds // size} {unit} {rest} {smaller}" if rest else f"{seconds // size} {unit}"
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"
