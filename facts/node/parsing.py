"""What the node sends as text becomes data here: documents, command lines, certificate subjects, log lines."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import yaml

Document = dict[str, Any]


def json_document(text: str) -> tuple[Document, str]:
    """A JSON object and ""; or nothing and why it cannot be read."""
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return {}, str(error)
    return (value, "") if isinstance(value, dict) else ({}, "not a JSON object")


def yaml_document(text: str) -> tuple[Document, str]:
    """A YAML mapping and ""; or nothing and why it cannot be read. An empty text is an empty mapping.

    JSON is YAML, but for the tabs that some indent it with.
    """
    if text.lstrip().startswith("{"):
        document, error = json_document(text)
        if not error:
            return document, ""
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return {}, " ".join(str(error).split())
    except ValueError as error:  # a date that does not exist
        return {}, str(error)
    if value is None:
        return {}, ""
    return (value, "") if isinstance(value, dict) else ({}, "not a YAML mapping")


def toml_document(text: str) -> tuple[Document, str]:
    """A TOML document and ""; or nothing and why it cannot be read."""
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return {}, str(error)


def mapping(value: Any) -> Document:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def merged(base: Document, more: Document) -> Document:
    """`more` over `base`: mappings key by key, null takes a key away, everything else is replaced (RFC 7396)."""
    result = dict(base)
    for key, value in more.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(mapping(result.get(key)), value)
        else:
            result[key] = value
    return result


def listing(value: Any) -> list[Any]:
    """`value` as a list: what 5.1 or an author has unrolled is one element, nothing is none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def texts(value: Any) -> tuple[str, ...]:
    """The strings of `value`; a comma separates several in one string, as HNS writes lists."""
    return tuple(
        part.strip()
        for item in listing(value)
        if isinstance(item, str)
        for part in item.split(",")
        if part.strip()
    )


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """An integer that may be written as text; 0 for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.strip().isdigit() else 0


_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*'|["'])+""")


def command_words(line: str) -> list[str]:
    """The words of a Windows command line; quotes group and vanish, backslashes are ordinary."""
    return [re.sub(r"""["']""", "", word) for word in _WORD.findall(line)]


def _without_log_runner(words: list[str]) -> list[str]:
    """The program and its words, where kube-log-runner starts it with flags of its own, as GCE and OpenShift do.

    https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/component-base/logs/kube-log-runner/README.md
    """
    if not words or re.search(r"(^|[\\/])kube-log-runner(\.exe)?$", words[0], re.I) is None:
        return words
    place = 1
    while place < len(words) and words[place].startswith("-"):
        # Its switches are followed by no value, its other flags by one, unless that is written with "=".
        name = words[place].lstrip("-")
        alone = "=" in name or name in ("", "also-stdout", "redirect-stderr")
        place += 1 if alone else 2
    return words[place:]


def flags_of(line: str) -> dict[str, str]:
    """Flags without their dashes: `--a=b`, `--a b`, and a bare `--a`, which is "true". The last one wins."""
    words = _without_log_runner(command_words(line))
    flags: dict[str, str] = {}
    for place, word in enumerate(words):
        match = re.match(r"--?([A-Za-z][\w.-]*)(?:=(.*))?$", word, re.S)
        if match is None:
            continue
        name, value = match.groups()
        if value is None:
            following = words[place + 1] if place + 1 < len(words) else "-"
            value = "true" if following.startswith("-") else following
        flags[name] = value
    return flags


_SCRIPT_FLAG = re.compile(r"""--[A-Za-z][\w-]*=(?:"[^"]*"|'[^']*'|[^\s"',)]*)""")


def script_arguments(text: str) -> str:
    """The `--flag=value` words in a start script's text, in their order: its command line as far as it is literal."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    code = re.sub('`"([^`"]*)`"', r"'\1'", code)  # quotes within PowerShell's double quotes
    return " ".join(_SCRIPT_FLAG.findall(code))


def environment_argument(text: str, name: str) -> str:
    """The value of NAME="…" in an environment file."""
    match = re.search(rf'^\s*{re.escape(name)}\s*=\s*(?:"(.*)"|(.*?))\s*$', text, re.M)
    return (match.group(1) or match.group(2) or "") if match else ""


def environment_lines(text: str) -> dict[str, str]:
    """NAME=VALUE lines."""
    pairs = (
        line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#")
    )
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def subject_values(subject: str, attribute: str) -> tuple[str, ...]:
    """All values of an attribute in a distinguished name as .NET writes it: `CN=a, O="b, c" + O=d`."""
    found = re.findall(r'(?:^|[,+]\s*)([A-Za-z0-9.]+)=("(?:[^"]|"")*"|[^,+]*)', subject)
    return tuple(
        value[1:-1].replace('""', '"') if value.startswith('"') else value.strip()
        for name, value in found
        if name.upper() == attribute
    )


_CRI = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) ([PF]) (.*)$")


def _docker_line(line: str) -> str:
    """What a line of Docker's json-file log says; any other line as it is."""
    if not line.startswith('{"log":'):
        return line
    document, _ = json_document(line)
    return text(document.get("log")).rstrip("\r\n") or line


def container_log(said: str) -> str:
    """A container's log file without the runtime's prefix, with lines joined that it has split (P before F)."""
    lines: list[str] = []
    part = ""
    for line in said.splitlines():
        match = _CRI.match(line)
        if match is None:
            lines.append(_docker_line(line))
            continue
        part += match.group(2)
        if match.group(1) == "F":
            lines.append(part)
            part = ""
    if part:
        lines.append(part)
    return "\n".join(lines)


def port_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """(first, last) pairs of `netsh int ipv4 show excludedportrange`: digits only, its words are localised."""
    return tuple((int(a), int(b)) for a, b in re.findall(r"^\s*(\d+)\s+(\d+)", text, re.M))


_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size_of(text: str) -> int:
    """Bytes of "256MB" as Docker writes sizes (powers of 1,000)."""
    match = re.match(r"\s*([\d.]+)\s*([kKMGT]?B)\s*$", text)
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()]) if match else 0
