"""Where the password of a user comes from: keyring, `password_command`, KWINNOW_PASSWORD, a prompt; in that
order.

Never from a command line or a file of ours. A password is asked for once a session and user.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from targets.deadline import Deadline, spoken
from targets.errors import CredentialsExpired, DeadlineExceeded
from targets.winrm_errors import staged

SERVICE = "kwinnow"
VARIABLE = "KWINNOW_PASSWORD"
_KEYRING_SECONDS = 20.0  # a locked keyring asks its own question on the desktop
_COMMAND_SECONDS = 30.0


@dataclass(frozen=True)
class Password:
    """A password and where it came from, for hints. Its repr does not show it."""

    value: str = field(repr=False)
    source: str


@dataclass(frozen=True)
class _Missing:
    """There was none: fifty nodes must not ask a person fifty times."""

    what: str
    hint: str
    code: str


@dataclass
class Passwords:
    """Finds each user's password once. Safe for use by many threads: one looks, the others wait for it.

    `prompt` is asked last, with the user's name; None (the default, and for a machine) means: do not ask.
    `notes` collects what was skipped and why. `keyring` is keyring.get_password, imported when first needed.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    prompt: Callable[[str], str | None] | None = None
    keyring: Callable[[str, str], str | None] | None = None
    notes: list[str] = field(default_factory=list)
    _known: dict[str, Password | _Missing] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def password(self, user: str, command: tuple[str, ...], deadline: Deadline) -> Password:
        """The password of `user`; CredentialsExpired says why there is none. `command` is an argument
        list.
        """
        if not self._lock.acquire(timeout=deadline.left()):
            raise staged(
                DeadlineExceeded(
                    f"The password of user “{user}” was not there within {spoken(deadline.seconds)} s."
                ),
                "config",
                "deadline",
            )
        try:
            have = self._known.get(user.lower())
            if have is None:
                have = self._known[user.lower()] = self._look(user, command, deadline)
        finally:
            self._lock.release()
        if isinstance(have, _Missing):
            raise staged(CredentialsExpired(have.what, have.hint), "config", have.code)
        return have

    def _look(self, user: str, command: tuple[str, ...], deadline: Deadline) -> Password | _Missing:
        try:
            return self._find(user, command, deadline)
        except CredentialsExpired as error:
            return _Missing(error.what, error.hint, error.code)

    def forget(self, user: str) -> None:
        """Look anew the next time: the password was wrong, has changed, or is there now."""
        self._known.pop(user.lower(), None)

    def _find(self, user: str, command: tuple[str, ...], deadline: Deadline) -> Password:
        value = self._from_keyring(user, deadline)
        if value:
            return Password(value, "keyring")
        if command:
            return Password(_from_command(user, command, deadline), "password_command")
        if value := self.environ.get(VARIABLE, ""):
            return Password(value, VARIABLE)
        if self.prompt is not None and (typed := self.prompt(user)):
            return Password(typed, "prompt")
        raise staged(
            CredentialsExpired(
                f"There is no password for user “{user}”.",
                f"Store one with `keyring set {SERVICE} {_quoted(user)}`, set password_command in "
                f"config.toml, or set the variable {VARIABLE}.",
            ),
            "config",
            "no-password",
        )

    def _from_keyring(self, user: str, deadline: Deadline) -> str:
        """What the keyring has, or "". Back-ends of other people hang and break: neither may stop us."""
        answer: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        asked = self.keyring

        def ask() -> None:
            try:
                answer.put((asked or _keyring())(SERVICE, user))
            except _keyring_failures() as error:
                answer.put(error)

        thread = threading.Thread(target=ask, daemon=True, name="kwinnow-keyring")
        thread.start()
        thread.join(deadline.left(_KEYRING_SECONDS))
        if thread.is_alive():
            self.notes.append("The keyring did not answer in time and was skipped.")
            return ""
        if answer.empty():
            self.notes.append("The keyring failed in an unknown way and was skipped.")
            return ""
        got = answer.get()
        if isinstance(got, BaseException):
            # The text of the error may hold anything; its type is enough to look further.
            self.notes.append(f"The keyring does not work here ({type(got).__name__}) and was skipped.")
            return ""
        return got or ""


def _keyring() -> Callable[[str, str], str | None]:
    import keyring

    return keyring.get_password


def _keyring_failures() -> tuple[type[BaseException], ...]:
    """The exceptions of keyring and of the libraries below its usual back-ends, as far as those are
    loaded.
    """
    found: list[type[BaseException]] = [
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ImportError,
    ]
    for module, name in (
        ("keyring.errors", "KeyringError"),
        ("secretstorage.exceptions", "SecretStorageException"),
        ("jeepney.wrappers", "DBusErrorResponse"),
        ("win32ctypes.pywin32", "error"),
    ):
        one = getattr(sys.modules.get(module), name, None)
        if isinstance(one, type) and issubclass(one, BaseException):
            found.append(one)
    return tuple(found)


def _from_command(user: str, command: tuple[str, ...], deadline: Deadline) -> str:
    words = [word.replace("{user}", user) for word in command]
    what = f"password_command (“{words[0]}”)"
    fix = f"Run it yourself: {' '.join(_quoted(word) for word in words)}"
    seconds = deadline.left(_COMMAND_SECONDS)
    try:
        # Its stderr goes nowhere: it may hold the secret, and the console owns the screen.
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise _no_password(user, f"{what} is not installed or not in PATH", fix) from None
    except subprocess.TimeoutExpired:
        raise _no_password(user, f"{what} did not end within {seconds:.0f} s", fix) from None
    except OSError as error:
        raise _no_password(user, f"{what} cannot be run: {error.strerror}", fix) from None
    if done.returncode != 0:
        raise _no_password(user, f"{what} ended with exit code {done.returncode}", fix)
    try:
        first = done.stdout.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise _no_password(user, f"{what} wrote something that is not UTF-8", fix) from None
    if not first or not first[0]:
        raise _no_password(user, f"{what} wrote nothing on its first line", fix)
    return first[0]


def _no_password(user: str, why: str, fix: str) -> CredentialsExpired:
    return staged(
        CredentialsExpired(f"There is no password for user “{user}”: {why}.", fix),
        "config",
        "password-command",
    )


def _quoted(word: str) -> str:
    return word if word.replace("-", "").replace("_", "").isalnum() else "'" + word.replace("'", "''") + "'"
