"""Conditions: what stands between a console and the practice cluster. The cluster itself is healthy."""

from __future__ import annotations

from lab.faults.fault import Stage, condition


@condition(
    "unreachable",
    "Nothing listens for WinRM on the first Windows node",
    "unknown: refused",
    ("reach.winrm.port",),
)
def unreachable(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"refused": True}


@condition(
    "filtered",
    "A firewall swallows connections to the first Windows node's WinRM",
    "unknown: filtered",
    ("reach.winrm.port",),
)
def filtered(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"filtered": True}


@condition(
    "slow", "The first Windows node answers after 40 s of the lab's clock", "late or unknown: deadline"
)
def slow(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"delay": 40.0}


@condition("silent", "The first Windows node reads requests and never answers", "unknown: deadline")
def silent(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"silent": True}


@condition(
    "wrong-credentials",
    "Every Windows node rejects the password",
    "unknown: rejected; one node is tried",
    ("reach.winrm.auth",),
)
def wrong_credentials(stage: Stage) -> None:
    for node in stage.nodes:
        stage.winrm[node] = {"rejected": True}


@condition(
    "scheme-off",
    "NTLM is switched off on the first Windows node",
    "unknown: scheme-off",
    ("reach.winrm.auth",),
)
def scheme_off(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"schemes": ("Kerberos",)}


@condition(
    "basic-http",
    "The console's configuration asks for Basic over plain HTTP on the first Windows node",
    "unknown: unencrypted",
    ("reach.winrm.unencrypted",),
)
def basic_over_http(stage: Stage) -> None:
    stage.config[stage.nodes[0]] = {"transport": "basic", "https": False}


@condition(
    "shell-quota",
    "The user has as many shells on the first node as are allowed",
    "unknown: quota",
    ("reach.winrm.quota",),
)
def shell_quota(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"quota": True}


@condition(
    "truncated",
    "The first node's answer breaks off half way",
    "unknown: truncated",
    ("reach.winrm.output-size",),
)
def truncated(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"truncated": True}


@condition(
    "garbled",
    "Characters of the first node's answer are replaced",
    "unknown: garbled",
    ("reach.winrm.output-size",),
)
def garbled(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"garbled": True}


@condition(
    "dropped",
    "The connection to the first node ends in the middle of the answer",
    "unknown: dropped",
    ("reach.winrm.output-size",),
)
def dropped(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"drop_answer": True}


@condition(
    "clm",
    "The first node runs PowerShell in Constrained Language Mode",
    "unknown for all but a minimum: os.clm",
    ("reach.exec.console-cp",),  # what remains comes as plain text, in the code page of the node's console
)
def constrained(stage: Stage) -> None:
    stage.machine[stage.nodes[0]] = {"language_mode": "ConstrainedLanguage"}


@condition("not-elevated", "The logon on the first node is not elevated", "unknown where elevation is needed")
def not_elevated(stage: Stage) -> None:
    stage.machine[stage.nodes[0]] = {"elevated": False}


@condition(
    "hung-question",
    "One cmdlet (Get-NetAdapter) never returns on the first node",
    "unknown for that question alone",
)
def hung_question(stage: Stage) -> None:
    stage.hung[stage.nodes[0]] = ["Get-NetAdapter"]


@condition(
    "few-rights", "The user may only look into one namespace and list nodes", "unknown with verb and resource"
)
def few_rights(stage: Stage) -> None:
    stage.few_rights = True


@condition(
    "no-way",
    "The first Windows node is closed to WinRM, and the user has no right to look in by another way",
    "unknown: refused",
    ("reach.console.no-path", "reach.nodes-proxy-rbac"),
)
def no_way(stage: Stage) -> None:
    stage.winrm[stage.nodes[0]] = {"refused": True}
    stage.few_rights = True


@condition(
    "api-down",
    "The API server is gone: what stands before it closes every connection without an answer",
    "unknown: unreachable",
    ("reach.api.unreachable",),
)
def api_down(stage: Stage) -> None:
    stage.weather["reset_every"] = 1


@condition("token-expired", "The API server no longer accepts the token", "unknown: credentials")
def token_expired(stage: Stage) -> None:
    stage.reject_tokens = True


@condition(
    "api-throttled",
    "The API server answers requests for events with 429, however often they are repeated",
    "unknown: too many requests",
)
def throttled(stage: Stage) -> None:
    stage.weather["always"] = {"events": "429"}


@condition("api-errors", "The API server fails with 500 whenever pods are listed", "unknown: server error")
def errors(stage: Stage) -> None:
    stage.weather["always"] = {"pods": "500"}


@condition(
    "api-reset",
    "The API server closes the connection without an answer whenever endpoint slices are listed",
    "unknown: unreachable",
)
def reset(stage: Stage) -> None:
    stage.weather["always"] = {"endpointslices": "reset"}


@condition("api-cut", "Long answers of the API server break off after 20,000 bytes", "unknown: truncated")
def cut(stage: Stage) -> None:
    stage.weather["cut_lists_after"] = 20_000
