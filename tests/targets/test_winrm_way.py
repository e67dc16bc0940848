"""A run over WinRM that goes well: what is sent, what is yielded, what is tidied up, what is logged."""

from __future__ import annotations

import base64
import itertools
import socket
import threading
from dataclasses import replace

import pytest
from winrmkit import CANARY, Pki, pki, run, way
from winrmpeer import Ask, Reply, fault, output, plain, serving

from targets import winrm_shell
from targets.deadline import Deadline
from targets.errors import DeadlineExceeded, MalformedAnswer, TargetError
from targets.winrm import pasteable

__all__ = ["pki"]


def test_the_shell_is_opened_as_designed_and_always_deleted(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        assert run(one, b"hello") == b"out"
    assert peer.actions == ["Create", "Command", "Send", "Receive", "Delete"]
    create, command, send = peer.asks[:3]
    assert ">65001<" in create.body and "<rsp:IdleTimeOut>PT60S<" in create.body
    assert 'Name="WINRS_NOPROFILE">TRUE<' in create.body
    assert 'Name="WINRS_CONSOLEMODE_STDIN">FALSE<' in command.body
    assert send.stdin == b"hello" and 'End="true"' in send.body
    assert one.exit_code == 0
    assert one.way == "winrm" and one.address == f"https://127.0.0.1:{peer.port}"


def test_standard_input_goes_as_bytes_in_pieces(pki: Pki) -> None:
    data = "Ünïcode 以太网 ".encode() * 9000  # 190 KB that code page 437 cannot hold
    with serving(tls=pki.server()) as peer:
        run(way(peer.port, fingerprint=pki.fingerprint), data)
    sends = [ask for ask in peer.asks if ask.action == "Send"]
    assert b"".join(ask.stdin for ask in sends) == data
    assert all(len(ask.stdin) <= winrm_shell.PIECE for ask in sends)
    assert ['End="true"' in ask.body for ask in sends] == [False] * (len(sends) - 1) + [True]


def test_output_is_yielded_as_it_comes(pki: Pki) -> None:
    second = threading.Event()
    turns = itertools.count()

    def answer(ask: Ask) -> Reply:
        if ask.action != "Receive":
            return plain(ask)
        if next(turns) == 0:
            return output(ask, ("stdout", b"first"))
        reply = output(ask, ("stderr", b"oh"), ("stdout", b"last"), exit_code=7)
        reply.wait = second
        return reply

    with serving(answer, tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        chunks = one.run("x", b"", Deadline(30))
        assert next(chunks) == b"first"  # while the peer still holds the rest
        second.set()
        assert list(chunks) == [b"last"]
        assert (one.exit_code, one.stderr) == (7, b"oh")


def test_two_megabytes_arrive_whole(pki: Pki) -> None:
    data = bytes(range(256)) * 8192
    pieces = [data[at : at + 90_000] for at in range(0, len(data), 90_000)]
    turns = itertools.count()

    def answer(ask: Ask) -> Reply:
        if ask.action != "Receive":
            return plain(ask)
        index = next(turns)
        return output(ask, ("stdout", pieces[index]), exit_code=0 if index == len(pieces) - 1 else None)

    with serving(answer, tls=pki.server()) as peer:
        assert run(way(peer.port, fingerprint=pki.fingerprint)) == data


def test_a_receive_without_output_is_repeated(pki: Pki) -> None:
    turns = itertools.count()

    def answer(ask: Ask) -> Reply:
        if ask.action == "Receive" and next(turns) < 3:
            return fault(ask, 0x80338029, "time")
        return plain(ask)

    with serving(answer, tls=pki.server()) as peer:
        assert run(way(peer.port, fingerprint=pki.fingerprint)) == b"out"
    assert peer.actions.count("Receive") == 4


def test_a_reader_that_stops_early_leaves_no_shell(pki: Pki) -> None:
    def answer(ask: Ask) -> Reply:
        return output(ask, ("stdout", b"more")) if ask.action == "Receive" else plain(ask)

    with serving(answer, tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        chunks = one.run("x", b"", Deadline(30))
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
        assert peer.deleted.is_set()
    assert one.log.entries[0].outcome == "stopped"


@pytest.mark.parametrize("where", ["Command", "Send", "Receive"])
def test_a_failure_leaves_no_shell(pki: Pki, where: str) -> None:
    def answer(ask: Ask) -> Reply:
        return replace(plain(ask), cut=10) if ask.action == where else plain(ask)

    with serving(answer, tls=pki.server()) as peer:
        with pytest.raises(MalformedAnswer) as caught:
            run(way(peer.port, fingerprint=pki.fingerprint), b"in")
        assert caught.value.code == "dropped"
        assert peer.deleted.is_set()


def test_the_deadline_holds_for_the_whole_run_and_the_shell_goes(pki: Pki) -> None:
    def answer(ask: Ask) -> Reply:
        return fault(ask, 0x80338029, "time") if ask.action == "Receive" else plain(ask)

    with serving(answer, tls=pki.server()) as peer:
        with pytest.raises(DeadlineExceeded) as caught:
            run(way(peer.port, fingerprint=pki.fingerprint), seconds=0.5)
        assert (caught.value.stage, caught.value.code) == ("answer", "deadline")
        assert peer.deleted.is_set()


def test_an_answer_that_never_comes_ends_at_the_deadline(pki: Pki) -> None:
    never = threading.Event()

    def answer(ask: Ask) -> Reply:
        reply = plain(ask)
        reply.wait = never if ask.action == "Create" else None
        return reply

    with serving(answer, tls=pki.server()) as peer, pytest.raises(DeadlineExceeded) as caught:
        run(way(peer.port, fingerprint=pki.fingerprint), seconds=0.4)
    never.set()
    assert caught.value.stage == "auth"


def test_bytes_that_drip_do_not_stretch_the_deadline(pki: Pki) -> None:
    """Each byte resets a socket's own time limit; the deadline is the run's."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    threading.Thread(target=drip, daemon=True).start()
    try:
        with pytest.raises(DeadlineExceeded):
            run(way(server.getsockname()[1], scheme="ntlm", https=False), seconds=0.5)
    finally:
        stop.set()
        server.close()


def test_cancel_ends_a_run_at_once_from_another_thread(pki: Pki) -> None:
    never = threading.Event()

    def answer(ask: Ask) -> Reply:
        reply = plain(ask)
        reply.wait = never if ask.action == "Receive" else None
        return reply

    errors: list[TargetError] = []

    with serving(answer, tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)

        def work() -> None:
            try:
                run(one, seconds=60)
            except TargetError as error:
                errors.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        assert peer.seen("Receive").wait(20)
        one.cancel()
        worker.join(20)
        assert not worker.is_alive()
        assert peer.deleted.is_set()
        never.set()
    assert [error.code for error in errors] == ["cancelled"]


def test_a_way_that_was_cancelled_before_does_not_start(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        one.cancel()
        with pytest.raises(DeadlineExceeded) as caught:
            run(one)
    assert caught.value.code == "cancelled"
    assert peer.asks == []


def test_cancel_ends_a_run_that_waits_for_a_name(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, never = threading.Event(), threading.Event()

    def resolver(*_: object, **__: object) -> list[object]:
        asked.set()
        never.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    one = way(5986, host="win-1.example")

    def cancel() -> None:
        assert asked.wait(30)
        one.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(DeadlineExceeded) as caught:
        run(one, seconds=60)
    never.set()
    canceller.join(30)
    assert (caught.value.stage, caught.value.code) == ("resolve", "cancelled")


def test_a_password_of_any_script_goes_over_basic(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        run(way(peer.port, fingerprint=pki.fingerprint, password=lambda _: "пароль密码"))
    sent = base64.b64decode(peer.asks[0].headers["authorization"].removeprefix("Basic "))
    assert sent.decode("utf-8").endswith(":пароль密码")


def test_a_run_is_logged_as_text_to_paste_without_the_password(pki: Pki) -> None:
    with serving(tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        run(one, b"#kwinnow 1\n#end\n")
    (sent,) = one.log.entries
    assert sent.text == "@'\n#kwinnow 1\n#end\n'@ | powershell.exe -x"
    assert (sent.target, sent.outcome) == ("win-1", "ok") and sent.ms > 0
    assert CANARY not in repr(one) + repr(one.log) + repr(one.settings)


def test_pasteable_text_survives_what_would_end_a_here_string() -> None:
    assert pasteable("cmd", b"") == "cmd"
    text = pasteable("cmd", b"a\n'@ | evil\n")
    assert "evil" not in text and text.endswith("'))" + " | cmd")


def test_environment_proxies_and_netrc_are_not_used(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password thief\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client = pki.files("client", *pki.authority.issue("client"))
    with serving(tls=pki.server()) as peer:
        assert run(way(peer.port, ca_file=pki.ca_file)) == b"out"
        assert run(way(peer.port, scheme="certificate", ca_file=pki.ca_file, certificate=client)) == b"out"
    sent = {ask.headers["authorization"] for ask in peer.asks}
    assert len(sent) == 2 and any(value.endswith("secprofile/https/mutual") for value in sent)


def test_ipv6_addresses_work(pki: Pki) -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    with serving(tls=pki.server(), host="::1") as peer:
        one = way(peer.port, host="::1", fingerprint=pki.fingerprint)
        assert run(one) == b"out"
        assert one.address == f"https://[::1]:{peer.port}"
    assert peer.asks[0].headers["host"] == f"[::1]:{peer.port}"
