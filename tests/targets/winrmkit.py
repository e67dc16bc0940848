"""What the tests of the WinRM way share: a certificate, a way to the test peer, and the canary password."""

from __future__ import annotations

import ssl
import traceback
from pathlib import Path
from typing import Any

import pytest
from testpki import Authority
from winrmpeer import Reply

from targets.deadline import Deadline
from targets.errors import TargetError
from targets.target import CommandLog
from targets.winrm import WinRM, WinRMSettings
from targets.winrm_errors import Peer
from targets.winrm_tls import fingerprint_of

CANARY = "C4nary-Pa55w0rd!"
USER = ".\\admin"


class Pki:
    """One CA and a server certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority.create(folder)
        self.ca_file = str(folder / "ca.crt")
        self.certificate, self.key = self.authority.issue(
            "node", hosts=["127.0.0.1", "localhost"], server=True
        )
        self.fingerprint = fingerprint_of(ssl.PEM_cert_to_DER_cert(self.certificate.decode()))

    def files(self, name: str, certificate: bytes, key: bytes) -> tuple[str, str]:
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate)
        paths[1].write_bytes(key)
        return str(paths[0]), str(paths[1])

    def server(self, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files("server", certificate or self.certificate, key or self.key))
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def way(
    port: int, *, host: str = "127.0.0.1", scheme: Any = "basic", https: bool = True, **settings: Any
) -> WinRM:
    """A way to the peer on `port`, with the canary as password."""
    more = {name: settings.pop(name) for name in ("lockout", "password") if name in settings}
    settings.setdefault("connect_timeout", 5.0)
    peer = Peer(
        node="win-1",
        host=host,
        port=port,
        https=https,
        scheme=scheme,
        user=settings.pop("user", USER),
        proxy=settings.get("proxy", ""),
        literal=settings.pop("literal", True),
    )
    more.setdefault("password", lambda _: CANARY)
    return WinRM(WinRMSettings(peer, **settings), CommandLog(), **more)


def run(one: WinRM, stdin: bytes = b"", seconds: float = 30, command: str = "powershell.exe -x") -> bytes:
    return b"".join(one.run(command, stdin, Deadline(seconds)))


def failure(one: WinRM, stdin: bytes = b"", seconds: float = 30) -> TargetError:
    """The TargetError of a run; proves on the way that no password is in it, its trace, or the log."""
    with pytest.raises(TargetError) as caught:
        run(one, stdin, seconds)
    error = caught.value
    shown = (
        "".join(traceback.format_exception(error))
        + repr(error)
        + str(vars(error))
        + repr(one.log)
        + repr(one)
    )
    assert CANARY not in shown
    assert error.hint
    sent = one.log.entries[-1]
    assert (sent.outcome, sent.detail) == (error.kind, str(error))
    return error


def told(error: TargetError) -> tuple[type[TargetError], str, str]:
    return type(error), error.stage, error.code


def unauthorised(*offers: str) -> Reply:
    return Reply(b"", 401, tuple(("WWW-Authenticate", offer) for offer in offers))
