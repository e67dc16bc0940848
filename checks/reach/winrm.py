"""WinRM as the way into a node, judged from how far each attempt came."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from msgspec.structs import replace

from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import way_failed
from checks.finding import ERROR, WARN, CannotTell, Problem, Said
from facts.access import Access, Attempt, ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2022

_ORDER = ("config", "resolve", "connect", "tls", "auth", "shell", "command", "answer")
_TRUST = ("tls-untrusted", "tls-name", "tls-time", "tls-fingerprint", "tls-client", "tls")
_NO_WINRM = ("odd-port", "not-winrm", "dropped", "proxy", "tls-silent")
_LOGON = ("rejected", "scheme-off", "ticket", "access-denied", "shells-off", "kerberos-missing")


def _failure(access: Access) -> Attempt | None:
    """The WinRM attempt that failed; None where a way worked."""
    if access.way:
        return None
    return next((a for a in reversed(access.attempts) if a.way == "winrm"), None)


def _judge(access: Access, stage: str, hit: bool, failure: Attempt) -> Iterator[Said]:
    """What a check of `stage` says about `failure`: its own, of an earlier stage (then it cannot tell), or later."""
    if hit:
        where = f"{failure.way} {failure.address}: stage {failure.stage or 'config'}, {failure.code or failure.kind}"
        yield Problem(failure.why, proof={Access: where}, remedy=failure.hint)
    elif _ORDER.index(failure.stage or "config") <= _ORDER.index(stage):
        yield CannotTell(failure.why, hint=failure.hint)


def _coded(failure: Attempt, codes: Collection[str]) -> bool:
    return failure.code in codes


# How far WinRM came when it failed with this code, and the kind of the error.
_FAILURES = {
    "refused": ("connect", "unreachable"),
    "filtered": ("connect", "unreachable"),
    "name": ("resolve", "unreachable"),
    "odd-port": ("tls", "unreachable"),
    "rejected": ("auth", "credentials"),
    "no-way": ("config", "unreachable"),
    "scheme-off": ("auth", "credentials"),
    "tls-untrusted": ("tls", "unreachable"),
    "access-denied": ("shell", "permission-denied"),
    "held-back": ("auth", "credentials"),
    "unencrypted": ("config", "unreachable"),
    "quota": ("shell", "permission-denied"),
    "truncated": ("answer", "malformed"),
    "dropped": ("command", "malformed"),
    "deadline": ("answer", "deadline"),
}


def _case(
    name: str,
    code: str,
    example: str = FLANNEL_2022,
    *,
    finds: str = "",
    quiet: bool = False,
    unknown: bool = False,
) -> Case:
    """WinRM failed with `code`."""
    failure = way_failed(*_FAILURES[code], code, f"{name}.")
    return Case(name, example, (failure,), finds, quiet=quiet, unknown=unknown)


@check(
    "reach.winrm.port",
    title="Something speaks WinRM on the node",
    severity=ERROR,
    explains=[cause_of("reach.console.no-path")],
    cases=[
        _case("refused", "refused", finds="node"),
        _case("filtered", "filtered", CLASSIC_2019, finds="node"),
        _case("no such name", "name", finds="node"),
        _case("HTTPS on 5985", "odd-port", finds="node"),
        _case("wrong password", "rejected", quiet=True),
        _case("no way configured", "no-way", unknown=True),
    ],
)
def winrm_port(node: ThisNode, access: Access) -> Iterator[Said]:
    """Nothing about the inside of the node can be asked over WinRM; what depends on it is unknown, not broken.

    Rule: the name does not resolve, TCP 5985 (HTTP) or 5986 (HTTPS) is refused (no service or listener) or not
    answered (a firewall, or the node is down), or what listens there is not WinRM. A port that is neither is named:
    digits change places easily.
    Remedy: On the node, as administrator: `Enable-PSRemoting -Force`; for HTTPS `New-Item WSMan:\\localhost\\Listener
    -Transport HTTPS -Address * -CertificateThumbPrint THUMBPRINT -Force`; and `Enable-NetFirewallRule -Name
    WINRM-HTTP-In-TCP*` (the rule of the public profile admits only the node's own subnet).
    Confused with: rejected credentials (reach.winrm.auth): then something does listen. A node that runs well can
    still have no WinRM.
    Source: pywinrm, transport.py and README (ports); Microsoft Learn, "Installation and configuration for Windows
    Remote Management".
    """
    failure = _failure(access)
    if failure is None:
        return
    early = failure.stage in ("resolve", "connect") or (
        failure.stage in ("tls", "auth") and failure.code in _NO_WINRM
    )
    port = urlsplit(failure.address).port
    if failure.code in ("refused", "filtered") and port not in (5985, 5986):
        doubt = f"Port {port} is neither 5985 nor 5986: look first whether `port` of its [[nodes]] entry is meant."
        failure = replace(failure, hint=f"{doubt} {failure.hint}".strip())
    yield from _judge(access, "connect", early, failure)


@check(
    "reach.winrm.auth",
    title="The node lets the console log on",
    severity=ERROR,
    explains=[cause_of("reach.console.no-path")],
    cases=[
        _case("wrong password", "rejected", finds="node"),
        _case("scheme is off", "scheme-off", CLASSIC_2019, finds="node"),
        _case("unknown CA", "tls-untrusted", finds="node"),
        _case("no admin", "access-denied", finds="node"),
        _case("another node has rejected it", "held-back", unknown=True),
        _case("no connection", "refused", unknown=True),
    ],
)
def winrm_auth(node: ThisNode, access: Access) -> Iterator[Said]:
    """The node answers, but console and node do not come to trust each other.

    Rule: HTTP 401 whose WWW-Authenticate lacks the scheme that was used: the scheme is switched off. 401 with the
    scheme offered: wrong credentials, or a local administrator filtered by remote UAC. A TLS certificate that is not
    trusted, and a user who may log on but not open a shell, count too. A user that was held back after another
    node's rejection is not judged here.
    Remedy: Check user and password. For a local administrator other than the built-in one, on the node:
    `Set-ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System
    LocalAccountTokenFilterPolicy 1 -Type DWord`. Basic only over HTTPS: `Set-Item
    WSMan:\\localhost\\Service\\Auth\\Basic $true`.
    Confused with: every 401 looks like a wrong password in pywinrm's own message. Basic knows local accounts only;
    Kerberos fails when the clocks are more than five minutes apart.
    Source: pywinrm, transport.py; https://github.com/diyan/pywinrm/issues/188 and /154.
    """
    failure = _failure(access)
    if failure is None:
        return
    hit = _coded(failure, _LOGON) or (failure.stage == "tls" and failure.code in _TRUST)
    yield from _judge(access, "auth", hit, failure)


@check(
    "reach.winrm.unencrypted",
    title="WinRM is not asked to send a password in the clear",
    severity=ERROR,
    explains=[cause_of("reach.console.no-path")],
    cases=[
        _case("Basic over HTTP", "unencrypted", finds="node"),
        _case("filtered", "filtered", quiet=True),
    ],
)
def winrm_unencrypted(node: ThisNode, access: Access) -> Iterator[Said]:
    """Basic over plain HTTP shows the password to everybody on the way, and a node refuses it by default.

    Rule: transport is basic and https is false: refused here, before anything is sent.
    Remedy: In the configuration of the console set `https = true`, or `transport = "ntlm"`, which seals every
    message on the same port. Do not set AllowUnencrypted on the node.
    Confused with: wrong credentials: NTLM and Kerberos work on the same port.
    Source: https://github.com/diyan/pywinrm/issues/105 and /154.
    """
    failure = _failure(access)
    if failure is not None and failure.code == "unencrypted":
        yield from _judge(access, "config", True, failure)


@check(
    "reach.winrm.quota",
    title="WinRM on the node has room for one more shell",
    severity=WARN,
    explains=[cause_of("reach.console.no-path")],
    cases=[
        _case("too many shells", "quota", finds="node"),
        Case(
            "out of memory",
            FLANNEL_2022,
            (way_failed("answer", "malformed", "quota", "The shell ran out of memory."),),
            finds="node",
        ),
        _case("no connection", "refused", unknown=True),
    ],
)
def winrm_quota(node: ThisNode, access: Access) -> Iterator[Said]:
    """WinRM limits shells, users and memory; shells that were left open use them up.

    Rule: a WSMan fault with a quota's number or with an MSFT_WmiError inside, or System.OutOfMemoryException on
    standard error. 0x80338029 (nothing came within the receive window) is no fault.
    Remedy: `Restart-Service WinRM` on the node closes what was left open; `Set-Item
    WSMan:\\localhost\\Shell\\MaxShellsPerUser 50` and `…\\MaxMemoryPerShellMB 2048` raise the limits.
    Confused with: a node that hangs: there no fault comes at all.
    Source: MS-WSMV 3.1.4.5.2.1; pywinrm, protocol.py; pypsrp, powershell.py.
    """
    failure = _failure(access)
    if failure is not None:
        yield from _judge(access, "shell", failure.code == "quota", failure)


@check(
    "reach.winrm.output-size",
    title="The node's answer arrives whole",
    severity=WARN,
    explains=[cause_of("reach.console.no-path")],
    cases=[
        _case("cut off", "truncated", finds="node"),
        _case("dropped", "dropped", finds="node"),
        _case("slow", "deadline", unknown=True),
        _case("no connection", "refused", unknown=True),
    ],
)
def winrm_output(node: ThisNode, access: Access) -> Iterator[Said]:
    """The collector ran, and its answer cannot be used: nothing may be concluded about the node.

    Rule: the last line of the protocol did not come, or a part does not have the length and hash that the node
    announced.
    Remedy: Ask again. If it happens again look at `Get-WinEvent Microsoft-Windows-WinRM/Operational` on the node and
    at proxies and endpoint protection on the way.
    Confused with: a fault of the node: the parts that came whole are used.
    Source: https://github.com/diyan/pywinrm/issues/114 (envelope limits); docs/collector.md.
    """
    failure = _failure(access)
    if failure is not None:
        hit = (
            failure.kind == "malformed"
            and failure.stage in ("shell", "command", "answer")
            and failure.code != "quota"
        )
        yield from _judge(access, "answer", hit, failure)
