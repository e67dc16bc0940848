"""What a node's WinRM service answers instead of what it was asked for: 401, other statuses, WSMan faults.

Numbers are judged first; English sentences only where there is no number. What a node says is cleaned.
"""

from __future__ import annotations

from targets.clean import clean_line
from targets.errors import CredentialsExpired, MalformedAnswer, PermissionDenied, TargetError, Unreachable
from targets.winrm_errors import Peer, Scheme, Stage, not_winrm, staged

# Numbers of wsmerror.h, as PowerShell's sources repeat them (CimChildJobBase.cs): QUOTA_LIMIT, the per-user
# and system quotas, and those of plug-ins.
_QUOTA = {0x8033803F, *range(0x803381A5, 0x803381A9), 0x803381AB, *range(0x803381E4, 0x803381EB)}
_QUOTA_WORDS = (
    "maximum number of concurrent",
    "concurrent shells",
    "users concurrently",
    "concurrent operations",
)
_ACCESS_DENIED = {5, 0x80070005}
_SHELL_GONE = {0x8033805B}
_SHELLS_OFF = {0x803381AC}

_OFFERED_AS: dict[Scheme, tuple[str, ...]] = {
    "ntlm": ("negotiate", "ntlm"),
    "kerberos": ("negotiate", "kerberos"),
    "basic": ("basic",),
    "certificate": (),
}
_SETTING: dict[Scheme, str] = {
    "ntlm": "Negotiate",
    "kerberos": "Kerberos",
    "basic": "Basic",
    "certificate": "Certificate",
}


def rejected(peer: Peer, offered: str) -> CredentialsExpired:
    """The meaning of a 401: the scheme is off, or the credentials are wrong. `offered` is
    WWW-Authenticate.
    """
    words = {word.strip().split(" ")[0].lower() for word in offered.split(",")}
    names = _OFFERED_AS[peer.scheme]
    if names and not words.intersection(names):
        shown = clean_line(offered)[:200] or "nothing"
        setting = _SETTING[peer.scheme]
        return staged(
            CredentialsExpired(
                f"{peer.label} has {setting} authentication switched off (it offers: {shown}).",
                f"On the node, as administrator: `Set-Item WSMan:\\localhost\\Service\\Auth\\{setting} "
                "$true`, or choose another `transport`.",
            ),
            "auth",
            "scheme-off",
        )
    if peer.scheme == "certificate":
        return staged(
            CredentialsExpired(
                f"{peer.label} does not accept the client certificate, or has Certificate authentication "
                "off.",
                "On the node, as administrator: `Set-Item WSMan:\\localhost\\Service\\Auth\\Certificate "
                "$true`, and "
                "`Get-ChildItem WSMan:\\localhost\\ClientCertificate` must map it to a local account.",
            ),
            "auth",
            "rejected",
        )
    basic = " Basic works for local accounts only, not for domain accounts." if peer.scheme == "basic" else ""
    return staged(
        CredentialsExpired(
            f"{peer.label} rejects the credentials of user “{peer.user}”.{basic}",
            "Is the password right? For a local administrator other than the built-in one, on the node: `Set-"
            "ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System "
            "LocalAccountTokenFilterPolicy 1`. For Kerberos, compare the clocks.",
        ),
        "auth",
        "rejected",
    )


def no_ticket(peer: Peer) -> CredentialsExpired:
    return staged(
        CredentialsExpired(
            f"Kerberos gave no ticket for {peer.label}.",
            "Run `klist`, then `kinit`; `host` (or `kerberos_host`) must be the node's name in the "
            "domain, and `kerberos_service` the service of its SPN (`setspn -L NODE`); the clocks must "
            "agree within 5 minutes.",
        ),
        "auth",
        "ticket",
    )


def out_of_memory(peer: Peer) -> MalformedAnswer:
    return staged(
        MalformedAnswer(f"The shell on {peer.label} ran out of memory.", _memory_hint()), "answer", "quota"
    )


def _memory_hint() -> str:
    return "On the node, as administrator: `Set-Item WSMan:\\localhost\\Shell\\MaxMemoryPerShellMB 2048`."


def status(peer: Peer, stage: Stage, number: int) -> TargetError:
    """An HTTP status with no WSMan fault in it."""
    if number == 403:
        return access_denied(peer, stage)
    if number in (407, 502, 503, 504):
        return staged(
            Unreachable(
                f"Something between here and {peer.label} answers in its place (HTTP {number}).",
                "A proxy or gateway stands in the way: set `proxy` of the [[nodes]] entry, or go around it.",
            ),
            stage,
            "proxy",
        )
    return not_winrm(peer, stage, f"HTTP status {number}")


def access_denied(peer: Peer, stage: Stage) -> PermissionDenied:
    who = f"user “{peer.user}”" if peer.user else "this user"
    return staged(
        PermissionDenied(
            f"{peer.label} lets {who} log on, but not open a shell.",
            "A remote shell needs an administrator. On the node: `Add-LocalGroupMember -Group "
            "Administrators -Member "
            f"{peer.user or 'USER'}`; local accounts also need LocalAccountTokenFilterPolicy=1.",
        ),
        stage,
        "access-denied",
    )


def fault(peer: Peer, stage: Stage, number: int | None, inner: int | None, reason: str) -> TargetError:
    """A WSMan fault. `number` is that of the WSManFault, `inner` that of an MSFT_WmiError; `reason` is
    localised.
    """
    said = clean_line(reason).strip()[:300]
    quota = {number, inner} & _QUOTA or any(word in said.lower() for word in _QUOTA_WORDS)
    if quota or (inner is not None and not {number, inner} & (_ACCESS_DENIED | _SHELL_GONE)):
        return staged(
            PermissionDenied(
                f"{peer.label} has a quota that is used up: {said}",
                "On the node, as administrator: `Get-ChildItem WSMan:\\localhost\\Shell` shows the limits; "
                "`Restart-Service WinRM` closes shells that were left open; "
                "`Set-Item WSMan:\\localhost\\Shell\\MaxShellsPerUser 50` raises the first of them.",
            ),
            stage,
            "quota",
        )
    if {number, inner} & _ACCESS_DENIED:
        return access_denied(peer, stage)
    if number in _SHELLS_OFF:
        return staged(
            PermissionDenied(
                f"{peer.label} allows no remote shells.",
                "On the node, as administrator: `Set-Item WSMan:\\localhost\\Shell\\AllowRemoteShellAccess "
                "$true`.",
            ),
            stage,
            "shells-off",
        )
    if number in _SHELL_GONE and stage in ("command", "answer"):
        return staged(
            MalformedAnswer(
                f"{peer.label} closed the shell while the command ran.",
                "Ask again. " + _memory_hint(),
            ),
            stage,
            "dropped",
        )
    shown = f"0x{number:X}: " if number is not None else ""
    return staged(
        MalformedAnswer(
            f"{peer.label} answers with a fault: {shown}{said}",
            "`winrm helpmsg` on any Windows machine explains the number.",
        ),
        stage,
        "fault",
    )
