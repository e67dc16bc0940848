"""The files that a client of a practice cluster needs: kubeconfig and kwinnow's configuration."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

WINDOWS_USER = "Administrator"
CONTEXT = "practice"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    new.replace(path)


def kubeconfig_text(server: str, ca: str, token: str) -> str:
    """A kubeconfig with one context, `practice`."""
    authority = base64.b64encode(ca.encode()).decode()
    return (
        "apiVersion: v1\nkind: Config\nclusters:\n"
        f"- name: {CONTEXT}\n  cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n"
        f"contexts:\n- name: {CONTEXT}\n  context:\n    cluster: {CONTEXT}\n    user: {CONTEXT}\n"
        f"current-context: {CONTEXT}\npreferences: {{}}\n"
        f"users:\n- name: {CONTEXT}\n  user:\n    token: {token}\n"
    )


def kwinnow_config(
    ports: dict[str, int], ca_file: Path, more: Mapping[str, Mapping[str, object]] | None = None
) -> str:
    """config.toml: each node of the practice cluster has a port of its own on the loopback. `more`: keys by node."""
    parts = [
        "# Written by the practice cluster; it goes when the cluster stops.\n",
        f'[defaults]\nuser = "{WINDOWS_USER}"\ntransport = "ntlm"\n'
        f"https = true\nca_file = {json.dumps(str(ca_file))}\n",
    ]
    for name, port in ports.items():
        own = {"match": name, "host": "127.0.0.1", "port": port, **(more or {}).get(name, {})}
        lines = [f"{key} = {json.dumps(value)}" for key, value in own.items()]
        parts.append("\n".join(["[[nodes]]", *lines, ""]))
    parts.append(f'[contexts.{CONTEXT}]\ncolour = "green"\nread_only = false\n')
    return "\n".join(parts)
