"""TLS that cannot be trusted and credentials that are not accepted, on the way to a node."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta
from typing import Any

import pytest
import requests
from testpki import Authority
from winrmkit import Pki, failure, pki, run, told, unauthorised, way
from winrmpeer import Ask, Reply, serving

from targets.errors import (
    CredentialsExpired,
    Unreachable,
)

__all__ = ["pki"]


# -- TLS


def test_a_ca_that_is_not_trusted(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        error = failure(way(peer.port))
    assert told(error) == (Unreachable, "tls", "tls-untrusted")
    assert "fingerprint" in error.hint and peer.asks == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ({"hosts": ["elsewhere.example"]}, "tls-name"),
        ({"hosts": ["127.0.0.1"], "starts": timedelta(days=-9), "ends": timedelta(days=-2)}, "tls-time"),
    ],
)
def test_certificates_of_other_names_and_times(pki: Pki, kind: dict[str, Any], code: str) -> None:
    certificate, key = pki.authority.issue("node", server=True, **kind)
    with serving(tls=pki.server(certificate, key)) as peer:
        error = failure(way(peer.port, ca_file=pki.ca_file))
    assert told(error) == (Unreachable, "tls", code)
    assert peer.asks == []


def test_an_own_ca_and_a_pin_are_trusted(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        assert run(way(peer.port, ca_file=pki.ca_file)) == b"out"
        assert run(way(peer.port, fingerprint=pki.fingerprint)) == b"out"


def test_another_certificate_than_the_pinned_one(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint="ab" * 32))
    assert told(error) == (Unreachable, "tls", "tls-fingerprint")
    assert pki.fingerprint in error.what and peer.asks == []


def test_https_to_a_port_that_speaks_http(pki: Pki) -> None:
    def answer(_: Ask) -> Reply:
        return Reply(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = socket.create_server(("127.0.0.1", 0))

    def http_sys() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=http_sys, daemon=True).start()
    with server:
        error = failure(way(server.getsockname()[1], fingerprint=pki.fingerprint))
    assert told(error) == (Unreachable, "tls", "odd-port")
    assert "https = false" in error.hint


def test_http_to_a_port_that_speaks_tls(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        error = failure(way(peer.port, scheme="ntlm", https=False))
    assert (error.stage, error.code) in {("auth", "odd-port"), ("auth", "dropped")}


def test_a_client_certificate_never_uses_tls_13(pki: Pki) -> None:
    only_13 = pki.server()
    only_13.minimum_version = ssl.TLSVersion.TLSv1_3
    files = pki.files("client", *pki.authority.issue("client"))
    with serving(tls=only_13) as peer:
        error = failure(way(peer.port, scheme="certificate", ca_file=pki.ca_file, certificate=files))
    assert error.stage == "tls"


def test_a_client_certificate_that_the_node_does_not_trust(pki: Pki) -> None:
    context = pki.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(pki.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    stranger = Authority.create(name="a stranger")
    files = pki.files("stranger", *stranger.issue("client"))
    with serving(tls=context) as peer:
        error = failure(way(peer.port, scheme="certificate", ca_file=pki.ca_file, certificate=files))
    assert told(error) == (Unreachable, "tls", "tls-client")


@pytest.mark.parametrize("name", ["absent.crt", "broken.crt"])
def test_files_that_cannot_be_used(pki: Pki, name: str) -> None:
    (pki.folder / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    error = failure(way(1, ca_file=str(pki.folder / name)))
    assert (error.stage, error.code) == ("config", "file")
    assert name in error.what and "ca_file" in error.hint


# -- authentication


def test_rejected_credentials(pki: Pki) -> None:
    with serving(lambda _: unauthorised("Negotiate", 'Basic realm="WSMAN"'), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (CredentialsExpired, "auth", "rejected")
    assert "LocalAccountTokenFilterPolicy" in error.hint


@pytest.mark.parametrize(
    ("scheme", "offers", "setting"),
    [
        ("basic", ["Negotiate", "Kerberos"], "Basic"),
        ("ntlm", ['Basic realm="WSMAN"'], "Negotiate"),
        ("ntlm", [], "Negotiate"),
    ],
)
def test_a_scheme_that_the_node_has_switched_off(
    pki: Pki, scheme: str, offers: list[str], setting: str
) -> None:
    with serving(lambda _: unauthorised(*offers), tls=pki.server()) as peer:
        error = failure(way(peer.port, scheme=scheme, fingerprint=pki.fingerprint))
    assert told(error) == (CredentialsExpired, "auth", "scheme-off")
    assert f"Auth\\{setting} $true" in error.hint


def test_a_node_that_refuses_ntlm_without_a_challenge(pki: Pki) -> None:
    with serving(lambda _: unauthorised("Negotiate"), tls=pki.server()) as peer:
        error = failure(way(peer.port, scheme="ntlm", fingerprint=pki.fingerprint))
    assert told(error) == (CredentialsExpired, "auth", "rejected")


class KerberosExchangeError(requests.RequestException):
    """Stands for the one of requests_kerberos, which is not installed everywhere."""


@pytest.fixture
def kerberos(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A Kerberos library whose ticket is “dGlja2V0”, and what it was asked for."""
    import winrm.transport

    asked: list[dict[str, Any]] = []

    class Auth(requests.auth.AuthBase):
        winrm_encryption_available = True

        def __init__(self, **options: Any) -> None:
            asked.append(options)

        def __call__(self, request: Any) -> Any:
            if asked[-1]["service"] == "NOSUCH":
                raise KerberosExchangeError("authGSSClientStep() failed")
            request.headers["Authorization"] = "Negotiate dGlja2V0"
            return request

    monkeypatch.setattr(winrm.transport, "HAVE_KERBEROS", True)
    monkeypatch.setattr(winrm.transport, "HTTPKerberosAuth", Auth, raising=False)
    monkeypatch.setattr(winrm.transport, "REQUIRED", 1, raising=False)
    return asked


def test_kerberos_asks_for_the_spn_that_is_configured(pki: Pki, kerberos: list[dict[str, Any]]) -> None:
    with serving(tls=pki.server()) as peer:
        settings: dict[str, Any] = {"kerberos_service": "WSMAN", "kerberos_host": "win-1.corp.example"}
        one = way(peer.port, scheme="kerberos", fingerprint=pki.fingerprint, password=None, **settings)
        assert run(one) == b"out"
    assert (kerberos[0]["service"], kerberos[0]["hostname_override"]) == ("WSMAN", "win-1.corp.example")
    assert kerberos[0]["delegate"] is False
    assert {ask.headers["authorization"] for ask in peer.asks} == {"Negotiate dGlja2V0"}


def test_kerberos_without_a_ticket(pki: Pki, kerberos: list[dict[str, Any]]) -> None:
    with serving(tls=pki.server()) as peer:
        error = failure(
            way(peer.port, scheme="kerberos", fingerprint=pki.fingerprint, kerberos_service="NOSUCH")
        )
    assert told(error) == (CredentialsExpired, "auth", "ticket")
    assert "kinit" in error.hint and peer.asks == []


def test_kerberos_without_its_library(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    import winrm.transport

    monkeypatch.setattr(winrm.transport, "HAVE_KERBEROS", False)
    error = failure(way(1, scheme="kerberos"))
    assert (error.stage, error.code) == ("config", "kerberos-missing")
