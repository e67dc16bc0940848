"""Versions, quantities, spans, pipe names and signing requests as they are written in the field."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from checks.runtime.named_pipes import pipe_of
from checks.versions import amount, minor, numbers, span
from facts.cluster.signing_request import CsrObject, CsrSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1.31.4", (1, 31, 4)),
        ("19.03.18", (19, 3, 18)),
        ("v2.0.0-rc.1", (2, 0, 0)),
        ("containerd", ()),
        ("", ()),
    ],
)
def test_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("v1.18.20", 18), ("v1.31", 31), ("v2.1.0", None), ("", None)]
)
def test_minor(text: str, expected: int | None) -> None:
    assert minor(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16Gi", 16 * 2**30),
        ("104755180Ki", 104755180 * 1024),
        ("4", 4),
        ("100m", 0.1),
        ("0", 0),
        ("?", None),
        ("", None),
    ],
)
def test_amount(text: str, expected: float | None) -> None:
    assert amount(text) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=42), "42 s"),
        (timedelta(seconds=90), "90 s"),
        (timedelta(minutes=14, seconds=5), "14 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=-4, hours=-3), "4 d 3 h"),
    ],
)
def test_span(length: timedelta, expected: str) -> None:
    assert span(length) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("npipe:////.//pipe//containerd-containerd", "containerd-containerd"),
        ("npipe:////./pipe/containerd-containerd", "containerd-containerd"),
        ("npipe://./pipe/containerd-containerd", "containerd-containerd"),
        (r"\\.\pipe\containerd-k8s", "containerd-k8s"),
        ("unix:///run/containerd/containerd.sock", ""),
        ("", ""),
    ],
)
def test_pipe_of(address: str, expected: str) -> None:
    assert pipe_of(address) == expected


def request_for(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    built = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(built.public_bytes(Encoding.PEM)).decode()


def test_bootstrap_request_names_its_node() -> None:
    spec = CsrSpec(username="system:bootstrap:abcdef", request=request_for("system:node:win-7"))
    assert CsrObject(spec=spec).node_name == "win-7"


def test_renewal_names_its_node() -> None:
    assert CsrObject(spec=CsrSpec(username="system:node:win-1")).node_name == "win-1"


@pytest.mark.parametrize("request_text", ["", "not base64!", base64.b64encode(b"no PEM").decode()])
def test_unreadable_request_names_nobody(request_text: str) -> None:
    spec = CsrSpec(username="system:bootstrap:abcdef", request=request_text)
    assert CsrObject(spec=spec).node_name == ""


def test_request_of_a_person_names_no_node() -> None:
    assert CsrObject(spec=CsrSpec(username="jane", request=request_for("jane"))).node_name == ""
