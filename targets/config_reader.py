"""Judges the tables of config.toml and says what is wrong: file, line, key, what was expected, the fix."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from targets.config_schema import (
    CONTEXT_RULES,
    MATCH_RULES,
    NODE_RULES,
    SECRET_KEYS,
    TOP_KEYS,
    Rule,
    in_words,
    nearest,
    patterns,
    template_fields,
)
from targets.errors import TargetError


class ConfigError(TargetError):
    """config.toml cannot be used. `file`, `key` (dotted, "" for the whole file) and `line` say where; "
    "`hint` mends it."""

    kind = "config"
    stage = "config"
    code = "config"

    def __init__(self, file: Path, key: str, what: str, fix: str, line: int | None = None) -> None:
        where = f"{file}, line {line}: " if line else f"{file}: "
        super().__init__(where + what, fix)
        self.file, self.key, self.line = file, key, line


@dataclass(frozen=True)
class ContextLook:
    """How the console shows a context, and whether it may change anything there."""

    colour: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class NodeEntry:
    """One [[nodes]] entry with the defaults filled in: its patterns, and its values by key."""

    match: tuple[str, ...]
    values: Mapping[str, Any]

    def matches(self, node: str) -> bool:
        return any(fnmatch.fnmatchcase(node.lower(), pattern.lower()) for pattern in self.match)

    @property
    def password_command(self) -> tuple[str, ...]:
        return tuple(self.values.get("password_command", ()))


class Reader:
    """For one file: its text, and then its document."""

    def __init__(self, text: str, file: Path) -> None:
        self._lines = text.splitlines()
        self._file = file

    def read(self, document: dict[str, Any]) -> tuple[tuple[NodeEntry, ...], dict[str, ContextLook]]:
        """The [[nodes]] entries in order, and the contexts by name; ConfigError."""
        for key in document:
            if key not in TOP_KEYS:
                hint = nearest(key, TOP_KEYS)
                if not hint and (key in MATCH_RULES or key.lower() in SECRET_KEYS):
                    hint = "It belongs under [[nodes]] or [defaults]."
                if key.lower() in SECRET_KEYS:
                    raise self._secret(key, "", 0)
                fix = hint or f"There are {', '.join(TOP_KEYS)}."
                raise self._wrong(key, f"“{key}” is not known here.", fix, "", 0, key)
        defaults = self._table(document.get("defaults", {}), "defaults", NODE_RULES, "[defaults]", 0)
        nodes = document.get("nodes", [])
        if not isinstance(nodes, list) or not all(isinstance(one, dict) for one in nodes):
            raise self._wrong(
                "nodes",
                "“nodes” must be a list of tables.",
                "Write [[nodes]], with two brackets.",
                "",
                0,
                "nodes",
            )
        entries = []
        for index, raw in enumerate(nodes):
            label = f"nodes[{index}]"
            own = self._table(raw, label, MATCH_RULES, "[[nodes]]", index)
            if "match" not in own:
                raise self._wrong(
                    f"{label}.match",
                    "This entry has no “match”.",
                    'Add match = "*" for every node.',
                    "[[nodes]]",
                    index,
                )
            entry = NodeEntry(tuple(patterns(own["match"])), {**defaults, **own})
            self._together(entry, label, index)
            entries.append(entry)
        return tuple(entries), self._contexts(document.get("contexts", {}))

    def _contexts(self, raw: object) -> dict[str, ContextLook]:
        if not isinstance(raw, dict):
            raise self._wrong(
                "contexts", "“contexts” must be a table.", 'Write [contexts."NAME"].', "", 0, "contexts"
            )
        looks = {}
        for name, table in raw.items():
            header = f'[contexts."{name}"]'
            if not isinstance(table, dict):
                what = f"“{name}” must be a table."
                raise self._wrong(f"contexts.{name}", what, f"Write {header}.", "[contexts]", 0, name)
            values = self._table(table, f"contexts.{name}", CONTEXT_RULES, header, 0)
            looks[name] = ContextLook(values.get("colour", ""), values.get("read_only", False))
        return looks

    def _table(
        self, raw: object, label: str, rules: dict[str, Rule], header: str, index: int
    ) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self._wrong(
                label, f"“{label}” must be a table.", f"Write {header} on a line of its own.", "", 0, label
            )
        for key, value in raw.items():
            where = f"{label}.{key}"
            rule = rules.get(key)
            if rule is None:
                if key.lower().replace("-", "_") in SECRET_KEYS:
                    raise self._secret(key, header, index)
                fix = nearest(key, rules) or f"There are {', '.join(sorted(rules))}."
                raise self._wrong(where, f"“{key}” is not a key of {header}.", fix, header, index, key)
            if not rule.right_type(value):
                what = f"“{key}” must be {rule.wanted}, not {in_words(value)}."
                fix = f"Write for example {key} = {rule.example}"
                raise self._wrong(where, what, fix, header, index, key)
            if (wrong := rule.wrong(value)) is not None:
                raise self._wrong(where, f"“{key}” {wrong[0]}.", wrong[1], header, index, key)
        return cast(dict[str, Any], raw)

    def _together(self, entry: NodeEntry, label: str, index: int) -> None:
        """What two keys of an entry must agree on."""
        values = entry.values
        scheme = values.get("transport", "ntlm")

        def wrong(key: str, what: str, fix: str) -> ConfigError:
            return self._wrong(f"{label}.{key}", what, fix, "[[nodes]]", index, key)

        if scheme == "certificate":
            if values.get("https") is False:
                raise wrong("https", "A client certificate needs HTTPS.", "Remove https = false.")
            if not (values.get("certificate_file") and values.get("key_file")):
                raise wrong(
                    "transport", "“certificate” needs certificate_file and key_file.", "Add both (PEM files)."
                )
        elif scheme != "kerberos" and not values.get("user"):
            raise wrong("transport", f"“{scheme}” needs a user.", "Add user = 'DOMAIN\\USER' (or '.\\USER').")
        if scheme == "kerberos":
            asked = values.get("kerberos_host") or values.get("host", "{hostname}")
            if {"internal_ip", "external_ip"} & set(template_fields(asked)):
                raise wrong(
                    "host",
                    "Kerberos needs the node's name in the domain, not an address.",
                    'Write host = "{name}.corp.example", or set kerberos_host to that.',
                )
        if values.get("ca_file") and values.get("fingerprint"):
            raise wrong("ca_file", "“ca_file” and “fingerprint” exclude each other.", "Keep one of them.")

    def _secret(self, key: str, header: str, index: int) -> ConfigError:
        return self._wrong(
            key,
            f"“{key}”: no password may stand in this file, which is read, copied and backed up as other "
            "files are.",
            "Remove it (and change the password if others could read it); then use `keyring set kwinnow "
            "USER`, password_command, or the variable KWINNOW_PASSWORD.",
            header,
            index,
            key,
        )

    def _wrong(self, key: str, what: str, fix: str, header: str, index: int, bare: str = "") -> ConfigError:
        return ConfigError(self._file, key, what, fix, self._line(header, index, bare))

    def _line(self, header: str, index: int, bare: str) -> int | None:
        """The line of `bare` below the `index`th `header`; tomllib does not tell, so it is looked for."""

        def plain(line: str) -> str:
            return re.sub(r"[\s\"']", "", line.split("#")[0])

        bare = plain(bare)
        start = 0
        if header:
            wanted = plain(header)
            heads = [number for number, line in enumerate(self._lines) if plain(line) == wanted]
            if index >= len(heads):
                return None
            start = heads[index]
        for number in range(start, len(self._lines)):
            line = plain(self._lines[number])
            if number > start and header and line.startswith("["):
                break
            if bare and re.match(
                rf"(\[*{re.escape(bare)}\]|{re.escape(bare)}=|\[+{re.escape(bare)}\b)", line
            ):
                return number + 1
        return start + 1 if header else None
