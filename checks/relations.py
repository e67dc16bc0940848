"""Predicates on pairs of findings, for the `when` of links."""

from __future__ import annotations

from checks.finding import ERROR, Finding

SILENT = "stopped reporting"  # stands in node.notready's message exactly where the kubelet no longer posts


def serious(cause: Finding, effect: Finding) -> bool:
    """The cause is an error now, not only something that will become one."""
    return cause.severity is ERROR


def kubelet_silent(cause: Finding, effect: Finding) -> bool:
    """The cause keeps the kubelet from posting, so it accounts for Ready=Unknown and not for Ready=False.

    A kubelet that says itself why it is not ready runs and reaches the API server.
    """
    return cause.severity is ERROR and SILENT in effect.message


def crashed(cause: Finding, effect: Finding) -> bool:
    """The effect is a program that ended by itself, not one that somebody stopped."""
    return "exit code" in effect.message
