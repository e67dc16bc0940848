"""What may stand in config.toml, and what is wrong with a value: each key once, with its type and its
rule.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from targets import colours
from targets.socks import PROXY_SCHEMES

TRANSPORTS = ("ntlm", "kerberos", "certificate", "basic")
PLACEHOLDERS = ("name", "hostname", "internal_ip", "external_ip", "internal_dns")
SECRET_KEYS = {"password", "passwd", "pass", "pwd", "secret", "token"}
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Rule:
    """A key: its type in words, as a test and by an example in TOML, and what else must hold.

    `wrong` gives None, or (what is wrong, fix).
    """

    wanted: str
    right_type: Callable[[object], bool]
    example: str
    wrong: Callable[[object], tuple[str, str] | None] = lambda _: None


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _one_or_more(value: object) -> bool:
    return isinstance(value, str) or _texts(value)


def patterns(value: object) -> list[str]:
    return (
        [value] if isinstance(value, str) else [str(one) for one in value] if isinstance(value, list) else []
    )


def _bad_pattern(value: object) -> tuple[str, str] | None:
    found = patterns(value)
    if not found:
        return "holds no pattern", 'Write for example match = "win-*".'
    for one in found:
        if not one.strip():
            return "holds an empty pattern", 'Write "*" for every node.'
        rest = re.sub(r"\[!?\]?[^\]]*\]", "", one)
        if "[" in rest or "]" in rest:
            return (
                f"holds the pattern “{one}” with a bracket that is not closed",
                "Use * ? [abc] as a shell does.",
            )
        ranges = [r for group in re.findall(r"\[!?([^\]]*)\]", one) for r in re.findall(r".-.", group)]
        for empty in (r for r in ranges if r[0] > r[2]):
            return f"holds the pattern “{one}” with the empty range “{empty}”", "Write the lesser one first."
        if re.search(r"[\s/\\^$+(){}|]", rest):
            return (
                f"holds the pattern “{one}”, which no node name can match",
                "Patterns are those of a shell (* ? [abc]), not regular expressions.",
            )
    return None


def template_fields(template: str) -> list[str]:
    """The names in braces; ValueError if the braces do not pair or hold more than a name."""
    fields: list[str] = []
    for _, name, spec, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise ValueError(template)
        fields.append(name)
    return fields


def _bad_template(value: object) -> tuple[str, str] | None:
    try:
        fields = template_fields(str(value))
    except ValueError:
        return (
            f"is the template “{value}”, whose braces are wrong",
            'Write for example "{name}.corp.example".',
        )
    for name in fields:
        if name not in PLACEHOLDERS:
            known = [f"{{{one}}}" for one in PLACEHOLDERS]
            near = nearest(f"{{{name}}}", known)
            return f"asks for {{{name}}}, which there is not", near or f"There are {', '.join(known)}."
    return ("is empty", 'Write for example "{internal_ip}".') if not str(value).strip() else None


def _bad_port(value: object) -> tuple[str, str] | None:
    right = isinstance(value, int) and 1 <= value <= 65535
    return None if right else ("is no port", "Ports are 1 to 65535; WinRM uses 5985 (HTTP) and 5986 (HTTPS).")


def _bad_transport(value: object) -> tuple[str, str] | None:
    if value in TRANSPORTS:
        return None
    near = nearest(str(value), TRANSPORTS)
    return f"is “{value}”, which there is not", near or f"There are {', '.join(TRANSPORTS)}."


def plain_fingerprint(text: str) -> str:
    """A SHA-256 as people write it (colons, spaces, a `sha256:` before it) in 64 lower-case digits."""
    return re.sub(r"[\s:]", "", text.lower().strip().removeprefix("sha256").lstrip(":= "))


def _bad_fingerprint(value: object) -> tuple[str, str] | None:
    plain = plain_fingerprint(str(value))
    if _HEX.fullmatch(plain):
        return None
    if re.fullmatch(r"[0-9a-f]{40}", plain):
        return "is a SHA-1 thumbprint", "Give the certificate's SHA-256 (64 hexadecimal digits)."
    return "is no SHA-256 fingerprint", "Give 64 hexadecimal digits, with or without colons."


def _bad_proxy(value: object) -> tuple[str, str] | None:
    parts = urlsplit(str(value))
    if parts.password is not None or parts.username is not None:
        return (
            "holds a user or password",
            "This file must hold no secret: use a proxy without a login (`ssh -D`).",
        )
    try:
        usable = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    return None if usable else ("is no proxy", 'Write "http://HOST:PORT" or "socks5://HOST:PORT".')


def _bad_seconds(value: object) -> tuple[str, str] | None:
    right = isinstance(value, int | float) and 0 < value <= 3600
    return None if right else ("is no time", "Give seconds, more than 0 and at most 3600.")


def _bad_command(value: object) -> tuple[str, str] | None:
    words = patterns(value)
    return (
        None if words and words[0] else ("holds no program", 'Write for example ["pass", "show", "{user}"].')
    )


def _bad_colour(value: object) -> tuple[str, str] | None:
    text = str(value).lower()
    if text in colours.NAMES or re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", text):
        return None
    near = nearest(re.sub(r"[\s_-]", "", text), sorted(colours.NAMES))
    fix = f'{near} Names are those of CSS ("red", "darkorange"), or write "#rrggbb".'.lstrip()
    return f"is “{value}”, which is no colour", fix


_PATH = Rule("text (a path)", _text, '"~/corp/file.pem"')
_SECONDS = Rule("a number (seconds)", _number, "10", _bad_seconds)

NODE_RULES: dict[str, Rule] = {
    "host": Rule("text", _text, '"{name}.corp.example"', _bad_template),
    "port": Rule("a whole number", _whole, "5986", _bad_port),
    "transport": Rule("text", _text, '"kerberos"', _bad_transport),
    "https": Rule("true or false", _flag, "true"),
    "user": Rule("text", _text, "'CORP\\svc-kwinnow'"),
    "ca_file": _PATH,
    "fingerprint": Rule("text", _text, '"AB:CD:…"', _bad_fingerprint),
    "proxy": Rule("text (a URL)", _text, '"socks5://127.0.0.1:1080"', _bad_proxy),
    "kerberos_service": Rule("text", _text, '"HTTP"'),
    "kerberos_host": Rule("text", _text, '"{name}.corp.example"', _bad_template),
    "certificate_file": _PATH,
    "key_file": _PATH,
    "password_command": Rule(
        "a list of texts (program and arguments)", _texts, '["pass", "show", "windows/{user}"]', _bad_command
    ),
    "connect_timeout": _SECONDS,
    "deadline": _SECONDS,
}
MATCH_RULES: dict[str, Rule] = {
    "match": Rule("a pattern or a list of patterns", _one_or_more, '["win-*", "lab?"]', _bad_pattern),
    **NODE_RULES,
}
CONTEXT_RULES: dict[str, Rule] = {
    "colour": Rule("text (a colour's name or #rrggbb)", _text, '"red"', _bad_colour),
    "read_only": Rule("true or false", _flag, "true"),
}
TOP_KEYS = ("defaults", "nodes", "contexts")
_ALSO: dict[str, str] = {"color": "colour", "readonly": "read_only", "username": "user", "hostname": "host"}


def nearest(word: str, known: Iterable[str]) -> str:
    """“Did you mean …?”, or ""."""
    choices = list(known)
    also = _ALSO.get(word.lower())
    if also in choices:
        return f"Did you mean “{also}”?"
    found = difflib.get_close_matches(word.lower().replace("-", "_"), choices, n=1, cutoff=0.6)
    return f"Did you mean “{found[0]}”?" if found else ""


def in_words(value: object) -> str:
    """The type of a TOML value, for people."""
    if isinstance(value, list):
        other = next((in_words(one) for one in value if not isinstance(one, str)), "")
        return f"a list that holds {other}" if other else "a list"
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
