"""The practice cluster's certificates.

Keys are computed from a fixed seed and signatures are deterministic, so that a machine's files are the same in
every run and a recorded answer stays true. They protect nothing but the practice cluster on the loopback.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FROM = datetime(2024, 1, 1, tzinfo=UTC)
VALID_TO = datetime(2049, 1, 1, tzinfo=UTC)
EXPIRED = datetime(2025, 1, 1, tzinfo=UTC)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the group of P-256


@dataclass(frozen=True)
class Credential:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str


def _key(seed: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha256(b"practice cluster " + seed.encode()).digest(), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@dataclass
class Pki:
    """One certificate authority and what it has issued."""

    name: str = "kubernetes"
    _issued: dict[tuple[str, ...], Credential] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = _key(f"ca {self.name}")
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
        certificate = (
            self._builder(self._subject, self._key, f"ca {self.name}", VALID_TO)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )
        self.ca = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, serial: str, until: datetime
    ) -> x509.CertificateBuilder:
        number = int(hashlib.sha256(serial.encode()).hexdigest()[:15], 16) + 1
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(VALID_FROM)
            .not_valid_after(until)
        )

    def client(self, user: str, group: str = "", until: datetime = VALID_TO) -> Credential:
        """A client certificate with CN `user` and O `group`."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        return self._issue(
            subject, f"client {user} {group}", until, [ExtendedKeyUsageOID.CLIENT_AUTH], [], []
        )

    def server(self, name: str, dns: tuple[str, ...], addresses: tuple[str, ...]) -> Credential:
        """A serving certificate for the given names and IP addresses."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._issue(
            subject, f"server {name}", VALID_TO, [ExtendedKeyUsageOID.SERVER_AUTH], list(dns), list(addresses)
        )

    def _issue(
        self,
        subject: x509.Name,
        seed: str,
        until: datetime,
        purposes: list[x509.ObjectIdentifier],
        dns: list[str],
        addresses: list[str],
    ) -> Credential:
        known = (seed, until.isoformat(), *dns, *addresses)
        if known not in self._issued:
            key = _key(f"{self.name} {seed}")
            builder = self._builder(subject, key, " ".join(known), until)
            builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            if dns or addresses:
                names: list[x509.GeneralName] = [x509.DNSName(n) for n in dns]
                names += [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
                builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(authority, critical=False)
            certificate = builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
            self._issued[known] = Credential(
                certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)
            )
        return self._issued[known]


def certificate_request(user: str, group: str) -> str:
    """A certificate signing request (PEM) with CN `user` and O `group`, the same in every run."""
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
        x509.NameAttribute(NameOID.COMMON_NAME, user),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    signed = builder.sign(_key(f"request {user} {group}"), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def subject_of(pem: str) -> tuple[str, str]:
    """(CN, first O) of the first certificate in `pem`."""
    certificate = x509.load_pem_x509_certificate(pem.encode())

    def first(oid: x509.ObjectIdentifier) -> str:
        values = certificate.subject.get_attributes_for_oid(oid)
        return str(values[0].value) if values else ""

    return first(NameOID.COMMON_NAME), first(NameOID.ORGANIZATION_NAME)


def validity_of(pem: str) -> tuple[float, float]:
    """(not before, not after) of the first certificate in `pem`, seconds since the epoch."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
