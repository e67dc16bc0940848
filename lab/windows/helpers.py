"""What a script's answer depends on beside the script: the collector's own work, and the helpers that the script uses.

The collector's text is functions, some of which are helpers for scripts, and what it does itself. A helper that
changes changes the answers of those scripts alone that use it, directly or through another.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NAMES = re.compile(r"\w+-\w+")


@lru_cache(maxsize=512)
def used(script: str, collector: str) -> str:
    """Everything of the collector's text that an answer to the script goes through."""
    own, functions = _parts(collector)
    found: set[str] = set()
    look = [own, script]
    while look:
        names = {name.lower() for name in _NAMES.findall(look.pop())} & functions.keys()
        look += [functions[name] for name in names - found]
        found |= names
    return "\n".join([own, *(functions[name] for name in sorted(found))])


@lru_cache(maxsize=8)
def _parts(collector: str) -> tuple[str, dict[str, str]]:
    """What stands outside of functions, and the functions by name in small letters.

    A function begins at the margin and has everything that is indented below it, and a brace at the margin.
    """
    own: list[str] = []
    functions: dict[str, str] = {}
    lines = collector.splitlines()
    at = 0
    while at < len(lines):
        begun = re.match(r"function ([\w-]+)", lines[at])
        end = at + 1
        if begun is None:
            own.append(lines[at])
        else:
            while end < len(lines) and (not lines[end] or lines[end][0].isspace()):
                end += 1
            if end < len(lines) and lines[end] == "}":
                end += 1
            functions[begun[1].lower()] = "\n".join(lines[at:end])
        at = end
    return "\n".join(own), functions
