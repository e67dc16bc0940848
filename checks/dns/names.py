"""Names of Services as people write them, and what a log says when one does not resolve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from checks.workload.configured import Words, configured
from facts.cluster.objects import PodObject
from facts.cluster.pod_logs import PodTail
from facts.cluster.workloads import ServiceObjects

# SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc, ended by what may follow a host name; a longer name does not
# match.
_PARTIAL = re.compile(
    r"(?<![\w.\-])(?P<service>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\.(?P<namespace>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
    r"(?P<svc>\.svc)?(?=\.?(?:[:/?\s\"'`),;\]}<>]|$))"
)

# How runtimes say that the resolver knows no such name. Time-outs are not among them: those are transport.
# Go, .NET and curl, Node.js, Java, Python, nslookup, Resolve-DnsName, and the numbers behind them.
_UNKNOWN_NAME = re.compile(
    r"no such host|could not resolve host|couldn't resolve host|ENOTFOUND|UnknownHostException"
    r"|getaddrinfo failed|non-existent domain|DNS name does not exist|name could not be resolved"
    r"|NXDOMAIN|WSAHOST_NOT_FOUND|\b11001\b|\b11004\b|\b9003\b|DNS_ERROR_RCODE_NAME_ERROR|0x2af9|0x0*232b|0x8007232b",
    re.IGNORECASE,
)


class Partial(msgspec.Struct, frozen=True):
    """A dotted name of an existing Service that leaves the cluster's domain off."""

    written: str  # api.shop
    full: str  # api.shop.svc.cluster.local


class Failure(msgspec.Struct, frozen=True):
    """A log line of a pod in which such a name was not found."""

    partial: Partial
    line: str


def partial_names(text: str, services: ServiceObjects, domain: str) -> Iterator[Partial]:
    """The partial names in `text` that belong to a Service that exists, each once."""
    seen: set[str] = set()
    for match in _PARTIAL.finditer(text):
        pair = (match["service"], match["namespace"])
        if match[0] in seen:
            continue
        seen.add(match[0])
        # Looked up only now: thousands of texts meet thousands of Services, and few texts hold such a name.
        if any((s.metadata.name, s.metadata.namespace) == pair for s in services.items):
            yield Partial(match[0], f"{pair[0]}.{pair[1]}.svc.{domain}")


def in_configuration(
    pod: PodObject, services: ServiceObjects, domain: str
) -> Iterator[tuple[Words, Partial]]:
    """Where the pod is told a partial name."""
    for words in configured(pod):
        for partial in partial_names(words.text, services, domain):
            yield words, partial


def failed_lookups(tail: PodTail, services: ServiceObjects, domain: str) -> Iterator[Failure]:
    """Look-ups of partial names that failed, by the pod's own log: each name once, with its last line."""
    last: dict[str, Failure] = {}
    for line in tail.text.splitlines():
        if _UNKNOWN_NAME.search(line):
            for partial in partial_names(line, services, domain):
                last[partial.written] = Failure(partial, line.strip())
    yield from last.values()


def tail_of(tails: Iterable[PodTail], pod: PodObject) -> PodTail | None:
    return next(
        (t for t in tails if (t.namespace, t.pod) == (pod.metadata.namespace, pod.metadata.name)), None
    )
