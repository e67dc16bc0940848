"""What goes wrong on the way to a node's WinRM service, as a TargetError with stage, code and the way out.

Hints name the exact command to run on the node. Nothing here quotes a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from targets.deadline import spoken
from targets.errors import DeadlineExceeded, MalformedAnswer, TargetError, Unreachable

Stage = Literal["config", "resolve", "connect", "tls", "auth", "shell", "command", "answer"]
Scheme = Literal["ntlm", "kerberos", "certificate", "basic"]

E = TypeVar("E", bound=TargetError)


@dataclass(frozen=True)
class Peer:
    """Who we talk to, in the words of messages. `proxy` has no user in it."""

    node: str
    host: str
    port: int
    https: bool
    scheme: Scheme
    user: str = ""
    proxy: str = ""
    literal: bool = False  # the host stands in the configuration as a loopback address: it is meant

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.https else 'http'}://{host}:{self.port}"

    @property
    def label(self) -> str:
        return f"{self.node} ({self.address})"


def staged(error: E, stage: Stage, code: str) -> E:
    """`error` with its stage and code."""
    error.stage, error.code = stage, code
    return error


def listener_hint(peer: Peer) -> str:
    if peer.https:
        return (
            "On the node, as administrator: `New-Item WSMan:\\localhost\\Listener -Transport HTTPS "
            "-Address * -CertificateThumbPrint THUMBPRINT -Force`, then `Get-Service WinRM`."
        )
    return "On the node, as administrator: `Enable-PSRemoting -Force` (or `winrm quickconfig`)."


def firewall_hint(peer: Peer) -> str:
    if peer.https or peer.port != 5985:
        return (
            "On the node, as administrator: `New-NetFirewallRule -Name kwinnow-winrm -DisplayName WinRM "
            f"-Direction Inbound -Protocol TCP -LocalPort {peer.port} -Action Allow`; check firewalls on "
            "the way."
        )
    return (
        "On the node, as administrator: `Enable-NetFirewallRule -Name WINRM-HTTP-In-TCP*`; for the public "
        "profile that rule admits only the node's own subnet (`-RemoteAddress` widens it)."
    )


def no_such_name(peer: Peer, host: str, why: str) -> Unreachable:
    whose = f"The proxy {peer.proxy} of {peer.node}" if host != peer.host else peer.node
    return staged(
        Unreachable(
            f"{whose} cannot be found: the name “{host}” {why}.",
            "Set `host` of its [[nodes]] entry to a name or address that this machine can resolve.",
        ),
        "resolve",
        "name",
    )


def refused(peer: Peer, *, loopback: bool) -> Unreachable:
    if loopback and not peer.literal:
        return staged(
            Unreachable(
                f"{peer.label} is this very machine, not the node, and nothing listens on port {peer.port} "
                "here.",
                f"The name “{peer.host}” resolves to a loopback address: correct the hosts file or `host` "
                "of its [[nodes]] entry.",
            ),
            "connect",
            "console-localhost",
        )
    if _odd_port(peer):
        return _odd(peer, "refuses the connection", "connect")
    return staged(
        Unreachable(
            f"{peer.label} refuses the connection: no WinRM listener on port {peer.port}.",
            listener_hint(peer),
        ),
        "connect",
        "refused",
    )


def filtered(peer: Peer, seconds: float) -> Unreachable:
    if _odd_port(peer):
        return _odd(peer, f"did not answer within {spoken(seconds)} s", "connect")
    return staged(
        Unreachable(
            f"{peer.label} did not take the connection within {spoken(seconds)} s: a firewall drops it, or the "
            "node is down.",
            firewall_hint(peer),
        ),
        "connect",
        "filtered",
    )


def no_route(peer: Peer, why: str) -> Unreachable:
    return staged(
        Unreachable(f"No route to {peer.label}: {why}.", "Check VPN and routes of this machine."),
        "connect",
        "no-route",
    )


def proxy_failed(peer: Peer, what: str, hint: str) -> Unreachable:
    return staged(
        Unreachable(f"{peer.label} is not reached through the proxy {peer.proxy}: {what}.", hint),
        "connect",
        "proxy",
    )


def _odd_port(peer: Peer) -> bool:
    return peer.port == (5985 if peer.https else 5986)


def _odd(peer: Peer, what: str, stage: Stage) -> Unreachable:
    here, there = ("HTTPS", "HTTP") if peer.https else ("HTTP", "HTTPS")
    return staged(
        Unreachable(
            f"{peer.label} {what}: {here} is asked for on port {peer.port}, which is the port of {there}.",
            f"Set `https = {'false' if peer.https else 'true'}` or the right `port` of its [[nodes]] entry.",
        ),
        stage,
        "odd-port",
    )


def wrong_protocol(peer: Peer) -> Unreachable:
    """TLS and plain HTTP have met."""
    if _odd_port(peer):
        return _odd(peer, "speaks another protocol", "tls" if peer.https else "auth")
    return staged(
        Unreachable(
            f"{peer.label} does not speak {'TLS' if peer.https else 'plain HTTP'} on that port.",
            f"Set `https = {'false' if peer.https else 'true'}` or the right `port` of its [[nodes]] entry.",
        ),
        "tls" if peer.https else "auth",
        "odd-port",
    )


def unencrypted(peer: Peer) -> Unreachable:
    return staged(
        Unreachable(
            f"{peer.label} was not tried: Basic over HTTP would send the password in the clear, and the node "
            "refuses it (AllowUnencrypted=false is the default).",
            'Set `https = true`, or `transport = "ntlm"`, which seals every message.',
        ),
        "config",
        "unencrypted",
    )


def dropped(peer: Peer, stage: Stage) -> TargetError:
    """The connection ended early: nothing came (Unreachable), or an answer is cut (MalformedAnswer)."""
    if stage in ("shell", "command", "answer"):
        return staged(
            MalformedAnswer(
                f"{peer.label} dropped the connection in the middle of its answer.",
                "Ask again; if it happens again, see `Get-WinEvent Microsoft-Windows-WinRM/Operational` on "
                "the node.",
            ),
            stage,
            "dropped",
        )
    return staged(
        Unreachable(
            f"{peer.label} closed the connection without an answer.",
            "Is it WinRM that listens there? On the node: `winrm enumerate winrm/config/listener`.",
        ),
        stage,
        "dropped",
    )


def not_winrm(peer: Peer, stage: Stage, what: str) -> MalformedAnswer:
    """An answer that cannot be read: of a stranger, or, once a shell was open, of WinRM but garbled."""
    if stage in ("command", "answer"):
        return staged(
            MalformedAnswer(
                f"{peer.label} sent an answer that cannot be read: {what}.",
                "Ask again; if it happens again, something on the way changes the traffic.",
            ),
            stage,
            "garbled",
        )
    return staged(
        MalformedAnswer(
            f"{peer.label} does not answer as WinRM does: {what}.",
            "On the node: `winrm enumerate winrm/config/listener` shows port and path (/wsman).",
        ),
        stage,
        "not-winrm",
    )


def late(peer: Peer, stage: Stage, seconds: float) -> DeadlineExceeded:
    where = {
        "config": "waiting for its credentials",
        "resolve": "looking up its name",
        "connect": "connecting",
        "tls": "agreeing on TLS",
        "auth": "logging on",
        "shell": "opening a shell",
        "command": "starting the command",
        "answer": "waiting for output",
    }[stage]
    return staged(
        DeadlineExceeded(
            f"{peer.label} did not finish within {spoken(seconds)} s; it was still {where}.",
            "Raise `deadline` of its [[nodes]] entry if the node is only slow.",
        ),
        stage,
        "deadline",
    )


def cancelled(peer: Peer, stage: Stage) -> DeadlineExceeded:
    return staged(DeadlineExceeded(f"The run on {peer.label} was stopped."), stage, "cancelled")
