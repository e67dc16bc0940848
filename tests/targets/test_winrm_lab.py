"""Our way in against the lab's nodes, which speak NTLM, Basic and certificates with a server of their own."""

from __future__ import annotations

import base64
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from winrmkit import CANARY, USER, Pki, pki, run, way

from lab.windows.auth import Credentials
from lab.windows.listener import Tls
from lab.windows.node import WindowsNode
from lab.windows.runs import Run, Said
from lab.world.machine import Machine, Os
from targets.errors import CredentialsExpired, MalformedAnswer, PermissionDenied, TargetError, Unreachable
from targets.lockout import Lockout

__all__ = ["pki"]

OUTPUT = "~kw hello 以太网\n".encode() * 3000  # 60 KB


def said(*_: object) -> Run:
    """Whatever is asked, the same is answered: these tests are about the wire."""
    return Said(OUTPUT, b"", 0)


def encoded(text: str) -> str:
    word = base64.b64encode(text.encode("utf-16-le")).decode()
    return f"powershell.exe -NoLogo -NoProfile -NonInteractive -EncodedCommand {word}"


COMMAND = encoded("Get-Date")


@pytest.fixture
def node(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> Iterator[WindowsNode]:
    monkeypatch.setenv("KWINNOW_PWSH", "")
    monkeypatch.setenv("PATH", "/nowhere")  # so that no engine is found
    files = pki.files("lab", pki.certificate, pki.key)
    made = WindowsNode(
        Machine("win-1", "10.0.0.1", Os("Windows Server 2019 Standard", 17763, 5830)),
        Credentials("admin", CANARY, certificate_subject="admin"),
        tls=Tls(*files, client_ca=pki.ca_file),
        replay=said,
    )
    with made:
        yield made


def failing(one: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        run(one, b"in", command=COMMAND)
    assert CANARY not in "".join(traceback.format_exception(caught.value)) + repr(one.log)
    return caught.value


def test_sealed_ntlm_over_http(node: WindowsNode) -> None:
    one = way(node.port, scheme="ntlm", https=False)
    assert run(one, b"#kwinnow 1\n" * 20_000, command=COMMAND) == OUTPUT
    assert one.exit_code == 0
    assert (node.shells.count, node.shells.deleted) == (0, 1)


def test_ntlm_over_https_with_channel_binding(
    node: WindowsNode, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = way(node.tls_port or 0, scheme="ntlm", ca_file=pki.ca_file)
    assert run(one, b"in", command=COMMAND) == OUTPUT
    assert node.shells.count == 0
    # A machine in the middle has another certificate than the one that the node knows as its own.
    monkeypatch.setattr(Tls, "digest", lambda _: b"\0" * 32)
    error = failing(way(node.tls_port or 0, scheme="ntlm", ca_file=pki.ca_file))
    assert (error.stage, error.code) == ("auth", "rejected")


def test_basic_over_https(node: WindowsNode, pki: Pki) -> None:
    peer = way(node.tls_port or 0, ca_file=pki.ca_file, user="admin")
    assert run(peer, b"in", command=COMMAND) == OUTPUT


def test_a_client_certificate(node: WindowsNode, pki: Pki) -> None:
    files = pki.files("admin", *pki.authority.issue("admin"))
    one = way(node.tls_port or 0, scheme="certificate", ca_file=pki.ca_file, certificate=files)
    assert run(one, b"in", command=COMMAND) == OUTPUT
    stranger = pki.files("other", *pki.authority.issue("other"))
    error = failing(way(node.tls_port or 0, scheme="certificate", ca_file=pki.ca_file, certificate=stranger))
    assert (error.stage, error.code) == ("auth", "rejected")
    assert "ClientCertificate" in error.hint


@pytest.mark.parametrize("https", [False, True])
def test_a_wrong_password(node: WindowsNode, pki: Pki, https: bool) -> None:
    port = node.tls_port if https else node.port
    lockout = Lockout()
    setup: dict[str, Any] = {"scheme": "ntlm", "https": https, "ca_file": pki.ca_file, "lockout": lockout}
    one = way(port or 0, password=lambda _: "wrong", **setup)
    error = failing(one)
    assert (type(error), error.stage, error.code) == (CredentialsExpired, "auth", "rejected")
    assert lockout.state(USER) == "rejected"
    before = node.requests
    error = failing(way(port or 0, **setup))
    assert error.code == "held-back" and node.requests == before


@pytest.mark.parametrize(
    ("condition", "kind", "stage", "code"),
    [
        ({"refused": True}, Unreachable, "connect", "refused"),
        ({"filtered": True}, Unreachable, "connect", "filtered"),
        ({"rejected": True}, CredentialsExpired, "auth", "rejected"),
        ({"schemes": ("Kerberos",)}, CredentialsExpired, "auth", "scheme-off"),
        ({"quota": True}, PermissionDenied, "shell", "quota"),
        ({"drop_answer": True}, MalformedAnswer, "answer", "dropped"),
    ],
)
def test_conditions(node: WindowsNode, condition: dict[str, Any], kind: type, stage: str, code: str) -> None:
    node.conditions = node.conditions.but(**condition)
    error = failing(way(node.port, scheme="ntlm", https=False, connect_timeout=0.4))
    assert (type(error), error.stage, error.code) == (kind, stage, code)


def test_many_threads_each_with_its_own_way(node: WindowsNode) -> None:
    lockout = Lockout()
    results: list[object] = []

    def work() -> None:
        one = way(node.port, scheme="ntlm", https=False, lockout=lockout)
        try:
            results.append(run(one, b"in", seconds=60, command=COMMAND) == OUTPUT)
        except TargetError as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 8
    assert (node.shells.count, node.shells.deleted) == (0, 8)
