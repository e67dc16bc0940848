"""TLS to a node: validated against the system's CAs, an own CA file, or a pinned certificate; never
unvalidated.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from targets.errors import TargetError, Unreachable
from targets.http_wire import Hold
from targets.winrm_errors import Peer, dropped, staged, wrong_protocol

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_TIME = {9: "is not valid yet", 10: "has expired"}
_NAME = {62, 64}


def fingerprint_of(certificate: bytes) -> str:
    """The SHA-256 of a DER certificate, lower-case hex."""
    return hashlib.sha256(certificate).hexdigest()


def make_context(
    peer: Peer, ca_file: str, fingerprint: str, certificate: tuple[str, str] | None
) -> ssl.SSLContext:
    """The TLS settings of one node; `certificate` is our own, as PEM files (certificate, key)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Newer Pythons turn this on; the private CAs of Windows domains often lack the extensions that it wants.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if peer.scheme == "certificate":
        # http.sys asks for the certificate after the handshake, which TLS 1.3 clients in Python do not
        # answer: https://github.com/ansible/ansible/issues/79434
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if fingerprint:  # then the pin is the trust, and no chain is asked for
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file:  # a named CA replaces those of the system
        try:
            context.load_verify_locations(cafile=str(Path(ca_file).expanduser()))
        except OSError as error:  # ssl.SSLError is one
            raise _bad_file(peer, "ca_file", ca_file, error) from None
    else:
        context.load_default_certs()
    if certificate is not None:
        try:
            # The empty password keeps OpenSSL from asking at the terminal.
            paths = [str(Path(name).expanduser()) for name in certificate]
            context.load_cert_chain(paths[0], paths[1], password=lambda: "")
        except (OSError, ValueError) as error:
            raise _bad_file(peer, "certificate_file and key_file", certificate[0], error) from None
    return context


def _bad_file(peer: Peer, key: str, name: str, error: Exception) -> TargetError:
    if isinstance(error, FileNotFoundError):
        why = "does not exist"
    elif isinstance(error, PermissionError):
        why = "may not be read"
    else:
        why = "is not usable PEM (damaged, encrypted, or of another key)"
    return staged(
        Unreachable(f"{peer.node}: the file {name} {why}.", f"Correct {key} of its [[nodes]] entry."),
        "config",
        "file",
    )


def wrap(
    sock: socket.socket,
    peer: Peer,
    context: ssl.SSLContext,
    fingerprint: str,
    hold: Hold,
    raise_if_over: Callable[[], None],
) -> ssl.SSLSocket:
    """Agree on TLS over `sock`, whose time limit stays as it is. TargetError says why not."""
    secure = context.wrap_socket(sock, server_hostname=peer.host, do_handshake_on_connect=False)
    hold.take(secure)
    try:
        secure.do_handshake()
        if fingerprint:
            _compare(peer, secure, fingerprint)
    except TargetError:
        secure.close()
        raise
    except OSError as error:
        secure.close()
        raise_if_over()
        raise _explained(error, peer) from None
    return secure


def _compare(peer: Peer, secure: ssl.SSLSocket, wanted: str) -> None:
    have = fingerprint_of(secure.getpeercert(binary_form=True) or b"")
    if not hmac.compare_digest(have, wanted):
        raise staged(
            Unreachable(
                f"The TLS certificate of {peer.label} is not the pinned one: its SHA-256 is {have}.",
                "If the node was given a new certificate, compare on the node (`Get-ChildItem "
                "Cert:\\LocalMachine\\My`) and change `fingerprint`; if not, somebody is in between.",
            ),
            "tls",
            "tls-fingerprint",
        )


def _explained(error: OSError, peer: Peer) -> TargetError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error, peer)
    if isinstance(error, TimeoutError):
        return staged(
            Unreachable(
                f"{peer.label} took the connection and does not answer to TLS.",
                "Is it HTTPS on that port? On the node: `winrm enumerate winrm/config/listener`.",
            ),
            "tls",
            "tls-silent",
        )
    reason = (getattr(error, "reason", None) or "").upper()
    if any(word in reason for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")):
        return wrong_protocol(peer)
    if peer.scheme == "certificate" and "ALERT" in reason and "VERSION" not in reason:
        return staged(
            Unreachable(
                f"{peer.label} does not accept our client certificate in the TLS handshake.",
                "Its CA must be in the node's Trusted Root store: `Get-ChildItem Cert:\\LocalMachine\\Root`.",
            ),
            "tls",
            "tls-client",
        )
    if not reason or "EOF" in reason:
        return dropped(peer, "tls")
    return staged(
        Unreachable(
            f"No TLS connection to {peer.label}: {reason.lower().replace('_', ' ')}.",
            "Windows Server 2019 and older need TLS 1.2; check what the node's policy allows.",
        ),
        "tls",
        "tls",
    )


def _distrusted(error: ssl.SSLCertVerificationError, peer: Peer) -> Unreachable:
    number = error.verify_code
    if number in _TIME:
        return staged(
            Unreachable(
                f"The TLS certificate of {peer.label} {_TIME[number]}.",
                "Check both clocks, or give the listener a new certificate: `winrm enumerate "
                "winrm/config/listener`.",
            ),
            "tls",
            "tls-time",
        )
    if number in _NAME:
        return staged(
            Unreachable(
                f"The TLS certificate of {peer.label} is for other names than “{peer.host}”.",
                "Set `host` to a name that the certificate holds, or pin it with `fingerprint`.",
            ),
            "tls",
            "tls-name",
        )
    return staged(
        Unreachable(
            f"The TLS certificate of {peer.label} is not signed by a CA that is trusted here.",
            "Set `ca_file` to the CA's PEM file, or `fingerprint` to the certificate's SHA-256 (on the node: "
            "`Get-ChildItem Cert:\\LocalMachine\\My`).",
        ),
        "tls",
        "tls-untrusted",
    )
