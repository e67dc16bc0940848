"""Each way in which WinRM fails: the kind, the stage, the code, and a sentence that holds no secret."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from winrmkit import CANARY, Pki, failure, pki, told, unauthorised, way
from winrmpeer import Ask, Reply, fault, output, plain, serving

from targets.errors import (
    MalformedAnswer,
    PermissionDenied,
    Unreachable,
)

__all__ = ["pki"]


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
