"""The five ways in which a target can fail to answer, and nothing else.

Every wire turns its library's exceptions into one of these, so that the layers above never see urllib3,
winrm or socket errors.
"""

from __future__ import annotations


class TargetError(Exception):
    """A target could not answer.

    `what` is one sentence that names the target and what went wrong. `hint` is one sentence that says what a
    person can do about it, and may be empty. Neither may hold a secret.

    The wires of a Windows node also say, for checks to judge: how far the exchange had come (`stage`) and a short
    word for the reason (`code`); docs/configuration.md lists both.
    """

    kind = "target-error"
    stage = ""
    code = ""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()


class Unreachable(TargetError):
    """No connection: refused, filtered, no route, no such name, TLS that cannot be trusted."""

    kind = "unreachable"


class PermissionDenied(TargetError):
    """The target knows who asks and says no. `verb` and `resource` are set for a Kubernetes 403."""

    kind = "permission-denied"

    def __init__(self, what: str, hint: str = "", *, verb: str = "", resource: str = "") -> None:
        super().__init__(what, hint)
        self.verb = verb
        self.resource = resource


class CredentialsExpired(TargetError):
    """The target does not accept the credentials: expired, wrong, or a scheme that it has switched off."""

    kind = "credentials"


class DeadlineExceeded(TargetError):
    """The answer did not come in time."""

    kind = "deadline"


class MalformedAnswer(TargetError):
    """An answer came and cannot be used: truncated, garbled, of an unknown shape."""

    kind = "malformed"


class NotFound(TargetError):
    """The target answered that the thing asked for does not exist (a Kubernetes 404)."""

    kind = "not-found"
