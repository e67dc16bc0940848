"""Each way in which WinRM fails: the kind, the stage, the code, and a sentence that holds no secret."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from winrmkit import CANARY, Pki, pki, run, way
from winrmpeer import Ask, Reply, fault, output, plain, serving

from targets.errors import (
    CredentialsExpired,
    MalformedAnswer,
    PermissionDenied,
    TargetError,
    Unreachable,
)
from targets.winrm import WinRM

__all__ = ["pki"]


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


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def full_port() -> Iterator[int]:
    """A port that swallows connections: its queue is full and nobody takes from it."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(server.getsockname())
        yield server.getsockname()[1]


# -- the way there


@pytest.mark.parametrize(
    ("https", "command"), [(False, "Enable-PSRemoting -Force"), (True, "-Transport HTTPS")]
)
def test_refused(https: bool, command: str) -> None:
    error = failure(way(closed_port(), scheme="ntlm", https=https))
    assert told(error) == (Unreachable, "connect", "refused")
    assert command in error.hint


def test_refused_by_a_name_that_means_this_machine() -> None:
    error = failure(way(closed_port(), host="localhost", literal=False, scheme="ntlm", https=False))
    assert told(error) == (Unreachable, "connect", "console-localhost")
    assert "hosts file" in error.hint


def test_filtered() -> None:
    with full_port() as port:
        error = failure(way(port, scheme="ntlm", https=False, connect_timeout=0.3))
    assert told(error) == (Unreachable, "connect", "filtered")
    assert f"-LocalPort {port}" in error.hint


def test_the_deadline_is_over_before_the_connect_timeout() -> None:
    with full_port() as port:
        error = failure(way(port, scheme="ntlm", https=False, connect_timeout=30), seconds=0.3)
    assert (error.stage, error.code) == ("connect", "deadline")


def test_a_name_that_does_not_resolve() -> None:
    error = failure(way(5985, host="win-1.invalid.", scheme="ntlm", https=False))
    assert told(error) == (Unreachable, "resolve", "name")


def test_basic_over_http_is_refused_before_anything_is_sent() -> None:
    with serving() as peer:
        error = failure(way(peer.port, https=False))
    assert told(error) == (Unreachable, "config", "unencrypted")
    assert peer.asks == [] and "AllowUnencrypted" in error.what


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
    from testpki import Authority

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


def unauthorised(*offers: str) -> Reply:
    return Reply(b"", 401, tuple(("WWW-Authenticate", offer) for offer in offers))


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


# -- the shell and the answer


def only(action: str, reply: Any) -> Any:
    return lambda ask: reply(ask) if ask.action == action else plain(ask)


@pytest.mark.parametrize(
    ("code", "wmi", "sentence"),
    [
        (0x803381A5, None, "irgendein deutscher Satz"),
        (0x803381A6, None, "超出配额"),
        (0x803381AB, None, "quota"),
        (None, 2150859174, "WMI Message."),
        (
            None,
            None,
            "This user is allowed a maximum number of 30 concurrent shells, which has been exceeded.",
        ),
    ],
)
@pytest.mark.parametrize("where", ["Create", "Command"])
def test_a_quota_that_is_used_up(
    pki: Pki, code: int | None, wmi: int | None, sentence: str, where: str
) -> None:
    with serving(only(where, lambda ask: fault(ask, code, sentence, wmi)), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (PermissionDenied, {"Create": "shell", "Command": "command"}[where], "quota")
    assert sentence in error.what and "MaxShellsPerUser" in error.hint


def test_a_user_who_may_not_open_a_shell(pki: Pki) -> None:
    with serving(only("Create", lambda ask: fault(ask, 5, "Zugriff verweigert")), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (PermissionDenied, "shell", "access-denied")


def test_a_shell_that_the_node_has_closed(pki: Pki) -> None:
    with serving(only("Receive", lambda ask: fault(ask, 0x8033805B, "gone")), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (MalformedAnswer, "answer", "dropped")


def test_a_fault_nobody_knows_is_shown_cleaned(pki: Pki) -> None:
    with serving(
        only("Create", lambda ask: fault(ask, 0x80338111, "odd &#x9b;31m\u202etxet")), tls=pki.server()
    ) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (MalformedAnswer, "shell", "fault")
    assert "0x80338111: odd txet" in error.what


def test_memory_that_ran_out(pki: Pki) -> None:
    def answer(ask: Ask) -> Reply:
        text = b"Exception of type 'System.OutOfMemoryException' was thrown."
        return output(ask, ("stdout", b"half"), ("stderr", text), exit_code=1)

    with serving(only("Receive", answer), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert (error.stage, error.code) == ("answer", "quota")
    assert "MaxMemoryPerShellMB" in error.hint


def test_a_connection_dropped_in_the_middle_of_an_answer_loses_nothing_before(pki: Pki) -> None:
    seen = threading.Event()

    def answer(ask: Ask) -> Reply:
        if seen.is_set():
            return replace(output(ask, ("stdout", b"x" * 5000)), cut=1000)
        seen.set()
        return output(ask, ("stdout", b"first"))

    got: list[bytes] = []
    with serving(only("Receive", answer), tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        with pytest.raises(MalformedAnswer) as caught:
            from targets.deadline import Deadline

            got.extend(one.run("x", b"", Deadline(30)))
    assert told(caught.value) == (MalformedAnswer, "answer", "dropped")
    assert got == [b"first"]


def test_a_connection_dropped_before_any_answer(pki: Pki) -> None:
    with serving(lambda ask: replace(plain(ask), raw=b""), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (Unreachable, "auth", "dropped")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>It works!</html>", 200, (("Content-Type", "text/html"),)),
        Reply(b"not found", 404, (("Content-Type", "text/html"),)),
        Reply(b"{}", 200, (("Content-Type", "application/json"),)),
        Reply(raw=b"SSH-2.0-OpenSSH_for_Windows_8.1\r\n"),
    ],
    ids=["web page", "404", "json", "ssh"],
)
def test_what_is_not_winrm(pki: Pki, reply: Reply) -> None:
    with serving(lambda _: reply, tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert (type(error), error.code) == (MalformedAnswer, "not-winrm")


@pytest.mark.parametrize("damage", ["base64", "xml", "exit"])
def test_a_garbled_answer(pki: Pki, damage: str) -> None:
    def answer(ask: Ask) -> Reply:
        reply = output(ask, ("stdout", b"x" * 100), exit_code=0)
        swaps = {
            "base64": (b"eHh4", b"e\xc3\xa4"),
            "xml": (b"</s:Body>", b"</s:Bod"),
            "exit": (b">0</rsp:Exit", b">?</rsp:Exit"),
        }
        return replace(reply, body=reply.body.replace(*swaps[damage], 1))

    with serving(only("Receive", answer), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
        assert peer.deleted.is_set()
    assert (type(error), error.stage, error.code) == (MalformedAnswer, "answer", "garbled")


@pytest.mark.parametrize("number", [502, 504])
def test_a_gateway_that_answers_in_its_place(pki: Pki, number: int) -> None:
    with serving(lambda _: Reply(b"gateway", number, ()), tls=pki.server()) as peer:
        error = failure(way(peer.port, fingerprint=pki.fingerprint))
    assert told(error) == (Unreachable, "auth", "proxy")


def test_no_sentence_of_a_failure_names_the_password_in_any_form(pki: Pki) -> None:
    """The Authorization header of Basic is the password in base64."""
    import base64

    with serving(lambda _: unauthorised('Basic realm="WSMAN"'), tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        error = failure(one)
    sent = re.sub(r"^Basic ", "", peer.asks[0].headers["authorization"])
    assert CANARY.encode() in base64.b64decode(sent)
    assert sent not in "".join(traceback.format_exception(error)) + repr(one.log)
