"""A certificate authority for tests."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Authority:
    """`certificate` and `key` are PEM."""

    certificate: bytes
    key: bytes

    @classmethod
    def create(cls, folder: Path | None = None, name: str = "test authority") -> Authority:
        """A new one; kept as ca.crt and ca.key in `folder`, if one is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name, [])
        now = datetime.now(UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        made = cls(built.public_bytes(serialization.Encoding.PEM), _pem(key))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "ca.crt").write_bytes(made.certificate)
            (folder / "ca.key").write_bytes(made.key)
        return made

    @classmethod
    def load(cls, folder: Path) -> Authority:
        return cls((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())

    def issue(
        self,
        name: str,
        *,
        groups: list[str] | None = None,
        hosts: list[str] | None = None,
        server: bool = False,
        starts: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=30),
    ) -> tuple[bytes, bytes]:
        """A certificate and its key (PEM); `starts` and `ends` count from now."""
        issuer = x509.load_pem_x509_certificate(self.certificate)
        own = serialization.load_pem_private_key(self.key, None)
        assert isinstance(own, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name, groups or []))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False
            )
        built = builder.sign(own, hashes.SHA256())
        return built.public_bytes(serialization.Encoding.PEM), _pem(key)

    def client_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate.decode())
        return context


def _name(name: str, groups: list[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
