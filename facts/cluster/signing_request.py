"""Certificate signing requests, and who they are for."""

from __future__ import annotations

import base64
import binascii

from facts.cluster.objects import Condition, Metadata, Obj

NODE = "system:node:"


class CsrSpec(Obj, frozen=True):
    signer_name: str = ""
    username: str = ""
    request: str = ""  # base64 of the PEM


class CsrStatus(Obj, frozen=True):
    conditions: tuple[Condition, ...] = ()
    certificate: str = ""


class CsrObject(Obj, frozen=True):
    metadata: Metadata = Metadata()
    spec: CsrSpec = CsrSpec()
    status: CsrStatus = CsrStatus()

    @property
    def node_name(self) -> str:
        """The node that the certificate is for; empty where that cannot be read."""
        return node_of(self.spec.username, self.spec.request)


def node_of(username: str, request: str) -> str:
    """The node that a request is for: from who asks (a renewal), else from the common name inside.

    `request` is `spec.request`: base64 of a PEM request. Empty where neither names a node.
    """
    if username.startswith(NODE):
        return username.removeprefix(NODE)
    name = _common_name(request)
    return name.removeprefix(NODE) if name.startswith(NODE) else ""


def _common_name(request: str) -> str:
    from cryptography import x509  # late: it loads a native library, and few clusters have open requests
    from cryptography.x509.oid import NameOID

    try:
        subject = x509.load_pem_x509_csr(base64.b64decode(request, validate=True)).subject
    except (ValueError, binascii.Error):
        return ""
    return next((str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)), "")
