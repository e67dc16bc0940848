"""Who is at the other end: Negotiate (NTLM), Kerberos, Basic over TLS, a client certificate; and sealed messages.

Kerberos needs the keytab that $KRB5_KTNAME names, and pyspnego's extra `kerberos`.

An `Authentication` belongs to one connection, as on a real node: once it is through, the connection is trusted.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import NoContextError, SpnegoError

from lab.windows.conditions import Conditions

MUTUAL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
SPNEGO = "application/HTTP-SPNEGO-session-encrypted"
_BOUNDARY = b"--Encrypted Boundary"

# pyspnego's NTLM acceptor knows one store of passwords: a file named by this variable of the process.
_STORE = "NTLM_USER_FILE"
_store_lock = threading.Lock()
_KRB5 = bytes.fromhex("06092a864886f712010202")  # RFC 4121's mechanism, as the head of a token names it


# Schemes that log a connection on in steps, by the name under which a node offers them.
_HANDSHAKES = {"negotiate": "Negotiate", "ntlm": "Negotiate", "kerberos": "Kerberos"}


@dataclass(frozen=True)
class Credentials:
    """The one account of a node that may log on. `certificate_subject` is the CN of its client certificate."""

    user: str
    password: str
    certificate_subject: str = ""


class BadMessage(ValueError):
    """A sealed message that cannot be opened."""


@dataclass(frozen=True)
class Verdict:
    """Whether a request may go on, and what its answer's `WWW-Authenticate` headers must say."""

    allowed: bool
    headers: tuple[str, ...] = ()


class PasswordStore:
    """A node's account in the form that the NTLM acceptor reads."""

    def __init__(self, credentials: Credentials, host: str, folder: Path | None = None) -> None:
        user, password = credentials.user, credentials.password
        if ":" in user + password:
            raise ValueError(
                "The store of the NTLM acceptor divides its fields by colons; choose a password without."
            )
        domain, _, name = user.rpartition("\\")
        domains = [domain] if domain else ["", host, host.upper(), "WORKGROUP", "."]
        handle, path = tempfile.mkstemp(prefix="lab-ntlm-", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{d}:{name}:{password}\n" for d in dict.fromkeys(domains))
        self.path = Path(path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class Authentication:
    """The authentication of one connection."""

    def __init__(
        self,
        credentials: Credentials,
        store: PasswordStore,
        *,
        tls: bool,
        certificate_subject: str | None,
        channel: bytes = b"",
    ) -> None:
        """`channel`: the digest of the server's certificate, which a client's login must be bound to (RFC 5929)."""
        self._credentials = credentials
        self._store = store
        self._tls = tls
        self._subject = certificate_subject
        self._context: spnego.ContextProxy | None = None
        self._channel = (
            GssChannelBindings(application_data=b"tls-server-end-point:" + channel) if channel else None
        )
        self.user: str | None = None

    def check(self, headers: Mapping[str, str], conditions: Conditions) -> Verdict:
        """Judges one request by its headers (names in lower case)."""
        given = headers.get("authorization", "")
        scheme, _, value = given.partition(" ")
        if self.user is not None and not given:
            return Verdict(True)
        if given == MUTUAL and self._tls and "Certificate" in conditions.schemes:
            wanted = self._credentials.certificate_subject
            if self._subject and self._subject == wanted and not conditions.rejected:
                self.user = self._credentials.user
                return Verdict(True)
        elif scheme.lower() == "basic" and self._tls and "Basic" in conditions.schemes:
            if not conditions.rejected and self._basic(value):
                self.user = self._credentials.user
                return Verdict(True)
        elif _HANDSHAKES.get(scheme.lower()) in conditions.schemes:
            return self._negotiate(scheme, value, conditions)
        return Verdict(False, self._offers(conditions))

    def _offers(self, conditions: Conditions) -> tuple[str, ...]:
        offers: list[str] = [scheme for scheme in ("Negotiate", "Kerberos") if scheme in conditions.schemes]
        # A service that allows no unencrypted traffic does not offer Basic without TLS.
        if "Basic" in conditions.schemes and self._tls:
            offers.append('Basic realm="WSMAN"')
        return tuple(offers)

    def _basic(self, value: str) -> bool:
        try:
            raw = base64.b64decode(value)
        except binascii.Error:
            return False
        wanted = self._credentials
        # Clients differ in how they write letters beyond ASCII: RFC 7617 leaves it open.
        for charset in ("utf-8", "latin-1"):
            user, _, password = raw.decode(charset, "replace").partition(":")
            if user.lower() == wanted.user.lower() and password == wanted.password:
                return True
        return False

    def _negotiate(self, scheme: str, value: str, conditions: Conditions) -> Verdict:
        refused = Verdict(False, self._offers(conditions))
        try:
            token = base64.b64decode(value)
        except binascii.Error:
            return refused
        try:
            with _store_lock:
                before = os.environ.get(_STORE)
                os.environ[_STORE] = str(self._store.path)
                try:
                    reply = self._step(token)
                finally:
                    if before is None:
                        del os.environ[_STORE]
                    else:
                        os.environ[_STORE] = before
        except (SpnegoError, ValueError, struct.error, AttributeError):
            # AttributeError: pyspnego asks a Kerberos context for its flags when its first token was refused.
            self._context = None
            return refused
        context = self._context
        headers = (f"{scheme} {base64.b64encode(reply).decode('ascii')}",) if reply else ()
        if context is None or not context.complete:
            return Verdict(False, headers)
        if conditions.rejected:
            self._context = None
            return refused
        self.user = context.client_principal or self._credentials.user
        return Verdict(True, headers)

    def _step(self, token: bytes) -> bytes | None:
        if self._context is None or self._context.complete:
            options = spnego.NegotiateOptions
            if token.startswith(b"NTLMSSP\x00"):
                self._context = spnego.server(
                    protocol="ntlm", options=options.use_ntlm, channel_bindings=self._channel
                )
            elif _KRB5 in token[:20]:  # bare Kerberos, not wrapped in SPNEGO
                self._context = spnego.server(
                    service="HTTP", protocol="kerberos", channel_bindings=self._channel
                )
            else:
                self._context = spnego.server(
                    protocol="negotiate",
                    options=options.use_negotiate | options.use_ntlm,
                    channel_bindings=self._channel,
                )
        return self._context.step(token)

    @property
    def seals(self) -> bool:
        """Whether this connection's messages can be sealed."""
        return self._context is not None and self._context.complete

    def open(self, body: bytes) -> bytes:
        """The envelope inside a `multipart/encrypted` body; BadMessage if it cannot be opened."""
        context = self._context
        parts = body.split(_BOUNDARY + b"\r\n", 2)
        mark = b"\tContent-Type: application/octet-stream\r\n"
        if context is None or len(parts) != 3 or not parts[2].startswith(mark):
            raise BadMessage("not a sealed message")
        data = parts[2][len(mark) :].removesuffix(_BOUNDARY + b"--\r\n")
        (size,) = struct.unpack("<i", data[:4])
        try:
            return context.unwrap_winrm(data[4 : 4 + size], data[4 + size :])
        except (SpnegoError, NoContextError) as error:
            raise BadMessage(str(error)) from error

    def seal(self, envelope: bytes) -> tuple[str, bytes]:
        """Content type and body of a sealed answer."""
        assert self._context is not None
        sealed = self._context.wrap_winrm(envelope)
        length = len(envelope) + sealed.padding_length
        head = (
            _BOUNDARY
            + f"\r\n\tContent-Type: {SPNEGO}\r\n\tOriginalContent: type=application/soap+xml;charset=UTF-8;"
            f"Length={length}\r\n".encode("ascii")
            + _BOUNDARY
            + b"\r\n\tContent-Type: application/octet-stream\r\n"
        )
        body = head + struct.pack("<i", len(sealed.header)) + sealed.header + sealed.data
        kind = f'multipart/encrypted;protocol="{SPNEGO}";boundary="Encrypted Boundary"'
        return kind, body + _BOUNDARY + b"--\r\n"
