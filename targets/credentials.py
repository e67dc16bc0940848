"""Who we are to the API server: tokens, token files, certificates, plug-ins; kept fresh, never shown."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from urllib3 import HTTPHeaderDict
from urllib3.util import make_headers

from targets.auth_provider import from_auth_provider
from targets.deadline import Deadline
from targets.errors import CredentialsExpired
from targets.exec_plugin import run_plugin
from targets.kubeconfig import Chosen, KubeconfigError
from targets.tls import certificate_end, from_base64, read_named

_TOKEN_FILE_LIFE = 60.0  # seconds; the kubelet rewrites projected tokens well before they end
_EARLY = 30.0  # seconds before its end at which a plug-in's token is renewed


@dataclass(frozen=True)
class Login:
    """What goes with a request. Its repr holds no secret."""

    headers: HTTPHeaderDict = field(default_factory=HTTPHeaderDict, repr=False)
    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)  # certificate and key, PEM
    expires: float | None = None  # seconds since the epoch
    number: int = 0  # counts the logins of one Credentials


class Credentials:
    """The logins of one user entry. Safe for use by many threads: one renews, the others wait for it."""

    def __init__(self, chosen: Chosen, reread: Callable[[], Chosen] | None = None) -> None:
        self.chosen = chosen
        self._reread = reread
        self._lock = threading.Lock()
        self._login: Login | None = None

    def login(self, deadline: Deadline) -> Login:
        """The login to use now. Runs a plug-in or reads a file where needed; may raise any TargetError."""
        with self._lock:
            have = self._login
            if have is None or (have.expires is not None and time.time() >= have.expires):
                self._login = have = self._make(deadline)
            return have

    def renew(self, stale: Login, deadline: Deadline) -> Login | None:
        """After a 401: a login other than `stale`, or None if there is none to be had."""
        with self._lock:
            if self._login is not None and self._login.number != stale.number:
                return self._login  # another thread was faster
            if self._reread is not None:  # somebody may have logged in anew, which wrote another token there
                with contextlib.suppress(
                    KubeconfigError
                ):  # then the 401 itself is the better thing to report
                    self.chosen = self._reread()
            self._login = fresh = self._make(deadline)
            same = fresh.headers == stale.headers and fresh.certificate == stale.certificate
            return None if same else fresh

    def rejected(self) -> CredentialsExpired:
        """Why the server said 401, as far as the credentials themselves tell."""
        user, chosen, login = self.chosen.user, self.chosen, self._login
        whose = f"user “{chosen.user_name}” of context “{chosen.context}”"
        what = f"{chosen.cluster.server} does not accept the credentials of {whose}"
        if user.exec is not None:
            name = Path(user.exec.command).name
            return CredentialsExpired(f"{what}, also not new ones.", f"Log in with “{name}” again.")
        if login is None or not (login.headers or login.certificate):
            return CredentialsExpired(
                f"{chosen.cluster.server} wants credentials, and {whose} has none.",
                "Give the user entry a token, a certificate or an exec plug-in.",
            )
        if login.certificate and (end := certificate_end(login.certificate[0])):
            if end < datetime.now(UTC):
                return CredentialsExpired(
                    f"The client certificate of {whose} expired on {end:%Y-%m-%d %H:%M} UTC.",
                    "Renew it (kubeadm: `kubeadm certs renew admin.conf`) and copy the kubeconfig anew.",
                )
            return CredentialsExpired(
                f"{what}: its certificate is signed by another CA, or the cluster was made anew.",
                "Copy the kubeconfig anew from the cluster.",
            )
        if (over := _jwt_end(login.headers.get("Authorization", ""))) and over < datetime.now(UTC):
            return CredentialsExpired(
                f"The token of {whose} expired on {over:%Y-%m-%d %H:%M} UTC.", "Log in again for a new one."
            )
        return CredentialsExpired(f"{what}.", "The token is wrong, expired or withdrawn: log in again.")

    def _make(self, deadline: Deadline) -> Login:
        number = self._login.number + 1 if self._login else 1
        user = self.chosen.user
        headers = HTTPHeaderDict()
        if user.impersonate:
            headers["Impersonate-User"] = user.impersonate
            for group in user.impersonate_groups:
                headers.add("Impersonate-Group", group)  # one line each: the server does not split at commas
            if user.impersonate_uid:
                headers["Impersonate-Uid"] = user.impersonate_uid
        certificate = self._own_certificate()
        expires = None
        token = user.token
        if user.token_file:  # wins over `token`, as in client-go
            path = self.chosen.user_folder / user.token_file
            token = read_named(path, f"the token of user “{self.chosen.user_name}”").decode().strip()
            expires = time.time() + _TOKEN_FILE_LIFE
        elif not token and user.exec is not None:
            status = run_plugin(self.chosen, user.exec, deadline)
            token, until = status.token, status.expires()
            # A plug-in that hands out what is already over would otherwise run before each request.
            expires = max(until - _EARLY, time.time() + 1) if until is not None else None
            if status.client_certificate_data and status.client_key_data:
                certificate = status.client_certificate_data.encode(), status.client_key_data.encode()
        elif not token and user.auth_provider is not None:
            headers["Authorization"] = from_auth_provider(self.chosen, user.auth_provider, deadline)
        if token:
            if not token.isascii() or not token.isprintable():
                raise KubeconfigError(
                    f"The token of user “{self.chosen.user_name}” holds characters that no token has.",
                    "Copy it anew, without line breaks.",
                )
            headers["Authorization"] = f"Bearer {token}"
        elif user.username and "Authorization" not in headers:
            pair = f"{user.username}:{user.password}"
            headers["Authorization"] = make_headers(basic_auth=pair)["authorization"]
        return Login(headers, certificate, expires, number)

    def _own_certificate(self) -> tuple[bytes, bytes] | None:
        user, folder = self.chosen.user, self.chosen.user_folder
        name = f"user “{self.chosen.user_name}”"
        parts = []
        for data, path, what in (
            (user.client_certificate_data, user.client_certificate, f"the client certificate of {name}"),
            (user.client_key_data, user.client_key, f"the client key of {name}"),
        ):
            if data:
                parts.append(from_base64(data, what))
            elif path:
                parts.append(read_named(folder / path, what))
        if len(parts) == 1:
            raise KubeconfigError(
                f"The {name} has a client certificate or a client key, but not both.",
                "Copy the other one too.",
            )
        return (parts[0], parts[1]) if parts else None


def _jwt_end(authorization: str) -> datetime | None:
    """The `exp` of a bearer token that is a JWT; nothing is verified, it only explains a 401."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
