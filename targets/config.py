"""config.toml: which Windows node is reached how, and how contexts look. It holds no secret.

    [defaults]                      # for every [[nodes]] entry
    [[nodes]]  match = "win-*"      # the first entry whose pattern matches a node's name is used
    [contexts."prod"]  colour = "red"  read_only = true

docs/configuration.md describes each key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from targets.config_reader import ConfigError, ContextLook, NodeEntry, Reader
from targets.config_schema import plain_fingerprint, template_fields
from targets.deadline import NODE_SECONDS
from targets.errors import Unreachable
from targets.target import NodeRef
from targets.winrm import WinRMSettings
from targets.winrm_errors import Peer, Scheme, staged

__all__ = ["Config", "ConfigError", "ContextLook", "NodeEntry", "config_path", "load", "parse"]

_SOURCES = {
    "internal_ip": "InternalIP",
    "external_ip": "ExternalIP",
    "hostname": "Hostname",
    "internal_dns": "InternalDNS",
}


@dataclass(frozen=True)
class Config:
    """A configuration that was read and found right."""

    file: Path
    entries: tuple[NodeEntry, ...] = ()
    contexts: Mapping[str, ContextLook] = field(default_factory=dict)

    def entry(self, node: str) -> NodeEntry | None:
        """The first entry that matches."""
        return next((entry for entry in self.entries if entry.matches(node)), None)

    @property
    def node_seconds(self) -> float:
        """The longest time that any entry gives a node; at least the usual one."""
        return max(NODE_SECONDS, *(float(entry.values.get("deadline", 0)) for entry in self.entries), 0)

    def context(self, name: str) -> ContextLook:
        return self.contexts.get(name, ContextLook())

    def settings(self, node: NodeRef) -> tuple[WinRMSettings, NodeEntry]:
        """How `node` is reached. Unreachable where no entry matches, or an address is missing."""
        entry = self.entry(node.name)
        if entry is None:
            raise staged(
                Unreachable(
                    f"No way into {node.name} is configured: no [[nodes]] entry of {self.file} matches it.",
                    f"Add to {self.file} an entry: "
                    f'[[nodes]], match = "{node.name}", host = "{{internal_ip}}", user = "USER".',
                ),
                "config",
                "no-way",
            )
        return _settings(node, entry), entry


def config_path(given: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """--config, else KWINNOW_CONFIG, else the user's configuration folder."""
    chosen = given or environ.get("KWINNOW_CONFIG", "")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_config_path("kwinnow") / "config.toml"


def load(given: str = "", environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration; ConfigError. Without a file at the default place there are no entries."""
    file = config_path(given, environ)
    named = bool(given or environ.get("KWINNOW_CONFIG"))
    try:
        text = file.read_text(encoding="utf-8-sig")  # Notepad writes a BOM
    except FileNotFoundError:
        if not named:
            return Config(file)
        raise ConfigError(
            file, "", "The file does not exist.", "Correct --config or KWINNOW_CONFIG."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(file, "", "The file is not UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        if isinstance(error, IsADirectoryError | PermissionError) and file.is_dir():  # the latter on Windows
            fix = f"Name the file in it: {file / 'config.toml'}."
            raise ConfigError(file, "", "This is a folder.", fix) from None
        raise ConfigError(
            file, "", f"The file cannot be read: {error.strerror}.", "Correct its rights."
        ) from None
    return parse(text, file)


def parse(text: str, file: Path) -> Config:
    """Judge the text of a configuration; ConfigError names the first thing that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        what = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise ConfigError(
            file,
            "",
            f"This is not TOML: {what}.",
            _toml_hint(what),
            int(place[1]) if place else max(1, len(text.splitlines())),  # “at end of document”
        ) from None
    entries, contexts = Reader(text, file).read(document)
    return Config(file, entries, contexts)


def _toml_hint(what: str) -> str:
    """What mends a file that tomllib does not take, by its own words."""
    if "overwrite" in what or "declare" in what:
        return "A key stands once in its table, and a table once; only [[nodes]] may stand again."
    if "]" in what:
        return "A table's name stands in brackets: [defaults], [[nodes]]."
    return "Text stands in quotes; 'single' ones keep backslashes, as in 'CORP\\user'."


def _settings(node: NodeRef, entry: NodeEntry) -> WinRMSettings:
    values = entry.values
    scheme = cast(Scheme, values.get("transport", "ntlm"))
    https = values.get("https", scheme in ("certificate", "basic"))
    template = values.get("host", "{hostname}" if scheme == "kerberos" else "{internal_ip}")
    host = _filled(template, node, "host")
    kerberos_host = (
        _filled(values["kerberos_host"], node, "kerberos_host") if "kerberos_host" in values else ""
    )
    certificate = (values["certificate_file"], values["key_file"]) if scheme == "certificate" else None
    peer = Peer(
        node=node.name,
        host=host,
        port=values.get("port", 5986 if https else 5985),
        https=https,
        scheme=scheme,
        user=values.get("user", ""),
        proxy=values.get("proxy", ""),
        literal="{" not in template,
    )
    return WinRMSettings(
        peer,
        ca_file=values.get("ca_file", ""),
        fingerprint=plain_fingerprint(values.get("fingerprint", "")),
        certificate=certificate,
        proxy=values.get("proxy", ""),
        kerberos_service=values.get("kerberos_service", "HTTP"),
        kerberos_host=kerberos_host,
        connect_timeout=float(values.get("connect_timeout", 5.0)),
        deadline=float(values.get("deadline", NODE_SECONDS)),
    )


def _filled(template: str, node: NodeRef, key: str) -> str:
    parts = {"name": node.name, **{name: node.address(kind) for name, kind in _SOURCES.items()}}
    for name in template_fields(template):
        if not parts[name]:
            raise staged(
                Unreachable(
                    f"The way into {node.name} asks for {{{name}}}, and the Node object has no "
                    f"{_SOURCES[name]}.",
                    f'Set `{key}` of its [[nodes]] entry otherwise, for example to "{{name}}"; see '
                    f"`kubectl get node {node.name} -o wide`.",
                ),
                "resolve",
                "name",
            )
    return template.format(**parts).strip("[]")
