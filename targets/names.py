"""Why a name does not resolve: what this machine's DNS servers say, which the system's resolver keeps to itself."""

from __future__ import annotations

LIFETIME = 3.0  # seconds for all servers together


def why_unresolved(host: str, seconds: float = LIFETIME, resolver: object = None) -> str:
    """The end of the sentence "the name … ": what DNS answered for `host`, and who was asked.

    Asked only after the system's resolver has failed, so hosts files and the like have had their turn. Never raises;
    `resolver` is a dns.resolver.Resolver other than the system's.
    """
    import dns.exception
    import dns.resolver

    try:
        asked = resolver if isinstance(resolver, dns.resolver.Resolver) else dns.resolver.Resolver()
    except (dns.resolver.NoResolverConfiguration, OSError):
        return "does not resolve: this machine has no DNS server configured"
    servers = ", ".join(str(server) for server in asked.nameservers) or "none"
    try:
        asked.resolve(host, "A", lifetime=min(seconds, LIFETIME), search=True)
    except dns.resolver.NXDOMAIN as error:
        names = ", ".join(str(name).rstrip(".") for name in error.kwargs.get("qnames", ()))
        return f"is not known to DNS ({servers} was asked for {names or host})"
    except dns.resolver.NoAnswer:
        return f"has no IPv4 address in DNS ({servers})"
    except dns.exception.Timeout:
        return f"does not resolve: no answer from DNS ({servers})"
    except dns.resolver.NoNameservers:
        return f"does not resolve: DNS fails or refuses ({servers})"
    except (dns.exception.DNSException, UnicodeError, OSError):  # an empty or too long label, among others
        return "does not resolve: it is no DNS name"
    return f"does not resolve by the system, although DNS ({servers}) has an address for it"
