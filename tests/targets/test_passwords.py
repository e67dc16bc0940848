"""Where passwords come from, in which order, and that none of them leaks."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import Any

import pytest

from targets.config import parse
from targets.configured_ways import ConfiguredWays
from targets.deadline import Deadline
from targets.errors import CredentialsExpired, DeadlineExceeded, TargetError
from targets.passwords import Passwords
from targets.target import NodeRef

CANARY = "C4nary-Pa55w0rd!"
USER = "CORP\\admin"


def nothing(service: str, user: str) -> str | None:
    return None


def passwords(**options: Any) -> Passwords:
    return Passwords(**{"environ": {}, "keyring": nothing, **options})


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_the_order_is_keyring_command_variable_prompt() -> None:
    command = python("print('from command')")
    everything = {"environ": {"KWINNOW_PASSWORD": "from variable"}, "prompt": lambda user: "from prompt"}
    asked: list[tuple[str, str]] = []

    def keyring(service: str, user: str) -> str:
        asked.append((service, user))
        return "from keyring"

    def found(options: dict[str, Any], words: tuple[str, ...]) -> tuple[str, str]:
        got = passwords(**options).password(USER, words, Deadline(30))
        return got.value, got.source

    assert found({**everything, "keyring": keyring}, command) == ("from keyring", "keyring")
    assert asked == [("kwinnow", USER)]
    assert found(everything, command) == ("from command", "password_command")
    assert found(everything, ()) == ("from variable", "KWINNOW_PASSWORD")
    assert found({"prompt": lambda user: f"typed for {user}"}, ()) == (f"typed for {USER}", "prompt")


def test_without_any_the_ways_to_give_one_are_named() -> None:
    for one in (passwords(), passwords(prompt=lambda user: None)):
        with pytest.raises(CredentialsExpired) as caught:
            one.password(USER, (), Deadline(30))
        assert (caught.value.stage, caught.value.code) == ("config", "no-password")
        assert (
            "keyring set kwinnow 'CORP\\admin'" in caught.value.hint
            and "KWINNOW_PASSWORD" in caught.value.hint
        )


def test_a_password_is_looked_for_once_and_again_after_it_was_forgotten() -> None:
    typed = iter(["first", "second"])
    one = passwords(prompt=lambda user: next(typed))
    assert one.password(USER, (), Deadline(30)).value == "first"
    assert one.password(USER.upper(), (), Deadline(30)).value == "first"
    one.forget(USER)
    assert one.password(USER, (), Deadline(30)).value == "second"


def test_a_person_who_types_nothing_is_not_asked_again() -> None:
    asked: list[str] = []
    one = passwords(prompt=lambda user: asked.append(user))
    for _ in range(3):
        with pytest.raises(CredentialsExpired) as caught:
            one.password(USER, (), Deadline(30))
        assert caught.value.code == "no-password"
    assert asked == [USER]
    one.forget(USER)
    with pytest.raises(CredentialsExpired):
        one.password(USER, (), Deadline(30))
    assert asked == [USER, USER]


def test_many_threads_ask_a_person_once() -> None:
    asked: list[str] = []
    answer = threading.Event()

    def prompt(user: str) -> str:
        asked.append(user)
        answer.wait(30)
        return CANARY

    one = passwords(prompt=prompt)
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(one.password(USER, (), Deadline(30)).value))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    answer.set()
    for thread in threads:
        thread.join(30)
    assert got == [CANARY] * 8 and asked == [USER]


def test_waiting_for_somebody_else_to_type_ends_at_the_deadline() -> None:
    typing, done = threading.Event(), threading.Event()

    def prompt(user: str) -> str:
        typing.set()
        done.wait(30)
        return CANARY

    one = passwords(prompt=prompt)
    thread = threading.Thread(target=lambda: one.password(USER, (), Deadline(30)))
    thread.start()
    assert typing.wait(30)
    with pytest.raises(DeadlineExceeded):
        one.password(USER, (), Deadline(0.05))
    done.set()
    thread.join(30)


def test_a_broken_keyring_is_skipped_with_a_note_that_holds_no_secret() -> None:
    import keyring.errors

    def broken(service: str, user: str) -> str:
        raise keyring.errors.KeyringError(f"the D-Bus says {CANARY}")

    one = passwords(keyring=broken, environ={"KWINNOW_PASSWORD": "v"})
    assert one.password(USER, (), Deadline(30)).value == "v"
    (note,) = one.notes
    assert "KeyringError" in note and CANARY not in note


def test_a_keyring_that_hangs_is_skipped_with_a_note() -> None:
    never = threading.Event()

    def hanging(service: str, user: str) -> str | None:
        never.wait(30)
        return None

    one = passwords(keyring=hanging, environ={"KWINNOW_PASSWORD": "v"})
    assert one.password(USER, (), Deadline(0.1)).value == "v"
    never.set()
    assert "did not answer in time" in one.notes[0]


def test_the_real_keyring_is_asked_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, user: f"{service} {user}")
    assert Passwords(environ={}).password("u", (), Deadline(30)).value == "kwinnow u"


def test_the_command_gets_the_user_and_gives_its_first_line() -> None:
    command = (*python("import sys; print(sys.argv[1]); print('not this')"), "windows/{user}")
    assert passwords().password(USER, command, Deadline(30)).value == f"windows/{USER}"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("kwinnow-no-such-program",), "not installed"),
        (python(f"import sys; print('{CANARY}', file=sys.stderr); sys.exit(3)"), "exit code 3"),
        (python("pass"), "wrote nothing"),
        (python("print(); print('second')"), "wrote nothing"),
        (python("import sys; sys.stdout.buffer.write(bytes([255]))"), "not UTF-8"),
    ],
)
def test_a_command_that_fails_is_named_without_its_output(command: tuple[str, ...], said: str) -> None:
    with pytest.raises(CredentialsExpired) as caught:
        passwords().password(USER, command, Deadline(30))
    error = caught.value
    assert error.code == "password-command" and said in error.what
    assert CANARY not in error.what


def test_a_command_that_hangs_is_ended() -> None:
    command = python("import threading; threading.Event().wait(60)")
    with pytest.raises(CredentialsExpired, match="did not end"):
        passwords().password(USER, command, Deadline(0.5))


def test_no_repr_and_no_trace_shows_a_password() -> None:
    one = passwords(environ={"KWINNOW_PASSWORD": CANARY})
    got = one.password(USER, (), Deadline(30))
    assert CANARY not in repr(one) + repr(got) + str(got)
    failing = passwords(environ={"KWINNOW_PASSWORD": ""}, prompt=lambda user: "")
    with pytest.raises(TargetError) as caught:
        failing.password(USER, (), Deadline(30))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_configured_ways_ask_for_a_password_only_when_a_node_is_asked() -> None:
    from pathlib import Path

    asked: list[str] = []

    def prompt(user: str) -> str:
        asked.append(user)
        return CANARY

    config = parse("[[nodes]]\nmatch = '*'\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\n", Path("c.toml"))
    ways = ConfiguredWays(config, passwords(prompt=prompt))
    one, other = ways.open(NodeRef("a")), ways.open(NodeRef("b"))
    assert one is not other and one.log is other.log and one.lockout is other.lockout
    assert (one.way, one.address) == ("winrm", "http://127.0.0.1:1")
    assert asked == []
    with pytest.raises(TargetError) as caught:
        list(one.run("x", b"", Deadline(30)))
    assert asked == ["u"] and caught.value.code == "refused"
    assert CANARY not in repr(ways) + repr(one)


def test_clearing_a_user_forgets_the_password_too() -> None:
    from pathlib import Path

    config = parse("[[nodes]]\nmatch = '*'\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\n", Path("c.toml"))
    typed = iter(["old", "new"])
    ways = ConfiguredWays(config, passwords(prompt=lambda user: next(typed)))
    assert ways.passwords.password("u", (), Deadline(30)).value == "old"
    ways.lockout.attempt("u", "a", Deadline(30)).reject()
    ways.clear("u")
    assert ways.lockout.state("u") == "unknown"
    assert ways.passwords.password("u", (), Deadline(30)).value == "new"
