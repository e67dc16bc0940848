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
    mac_prefix: str = ""
    error: str = ""


def net_conf(text: str) -> NetConf:
    """flannel's net-conf.json as data; `error` says why it cannot be read."""
    try:
        document: Any = msgspec.json.decode(text.lstrip("\ufeff"))
    except msgspec.DecodeError as error:
        return NetConf(error=str(error))
    if not isinstance(document, dict):
        return NetConf(error="not a JSON object")
    backend = document.get("Backend")
    backend = backend if isinstance(backend, dict) else {}

    def number(key: str) -> int | None:
        value = backend.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return NetConf(
        network=str(document.get("Network", "")),
        backend=str(backend.get("Type", "")),
        vni=number("VNI"),
        port=number("Port"),
        name=str(backend.get("Name", "")),
        direct_routing=backend.get("DirectRouting") is True,
        gbp=backend.get("GBP") is True,
        mac_prefix=str(backend.get("MacPrefix", "")),
    )
