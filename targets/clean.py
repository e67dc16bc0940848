"""Makes text from nodes and pods harmless before it is painted or printed."""

from __future__ import annotations

import re

# Longest forms first. Each alternative stops at the next introducer, so that hostile input costs linear time.
# Sequences: ECMA-48 (CSI, OSC, DCS, SOS, PM, APC) in their 7-bit and 8-bit forms.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x90-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x90-\x9f\n]*(?:\x1b\\|\x9c)"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
# What is left of C0 (but tab and line feed), DEL, C1, the separators that some terminals break lines at, and
# the characters that turn the direction of writing or cannot be seen (Unicode TR 36, “Trojan Source”).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# What Rich takes for a tag, and brackets after a backslash, which it changes too.
_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[]*?\])|(\\+)(?=\[)")
_BREAKS = re.compile("\r\n|[\u2028\u2029\x85]")


def clean(text: str) -> str:
    """`text` without terminal control sequences, control characters and direction marks.

    Tabs and line feeds stay; CR LF and Unicode's line separators become line feeds. Cleaning twice changes
    nothing.
    """
    if text.isprintable() and text.isascii():
        return text
    text = _BREAKS.sub("\n", text)
    if "\x1b" in text or any("\x90" <= char <= "\x9f" for char in text):
        text = _SEQUENCE.sub("", text)
    return _CONTROL.sub("", text)


def clean_line(text: str) -> str:
    """`clean` for one row of a table: line feeds and tabs become spaces."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def escape_markup(text: str) -> str:
    """`clean`, and nothing in it is taken for Rich markup once it stands inside a longer markup text.

    Where there is no markup around it, `rich.text.Text(clean(text))` is the better way.
    """
    text = _TAG.sub(_escaped, clean(text))
    # A backslash at the end would escape the bracket of the tag that follows.
    return text + "\\" if text.endswith("\\") and not text.endswith("\\\\") else text


def _escaped(found: re.Match[str]) -> str:
    if found[2]:  # a tag, with the backslashes before it
        return found[1] * 2 + "\\" + found[2]
    return found[3] + "\\"  # Rich takes one backslash away before any bracket
