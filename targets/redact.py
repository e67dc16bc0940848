"""Takes secrets out of what leaves the process: logs, bundles, reports, audit lines, copied evidence.

What is taken: bearer tokens and JWTs, bootstrap tokens, private keys, the values of keys and variables whose
names speak of a secret, logins in URLs and containerd's registry configuration, the data of Secret objects.
Names of secrets (secretName, secretKeyRef, token IDs) stay: they are evidence. Redacting twice changes
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

REDACTED = "[redacted]"
T = TypeVar("T")

# Words of which every rule below needs one; and the two shapes that come without a word.
_WORDS = ("pass", "pwd", "token", "secret", "key", "auth", "bearer", "credential", "cookie", "eyj")
_SHAPES = re.compile(r"://[^\s/@]*@|(?<=[a-z0-9]{6})\.[a-z0-9]{16}")

_PEM = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----(?!\[redacted\])"
    r"(?:(?:(?!-----(?:BEGIN|END) )[\s\S])*?-----END \1PRIVATE KEY-----"
    # ... or cut off: whole lines of base64, and the last one, which may be short
    r"|(?:(?:\\[nr]|\s)*+[A-Za-z0-9+/=]{16,}+)*+(?:(?:\\[nr]|\s)*+[A-Za-z0-9+/=]++(?=[\\\"'\r\n]|\Z))?)"
)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?")
_BEARER = re.compile(r"\b(Bearer|Basic|Negotiate|NTLM|Digest)(\s+)(?=[^\s\"']*[0-9.=+/_])[\w.~+/=-]{8,}")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,60}token)"
    r"(\"?\s*[:=](?!\s*\"?\[redacted\])\s*\"?)[^\r\n\"']+"
)
_BOOTSTRAP = re.compile(r"\b([a-z0-9]{6})\.[a-z0-9]{16}\b")
_USERINFO = re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://)[^\s/?#@\"'\[]+@", re.I)

_NAME = (
    r"[\w.-]*?(?:pass(?:word|wd|phrase|code)?|pwd|token|secret|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"client-key-data|key-data|sas[_-]?key|account[_-]?key|credentials?|\.dockerconfigjson|\.dockercfg|auth|"
    r"token-data|encryption[_-]?key)"
)
_VALUE = r"\"(?:[^\"\\\r\n]|\\.)*\"|'[^'\r\n]*'|[^\s\"',;}\]\[#&<>][^\s\"',;}\]&<>]*"
# key: value, key = value, "key": "value", KEY=value; the value may be JSON inside a string
# (\"key\":\"value\").
_PAIR = re.compile(
    rf"(?i)(?<![\w.-])(?!publickeytoken)(\\?[\"']?)({_NAME})(\\?[\"']?\s*[:=]\s*)(\\\"(?:[^\"\\]|\\\\.)*\\\"|{_VALUE})"
)
# Looked ahead and then taken whole (++), so that hostile input costs linear time.
_ENV = re.compile(r"(?<![\w.-])(?=[A-Z0-9_]*?(?:PASS|TOKEN|SECRET|KEY))([A-Z0-9_]++\s*=\s*)(" + _VALUE + ")")
_ENV_LIST = re.compile(
    r"(?i)(\bname\\?[\"']?\s*:\s*\\?[\"']?(?=[\w.-]*?(?:pass|token|secret|key))[\w.-]++\\?[\"']?\s*,?\s*"
    r"\\?[\"']?value\\?[\"']?\s*:\s*)(\\\"(?:[^\"\\]|\\\\.)*\\\"|" + _VALUE + ")"
)
_FLAG = re.compile(
    r"(?i)(?<!\S)(--?[\w-]*(?:token|password|passwd|secret|pass|api-key)\s+)(?!-)(" + _VALUE + ")"
)

_SECRET_KIND = re.compile(r"[\"']?kind[\"']?\s*:\s*[\"']?Secret\b[\"']?(?!\w)")
_YAML_DATA = re.compile(r"^([ \t-]*)((?:string)?data):[ \t]*\r?\n((?:\1[ \t]+[^\n]*(?:\n|\Z))+)", re.M | re.I)
_JSON_DATA = re.compile(r"(\\?\"(?:stringData|data)\\?\"\s*:\s*\{)([^{}]*)(\})")
_JSON_VALUE = re.compile(r"(:\s*)(\\?\")(?:[^\"\\]|\\[^\"])*(\\?\")")

_SECRET_NAME = re.compile(rf"(?i)\A{_NAME}\Z")
_SECRET_VARIABLE = re.compile(r"(?i)pass|token|secret|key")
# Words that these names may hold without a secret behind them.
_PLAIN_VALUES = {"true", "false", "null", "none", "~", "", "[redacted]", "|", "|-", ">", "{", "["}


def redact_text(text: str) -> str:
    """`text` with every secret replaced by “[redacted]”."""
    low = text.lower()
    if not any(word in low for word in _WORDS) and not _SHAPES.search(text):
        return text
    text = _PEM.sub(lambda found: f"-----BEGIN {found[1]}PRIVATE KEY-----{REDACTED}", text)
    if _SECRET_KIND.search(text.replace("\\", "")):
        text = _YAML_DATA.sub(_yaml_data, text)
        text = _JSON_DATA.sub(_json_data, text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", text)
    text = _JWT.sub(REDACTED, text)
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _PAIR.sub(lambda found: found[1] + found[2] + found[3] + _hidden(found[4]), text)
    text = _ENV.sub(lambda found: found[1] + _hidden(found[2]), text)
    text = _ENV_LIST.sub(lambda found: found[1] + _hidden(found[2]), text)
    text = _FLAG.sub(lambda found: found[1] + _hidden(found[2]), text)
    return _BOOTSTRAP.sub(rf"\1.{REDACTED}", text)


def _hidden(value: str) -> str:
    """`value` hidden, its quotes kept."""
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote) and value.endswith(quote) and len(value) >= 2 * len(quote):
            inner = value[len(quote) : -len(quote)]
            return value if inner.lower() in _PLAIN_VALUES else f"{quote}{REDACTED}{quote}"
    return value if value.lower() in _PLAIN_VALUES else REDACTED


def _yaml_data(found: re.Match[str]) -> str:
    """The keys of a Secret's data; what stands deeper (block texts) goes."""
    kept = []
    depth: int | None = None
    for line in found[3].splitlines():
        indent = len(line) - len(line.lstrip())
        depth = indent if depth is None else depth
        key, colon, _ = line.partition(":")
        if indent <= depth and line.strip():
            kept.append(f"{key}: {REDACTED}\n" if colon else f"{line[:indent]}{REDACTED}\n")
    return f"{found[1]}{found[2]}:\n" + "".join(kept)


def _json_data(found: re.Match[str]) -> str:
    return found[1] + _JSON_VALUE.sub(rf"\1\2{REDACTED}\3", found[2]) + found[3]


def redact_value(value: T) -> T:
    """`value` (JSON-like: tables, lists, texts, bytes; or msgspec Structs) with its secrets replaced.

    What holds no secret comes back as the same object.
    """
    return cast(T, _redacted(value))


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            return value  # nothing here holds secrets in another encoding
        return value if (new := redact_text(text)) == text else new.encode("utf-8")
    if isinstance(value, Mapping):
        return _redacted_table(value)
    if isinstance(value, list | tuple):
        items = [_redacted(item) for item in value]
        if all(new is old or new == old for new, old in zip(items, value, strict=True)):
            return value
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*items)
        return type(value)(items)
    if isinstance(value, msgspec.Struct):
        old = {name: getattr(value, name) for name in value.__struct_fields__}
        new = _redacted_table(old)
        return value if new == old else msgspec.structs.replace(value, **new)
    return value


def _redacted_table(table: Mapping[Any, Any]) -> Any:
    secret_object = table.get("kind") == "Secret"
    variable = isinstance(table.get("name"), str) and bool(_SECRET_VARIABLE.search(table["name"]))
    new: dict[Any, Any] = {}
    for key, value in table.items():
        if secret_object and key in ("data", "stringData", "string_data") and isinstance(value, Mapping):
            new[key] = dict.fromkeys(value, REDACTED)
        elif isinstance(key, str) and value and _names_secret(key) and _texts(value):
            new[key] = _hide(value)
        elif variable and key == "value" and isinstance(value, str) and value:
            new[key] = REDACTED
        else:
            new[key] = _redacted(value)
    return table if new == dict(table) else new


def _texts(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _hide(value: Any) -> Any:
    if isinstance(value, list):
        return [_hide(one) for one in value]
    return value if value.lower() in _PLAIN_VALUES else REDACTED


def _names_secret(key: str) -> bool:
    """Names that end in a secret word, and environment variables that hold one anywhere."""
    if _SECRET_NAME.fullmatch(key):
        return True
    return key.isupper() and bool(re.search(r"PASS|TOKEN|SECRET|KEY", key))
