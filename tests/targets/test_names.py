"""A name that does not resolve: the sentence says what DNS answered. A real server answers, on the loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from targets.names import why_unresolved


@contextmanager
def dns_server(code: dns.rcode.Rcode | None, address: str = "") -> Iterator[dns.resolver.Resolver]:
    """A DNS server that answers every question with `code` (None: never), and a resolver that asks it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                question, peer = sock.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            if code is None:
                continue
            answer = dns.message.make_response(dns.message.from_wire(question))
            answer.set_rcode(code)
            if address:
                name = answer.question[0].name
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
            sock.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = sock.getsockname()[1]
    try:
        yield resolver
    finally:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", sock.getsockname())
        thread.join(10)
        sock.close()


@pytest.mark.parametrize(
    ("code", "address", "said"),
    [
        (dns.rcode.NXDOMAIN, "", "is not known to DNS (127.0.0.1 was asked for win-1.corp.example)"),
        (dns.rcode.NOERROR, "", "has no IPv4 address in DNS (127.0.0.1)"),
        (dns.rcode.SERVFAIL, "", "does not resolve: DNS fails or refuses (127.0.0.1)"),
        (None, "", "does not resolve: no answer from DNS (127.0.0.1)"),
        (
            dns.rcode.NOERROR,
            "10.0.0.9",
            "does not resolve by the system, although DNS (127.0.0.1) has an address for it",
        ),
    ],
)
def test_what_dns_said_is_told(code: dns.rcode.Rcode | None, address: str, said: str) -> None:
    with dns_server(code, address) as resolver:
        assert why_unresolved("win-1.corp.example", 0.5, resolver) == said


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example"])
def test_what_is_no_name_is_called_so(name: str) -> None:
    with dns_server(dns.rcode.NXDOMAIN) as resolver:
        assert why_unresolved(name, 0.5, resolver) == "does not resolve: it is no DNS name"
