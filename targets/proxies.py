"""Which proxy stands between us and an API server, by kubectl's rules."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from targets.kubeconfig import Chosen


def proxy_for(chosen: Chosen, environ: Mapping[str, str]) -> str:
    """proxy-url, else what the environment says, by kubectl's rules: never for this very machine."""
    if chosen.cluster.proxy_url:
        return chosen.cluster.proxy_url
    parts = urlsplit(chosen.cluster.server)
    host = parts.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return ""
    lower = {key.lower(): value for key, value in environ.items() if value}
    if _bypassed(host, lower.get("no_proxy", "")):
        return ""
    found = lower.get(f"{parts.scheme}_proxy", "")
    return found if "://" in found or not found else f"http://{found}"


def _bypassed(host: str, no_proxy: str) -> bool:
    """NO_PROXY as kubectl reads it: names with all below them, addresses, networks, "*"."""
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for part in (part.strip().lower() for part in no_proxy.split(",")):
        if part == "*":
            return True
        if address is not None:
            with contextlib.suppress(ValueError):
                if part and address in ipaddress.ip_network(part, strict=False):
                    return True
        elif part and (host.lower() == part.lstrip(".") or host.lower().endswith("." + part.lstrip("."))):
            return True
    return False
