"""What real Windows servers once answered, read by our WinRM way."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from pypsrp_recordings import Exchange, recordings
from winrmkit import Pki, pki, run, way
from winrmpeer import Ask, Reply, serving

from targets import winrm_shell
from targets.errors import MalformedAnswer, TargetError

__all__ = ["pki"]

NAMES = [
    "bad_cmd_id",
    "environment",
    "extra_opts",
    "fail_poll_process",
    "no_cmd_shell",
    "noprofile",
    "open_already_opened",
    "operation_timeout",
    "send",
    "standard",
    "stderr_rc",
    "unicode",
]


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[Exchange]]:
    return recordings()


@dataclass
class Replay:
    """Answers each request with the next recorded answer to the same action; checks the ids that we send
    back.
    """

    exchanges: list[Exchange]
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, ask: Ask) -> Reply:
        with self._lock:
            index = next((i for i, one in enumerate(self.exchanges) if one.action == ask.action), None)
            if index is None:
                self.wrong.append(f"no answer to {ask.action} was recorded")
                return Reply(b"", 404)
            one = self.exchanges.pop(index)
        for pattern in (
            r'Name="ShellId"[^>]*>([^<]+)<',
            r'CommandId="([^"]+)"',
            r"<rsp:Stream [^>]*>([^<]*)<",
        ):
            sent, then = re.search(pattern, ask.body), re.search(pattern, one.request)
            if then and (sent is None or sent[1] != then[1]):
                self.wrong.append(f"{ask.action}: {pattern} was {then[1]}")
        body = re.sub(r"(RelatesTo>)[^<]*(<)", rf"\g<1>{ask.message_id}\g<2>", one.response)
        return Reply(body.encode("utf-8"), 500 if one.failed else 200)


def replayed(
    pki: Pki, exchanges: list[Exchange], stdin: bytes = b""
) -> tuple[bytes, bytes, int | None, Replay]:
    replay = Replay(list(exchanges))
    with serving(replay, tls=pki.server()) as peer:
        one = way(peer.port, fingerprint=pki.fingerprint)
        out = run(one, stdin)
        assert peer.actions[-1] == "Delete"
    assert replay.wrong == []
    assert {left.action for left in replay.exchanges} <= {"Signal"}  # the only thing that we leave out
    return out, one.stderr, one.exit_code, replay


def failing(pki: Pki, exchanges: list[Exchange]) -> tuple[TargetError, Replay]:
    replay = Replay(list(exchanges))
    with serving(replay, tls=pki.server()) as peer, pytest.raises(TargetError) as caught:
        run(way(peer.port, fingerprint=pki.fingerprint))
    assert peer.actions[-1] == "Delete"
    assert replay.wrong == []
    return caught.value, replay


def test_all_twelve_are_there(recorded: dict[str, list[Exchange]]) -> None:
    assert sorted(recorded) == NAMES


@pytest.mark.parametrize(
    ("name", "out", "err", "code"),
    [
        ("standard", b"hi\r\n", b"", 0),
        ("stderr_rc", b"out \r\n", b"err \r\n", 1),
        ("extra_opts", b"C:\\Windows\r\n", b"", 0),
        ("unicode", "こんにちは\n".encode(), b"", 0),
        ("operation_timeout", b"hi\nhi again\n", b"", 0),  # two of its Receives came back empty
    ],
)
def test_output_and_exit_code(
    pki: Pki, recorded: dict[str, list[Exchange]], name: str, out: bytes, err: bytes, code: int
) -> None:
    assert replayed(pki, recorded[name])[:3] == (out, err, code)


@pytest.mark.parametrize(
    ("name", "line"), [("environment", b"1234=5678"), ("noprofile", b"USERPROFILE=C:\\Users\\Default")]
)
def test_long_output(pki: Pki, recorded: dict[str, list[Exchange]], name: str, line: bytes) -> None:
    out, err, code, _ = replayed(pki, recorded[name])
    assert line in out.split(b"\r\n")
    assert (err, code) == (b"", 0)


def test_standard_input_in_two_pieces(
    pki: Pki, recorded: dict[str, list[Exchange]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [b'Write-Host "output 1";', b'Write-Host "output 2";']
    monkeypatch.setattr(winrm_shell, "PIECE", len(pieces[0]))
    out, _, code, _ = replayed(pki, recorded["send"], b"".join(pieces))
    assert (out, code) == (b"output 1\noutput 2\n", 0)


def test_a_command_that_windows_cannot_find(pki: Pki, recorded: dict[str, list[Exchange]]) -> None:
    error, left = failing(pki, [*recorded["no_cmd_shell"]])
    assert (type(error), error.stage, error.code) == (MalformedAnswer, "command", "fault")
    assert "0x80070002" in error.what
    again = [one for one in recorded["no_cmd_shell"] if not one.failed]
    assert replayed(pki, again)[:3] == (b"hi\n", b"", 0)
    assert "Receive" in {one.action for one in left.exchanges}


def test_a_command_that_the_shell_does_not_know(pki: Pki, recorded: dict[str, list[Exchange]]) -> None:
    """Whoever recorded it asked with another id than the one that Command had given."""
    exchanges = [
        replace(one, request=re.sub(r' CommandId="[^"]+"', "", one.request)) for one in recorded["bad_cmd_id"]
    ]
    error, _ = failing(pki, exchanges)
    assert (error.stage, error.code) == ("answer", "dropped")


def test_a_receive_without_a_command(pki: Pki, recorded: dict[str, list[Exchange]]) -> None:
    """The recording has no Command: one is put in, so that its Receive is reached."""
    exchanges = recorded["fail_poll_process"]
    command = next(one for one in recorded["standard"] if one.action == "Command")
    ids = {one.action: re.search(r'ShellId"[^>]*>([^<]+)<', one.request) for one in exchanges}
    shell = ids["Receive"]
    assert shell is not None
    spliced = Exchange(
        "Command", re.sub(r'(ShellId"[^>]*>)[^<]+', rf"\g<1>{shell[1]}", command.request), command.response
    )
    replay = Replay([*exchanges, spliced])
    with serving(replay, tls=pki.server()) as peer, pytest.raises(TargetError) as caught:
        run(way(peer.port, fingerprint=pki.fingerprint))
    assert peer.actions == ["Create", "Command", "Receive", "Delete"]
    assert (caught.value.stage, caught.value.code) == ("answer", "fault")
    assert "0x57: The parameter is incorrect." in caught.value.what


def test_a_shell_opened_and_deleted_without_a_command(pki: Pki, recorded: dict[str, list[Exchange]]) -> None:
    replay = Replay(list(recorded["open_already_opened"]))
    with serving(replay, tls=pki.server()) as peer:
        for shell in _shell(pki, peer.port):
            shell.open()
            assert re.fullmatch(r"[0-9A-F-]{36}", shell.id)
            shell.delete()
    assert replay.wrong == [] and replay.exchanges == []


def _shell(pki: Pki, port: int) -> Iterator[winrm_shell.Shell]:
    from winrmkit import CANARY

    from targets.deadline import Deadline

    shell = way(port, fingerprint=pki.fingerprint)._shell(Deadline(30), CANARY)
    try:
        yield shell
    finally:
        shell.hang_up()
