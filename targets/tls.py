"""TLS of the cluster wire: the context, and one plain sentence for each way in which trust can fail."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from targets.errors import Unreachable
from targets.kubeconfig import Chosen, ClusterEntry, KubeconfigError

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
# 7 is "certificate signature failure": another CA of the same name. kubeadm calls all of them "kubernetes".
_UNKNOWN_ISSUER = {2, 7, 18, 19, 20, 21}
_NAME_MISMATCH = {62, 64}


def make_context(chosen: Chosen, certificate: tuple[bytes, bytes] | None) -> ssl.SSLContext:
    """The TLS settings of a cluster entry, with our own certificate and key (PEM) where there is one."""
    authority = _authority(chosen)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Newer Pythons turn this on; private CAs (k3s, EKS) lack the extensions it wants, and kubectl takes them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not authority:
        context.load_default_certs()
    else:  # a named CA replaces those of the system
        try:
            context.load_verify_locations(cadata=authority.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise KubeconfigError(
                f"The certificate authority of cluster “{chosen.cluster_name}” is not a PEM certificate.",
                "Copy certificate-authority-data anew from the cluster.",
            ) from None
    if chosen.cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        _load_own(context, certificate, chosen)
    return context


def _authority(chosen: Chosen) -> bytes:
    cluster: ClusterEntry = chosen.cluster
    what = f"the certificate authority of cluster “{chosen.cluster_name}”"
    if cluster.certificate_authority_data:
        return from_base64(cluster.certificate_authority_data, what)
    if cluster.certificate_authority:
        return read_named(chosen.cluster_folder / cluster.certificate_authority, what)
    return b""


def from_base64(text: str, what: str) -> bytes:
    """Decode a `*-data` field; KubeconfigError names it and never quotes it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise KubeconfigError(
            f"The data of {what} is not base64.", "Copy it anew; a line may be cut."
        ) from None


def read_named(path: Path, what: str) -> bytes:
    """Read a file that a kubeconfig names; KubeconfigError says which."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KubeconfigError(
            f"The file of {what}, {path}, does not exist.", "Correct the kubeconfig."
        ) from None
    except OSError as error:
        raise KubeconfigError(f"The file of {what}, {path}, cannot be read: {error.strerror}.") from None


def _load_own(context: ssl.SSLContext, certificate: tuple[bytes, bytes], chosen: Chosen) -> None:
    # OpenSSL's Python binding takes files only: one with mode 0600, gone before anything else happens.
    handle, name = tempfile.mkstemp(prefix="kwinnow-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate[0] + b"\n" + certificate[1])
        context.load_cert_chain(name, password=lambda: "")  # else OpenSSL would ask at the terminal
    except (ssl.SSLError, ValueError):
        raise KubeconfigError(
            f"The client certificate of user “{chosen.user_name}” cannot be used: certificate or key is "
            "damaged, encrypted, or they do not belong together.",
            "Copy client-certificate-data and client-key-data anew.",
        ) from None
    finally:
        Path(name).unlink(missing_ok=True)


def certificate_end(pem: bytes) -> datetime | None:
    """When the first certificate in `pem` ends (UTC), or None if it cannot be read."""
    from cryptography import x509  # costs 60 ms, and is wanted only to explain a 401

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None


def distrusted(error: ssl.SSLError, chosen: Chosen) -> Unreachable:
    """Say which kind of distrust `error` is, and what mends it."""
    server = chosen.cluster.server
    if not isinstance(error, ssl.SSLCertVerificationError):
        return _handshake_failed(error, chosen)
    code = error.verify_code
    if code == _EXPIRED:
        return Unreachable(
            f"The TLS certificate of {server} has expired.",
            "Renew it on the control plane (kubeadm: `kubeadm certs renew apiserver`), and check this clock: "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        )
    if code == _NOT_YET_VALID:
        return Unreachable(
            f"The TLS certificate of {server} is not valid yet.",
            f"Check the clocks; here it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        )
    if code in _NAME_MISMATCH:
        asked = f" (asked for: {chosen.cluster.tls_server_name})" if chosen.cluster.tls_server_name else ""
        return Unreachable(
            f"The TLS certificate of {server} is for other names{asked}.",
            "Use a name that it holds in `server`, or set `tls-server-name` of the cluster entry to one.",
        )
    if code in _UNKNOWN_ISSUER:
        entry = chosen.cluster
        named = entry.certificate_authority or entry.certificate_authority_data
        whose = "the certificate-authority of the kubeconfig" if named else "the system's authorities"
        return Unreachable(
            f"The TLS certificate of {server} is not signed by {whose}.",
            f"Copy the cluster's CA into `certificate-authority-data` of cluster “{chosen.cluster_name}”; "
            "a proxy that opens TLS has the same effect.",
        )
    return Unreachable(f"The TLS certificate of {server} cannot be trusted: {error.verify_message}.")


def _handshake_failed(error: ssl.SSLError, chosen: Chosen) -> Unreachable:
    reason = (error.reason or "").upper()
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason or "RECORD_LAYER" in reason:
        return Unreachable(
            f"{chosen.cluster.server} does not speak TLS.", "Is the port right, or is it http:// there?"
        )
    if "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason):
        return Unreachable(
            f"{chosen.cluster.server} does not accept the client certificate of user “{chosen.user_name}”.",
            "Renew it, or copy it anew from the cluster.",
        )
    told = reason.lower().replace("_", " ") or "the connection ended"
    return Unreachable(
        f"No TLS connection to {chosen.cluster.server}: {told}.", "Check port, proxy and TLS version."
    )
