"""Times in texts: recognised near a moment, so that they can be levelled for comparison or moved to another day.

Recognised are RFC 3339 (a Z or an offset at the end), the header of klog lines, nanoseconds since 1970 and Windows
FILETIMEs; also inside JSON, where a line begins after `\\n`. A time half a year away from the moment is left
alone: the validity of a certificate does not move.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NEAR = 180 * 86_400.0
_FILETIME_ZERO = 11_644_473_600  # seconds from 1601 to 1970
_TIME = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<part>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)"
    r"|(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))"
    r"(?P<klog>(?P<level>[IWEF])(?P<day>\d{4}) (?P<clock>\d\d:\d\d:\d\d)\.(?P<micro>\d{6}))"
    r"|(?<![\d.])(?P<nano>[12]\d{18})(?![\d.])"
    r"|(?<![\d.])(?P<filetime>1\d{17})(?![\d.])"
)


def _moved(match: re.Match[str], around: float, by: float) -> str | None:
    """The time of a match moved by so many seconds; None if it is not near the moment."""
    if match["iso"]:
        at = datetime.fromisoformat(match["iso"] + match["zone"].replace("Z", "+00:00"))
        if abs(at.timestamp() - around) > NEAR:
            return None
        new = at + timedelta(seconds=round(by))
        return new.strftime("%Y-%m-%dT%H:%M:%S") + (match["part"] or "") + match["zone"]
    if match["klog"]:
        year = datetime.fromtimestamp(around, UTC).year
        for guess in (year, year - 1, year + 1):
            try:
                at = datetime.strptime(f"{guess}{match['day']} {match['clock']}+0000", "%Y%m%d %H:%M:%S%z")
            except ValueError:
                continue
            if abs(at.timestamp() - around) <= NEAR:
                new = at + timedelta(seconds=round(by))
                return f"{match['level']}{new:%m%d %H:%M:%S}.{match['micro']}"
        return None
    if match["nano"]:
        number = int(match["nano"])
        near = abs(number / 1e9 - around) <= NEAR
        return str(number + round(by) * 10**9) if near else None
    number = int(match["filetime"])
    near = abs(number / 1e7 - _FILETIME_ZERO - around) <= NEAR
    return str(number + round(by) * 10**7) if near else None


def shifted(text: str, around: float, by: float) -> str:
    """The text with every time near `around` moved by `by` seconds (rounded to whole ones)."""
    return _TIME.sub(lambda match: _moved(match, around, by) or match[0], text)


def levelled(text: str, around: float) -> str:
    """The text with every time near `around` replaced by a mark."""
    return _TIME.sub(lambda match: match[0] if _moved(match, around, 0) is None else "<time>", text)
