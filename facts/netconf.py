"""flannel's net-conf.json, wherever it was found: in the ConfigMap or in a file on a node."""

from __future__ import annotations

from typing import Any

import msgspec


class NetConf(msgspec.Struct, frozen=True):
    """flannel's net-conf.json. `vni` and `port` are None where the file does not set them."""

    network: str = ""
    backend: str = ""
    vni: int | None = None
    port: int | None = None
    name: str = ""
    direct_routing: bool = False
    gbp: bool = False
    mac_prefix: str | None = None  # an empty one is not left to the default
    error: str = ""


def _as_go_reads(document: dict[str, Any]) -> dict[str, Any]:
    """Keys in lower case: flannel's encoding/json takes them in any, and of two the later one."""
    return {key.lower(): value for key, value in document.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def net_conf(text: str, bom: str = "") -> NetConf:
    """flannel's net-conf.json as data; `error` says why it cannot be read.

    `bom`: the byte order mark that a file began with (utf-8, utf-16) before it became text. flannel takes none.
    """
    if bom or text.startswith("\ufeff"):
        return NetConf(error=f"a byte order mark of {bom or 'utf-8'} comes first")
    try:
        document: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return NetConf(error=str(error))
    if not isinstance(document, dict):
        return NetConf(error="not a JSON object")
    document = _as_go_reads(document)
    backend = document.get("backend")
    backend = _as_go_reads(backend) if isinstance(backend, dict) else {}

    def number(key: str) -> int | None:
        value = backend.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return NetConf(
        network=_text(document.get("network")),
        backend=_text(backend.get("type")),
        vni=number("vni"),
        port=number("port"),
        name=_text(backend.get("name")),
        direct_routing=backend.get("directrouting") is True,
        gbp=backend.get("gbp") is True,
        mac_prefix=prefix if isinstance(prefix := backend.get("macprefix"), str) else None,
    )
