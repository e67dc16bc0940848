"""Windows nodes to test with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testpki import Authority
from winkit import PASSWORD, USER, NodeFactory, a_machine

from lab.windows import Credentials, Tls, WindowsNode
from lab.world.machine import Machine


@pytest.fixture
def machine() -> Machine:
    return a_machine()


@pytest.fixture
def start(machine: Machine) -> Iterator[NodeFactory]:
    """Starts nodes and stops them after the test."""
    nodes: list[WindowsNode] = []

    def begin(state: Machine | None = None, **more: Any) -> WindowsNode:
        subject = more.pop("certificate_subject", "")
        node = WindowsNode(state or machine, Credentials(USER, PASSWORD, subject), **more)
        nodes.append(node)
        return node.start()

    yield begin
    for node in nodes:
        node.stop()


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An authority (`ca`), a server's and a client's certificate and key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create(folder)
    paths = {"ca": folder / "ca.crt"}
    for name, server in (("server", True), ("client", False)):
        pair = authority.issue("winrm-user" if not server else "win-1", hosts=["127.0.0.1"], server=server)
        for kind, pem in zip(("crt", "key"), pair, strict=True):
            paths[f"{name}_{kind}"] = folder / f"{name}.{kind}"
            paths[f"{name}_{kind}"].write_bytes(pem)
    return paths


@pytest.fixture(scope="session")
def tls(tls_files: dict[str, Path]) -> Tls:
    return Tls(str(tls_files["server_crt"]), str(tls_files["server_key"]), str(tls_files["ca"]))
