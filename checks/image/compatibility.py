"""Which container image builds run on which host build.

Before Windows Server 2022 a container's build must equal the host's. From 2022 on the kernel interface is
stable: a host runs process-isolated images from build 20348 up to its own, never newer ones. containerd chooses
an entry of an image index by that rule only from 1.7.6 on; before, the build must be equal.
Sources: hcsshim osversion/platform_compat_windows.go; Microsoft's page on version compatibility; containerd
platforms/defaults_windows.go at its 1.7 tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

STABLE_SINCE = 20348  # Windows Server 2022
STABLE_SELECTION_SINCE = (1, 7, 6)  # containerd
NAMES = {
    14393: "Server 2016",
    16299: "1709",
    17134: "1803",
    17763: "Server 2019",
    18362: "1903",
    18363: "1909",
    19041: "2004",
    19042: "20H2",
    20348: "Server 2022",
    25398: "23H2",
    26100: "Server 2025",
}


class Fit(Enum):
    EXACT = "exact"  # an entry of the host's own build
    STABLE = "stable"  # an older entry, through the stable interface
    NONE = "none"


def named(build: int) -> str:
    """20348 → Server 2022 (20348)."""
    return f"{NAMES[build]} ({build})" if build in NAMES else f"build {build}"


def runs(host: int, image: int) -> bool:
    """Whether a process-isolated container of build `image` runs on `host`."""
    return image == host or (host >= STABLE_SINCE and STABLE_SINCE <= image <= host)


def fit(host: int, entries: Iterable[int]) -> Fit:
    """How well the entries of an image index fit a host build."""
    builds = tuple(entries)
    if host in builds:
        return Fit.EXACT
    return Fit.STABLE if any(runs(host, b) for b in builds) else Fit.NONE


def version_of(text: str) -> tuple[int, int, int] | None:
    """1.7.22 or v1.7.22+unknown → (1, 7, 22); None if it is no version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def selects_older_entries(containerd: str) -> bool | None:
    """Whether this containerd picks an older entry on a newer host; None if its version is not known."""
    version = version_of(containerd)
    return None if version is None else version >= STABLE_SELECTION_SINCE


_HINTS = (
    (re.compile(r"ltsc2016"), 14393),
    (re.compile(r"ltsc2019"), 17763),
    (re.compile(r"ltsc2022"), 20348),
    (re.compile(r"ltsc2025"), 26100),
    (re.compile(r"20h2"), 19042),
)
# A number is a part of its own: 1809 stands in dates (20180917), commits and build numbers too.
_RELEASES = {
    "1607": 14393,
    "1709": 16299,
    "1803": 17134,
    "1809": 17763,
    "1903": 18362,
    "1909": 18363,
    "2004": 19041,
}
_RELEASE = re.compile(rf"(?:^|[-_]|win|windows|servercore|nanoserver)({'|'.join(_RELEASES)})(?=$|[-_])")
_BUILD = re.compile(r"(?:^|[-_])10\.0\.(\d{5})(?:$|[-_.])")


def build_of_tag(tag: str) -> int | None:
    """The Windows build that an image tag names; None if it names none, or more than one."""
    text = tag.lower()
    found = {build for pattern, build in _HINTS if pattern.search(text)}
    found |= {_RELEASES[number] for number in _RELEASE.findall(text)}
    found |= {int(number) for number in _BUILD.findall(text) if int(number) in NAMES}
    return found.pop() if len(found) == 1 else None
