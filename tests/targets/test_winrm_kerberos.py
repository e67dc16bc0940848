"""Kerberos with a real key distribution centre (MIT's krb5kdc) on the loopback, down to sealed messages over HTTP."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from winrmkit import Pki, pki, run, way

from lab.windows.auth import Credentials
from lab.windows.listener import Tls
from lab.windows.node import WindowsNode
from lab.windows.runs import Run, Said
from lab.world.machine import Machine, Os
from targets.errors import CredentialsExpired, TargetError
from targets.winrm import WinRM

__all__ = ["pki"]

REALM, USER, NODE = "LAB.TEST", "admin@LAB.TEST", "win-1.lab.test"
PASSWORD = "Tick3t-Canary!"
OUTPUT = "~kw hello 以太网\n".encode() * 3000  # 60 KB
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Realm:
    """A realm that runs, with one user, and a node whose services HTTP and WSMAN have keys."""

    folder: Path
    environ: dict[str, str]

    def kinit(self, cache: Path) -> None:
        environ = self.environ | {"KRB5CCNAME": f"FILE:{cache}"}
        subprocess.run(["kinit", USER], input=PASSWORD + "\n", text=True, env=environ, check=True, timeout=60)


def _missing() -> str:
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    absent += [name for name in ("gssapi", "kerberos") if importlib.util.find_spec(name) is None]
    return ", ".join(absent)


def _configure(folder: Path, port: int) -> dict[str, str]:
    (folder / "krb5.conf").write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
        " dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n"
        f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n[domain_realm]\n .lab.test = {REALM}\n"
        "[logging]\n kdc = STDERR\n"
    )
    (folder / "kdc.conf").write_text(
        f'[kdcdefaults]\n kdc_listen = ""\n kdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n {REALM} = {{\n'
        f"  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n }}\n"
    )
    files = {"KRB5_CONFIG": "krb5.conf", "KRB5_KDC_PROFILE": "kdc.conf", "KRB5_KTNAME": "node.keytab"}
    return os.environ | {"PATH": PATH} | {name: str(folder / file) for name, file in files.items()}


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    missing = _missing()
    if missing:
        pytest.skip(f"Kerberos is not here: {missing} (CONTRIBUTING.md says what to install)")
    folder = tmp_path_factory.mktemp("realm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = _configure(folder, port)

    def administer(*command: str) -> None:
        subprocess.run(command, env=environ, check=True, capture_output=True, timeout=120)

    administer("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
    administer("kadmin.local", "-q", f"addprinc -pw {PASSWORD} {USER}")
    for service in ("HTTP", "WSMAN"):
        administer("kadmin.local", "-q", f"addprinc -randkey {service}/{NODE}")
        administer("kadmin.local", "-q", f"ktadd -k {environ['KRB5_KTNAME']} {service}/{NODE}")
    with subprocess.Popen(["krb5kdc", "-n"], env=environ, stderr=subprocess.PIPE, text=True) as kdc:
        try:
            assert kdc.stderr is not None
            assert any("commencing operation" in line for line in kdc.stderr)
            yield Realm(folder, environ)
        finally:
            kdc.terminate()


def said(*_: object) -> Run:
    """Whatever is asked, the same is answered: these tests are about the wire."""
    return Said(OUTPUT, b"", 0)


@pytest.fixture
def node(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WindowsNode]:
    """A node of the realm; this process has its keytab, and no ticket yet."""
    for name in ("KRB5_CONFIG", "KRB5_KTNAME"):
        monkeypatch.setenv(name, realm.environ[name])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'tickets'}")
    machine = Machine("win-1", "10.0.0.1", Os("Windows Server 2019 Standard", 17763, 5830))
    with WindowsNode(machine, Credentials("admin", "unused"), use_engine=False, replay=said) as made:
        yield made


@pytest.fixture
def tls_node(node: WindowsNode, pki: Pki) -> Iterator[WindowsNode]:
    """The same node behind TLS."""
    files = pki.files("lab", pki.certificate, pki.key)
    with WindowsNode(
        node.machine, Credentials("admin", "unused"), tls=Tls(*files), use_engine=False, replay=said
    ) as made:
        yield made


def the_way(node: WindowsNode, host: str = NODE, service: str = "HTTP") -> WinRM:
    more = {"kerberos_host": host, "kerberos_service": service}
    return way(node.port, scheme="kerberos", https=False, user=USER, **more)


@pytest.mark.parametrize("service", ["HTTP", "WSMAN"])
def test_a_ticket_opens_a_sealed_conversation(
    node: WindowsNode, realm: Realm, tmp_path: Path, service: str
) -> None:
    realm.kinit(tmp_path / "tickets")
    one = the_way(node, service=service)
    assert run(one, b"#kwinnow 1\n" * 20_000) == OUTPUT
    assert one.exit_code == 0
    assert (node.shells.count, node.shells.deleted) == (0, 1)
    assert PASSWORD not in repr(one.log)


def refusal(node: WindowsNode, host: str = NODE) -> TargetError:
    with pytest.raises(TargetError) as caught:
        run(the_way(node, host), b"in")
    return caught.value


def test_without_a_ticket_the_hint_is_kinit(node: WindowsNode) -> None:
    error = refusal(node)
    assert (type(error), error.stage, error.code) == (CredentialsExpired, "auth", "ticket")
    assert "kinit" in error.hint
    assert node.shells.count == 0


def test_a_host_that_the_realm_does_not_know(node: WindowsNode, realm: Realm, tmp_path: Path) -> None:
    realm.kinit(tmp_path / "tickets")
    error = refusal(node, "win-9.lab.test")
    assert (error.stage, error.code) == ("auth", "ticket")
    assert "kerberos_host" in error.hint


def over_tls(node: WindowsNode, pki: Pki) -> WinRM:
    return way(node.tls_port or 0, scheme="kerberos", user=USER, kerberos_host=NODE, ca_file=pki.ca_file)


def test_over_https_the_ticket_is_bound_to_the_channel(
    tls_node: WindowsNode, realm: Realm, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm.kinit(tmp_path / "tickets")
    assert run(over_tls(tls_node, pki), b"in") == OUTPUT
    # A machine in the middle has another certificate than the one that the node knows as its own.
    monkeypatch.setattr(Tls, "digest", lambda _: b"\0" * 32)
    with pytest.raises(CredentialsExpired) as caught:
        run(over_tls(tls_node, pki), b"in")
    assert caught.value.stage == "auth"
