"""What can be known of the kubelet's settings, and of its last words."""

from __future__ import annotations

from facts.fact import Failed
from facts.node.kubernetes import Kubelet, NodeLogs
from facts.node.windows import Services


def ended_now(services: Services | Failed) -> bool:
    """Whether the kubelet's service stands still (or nssm holds it back) at this moment."""
    found = services.named("kubelet") if isinstance(services, Services) else None
    return found is not None and found.state != "Running"


def final_lines(services: Services | Failed, logs: NodeLogs | Failed) -> list[str]:
    """The end of the kubelet's log while it stands still, the latest line first; nothing while it runs.

    What it said before it was mended is no evidence.
    """
    if isinstance(logs, Failed) or not ended_now(services):
        return []
    return logs.lines("kubelet")[:-31:-1]


def worked_out(text: str) -> bool:
    """Whether a script's variable or command stands in the text instead of its value."""
    return any(sign in text for sign in "$%(")


def doubt(kubelet: Kubelet, node: str, flag: str) -> str:
    """Why the value in force of a setting is not known although its flag is not given; empty where it is known."""
    if flag in kubelet.flags:
        return ""
    if not kubelet.arguments:
        return f"With which arguments the kubelet on {node} is started is not known."
    if kubelet.config_error:
        return f"{kubelet.config_path} on {node} cannot be read: {kubelet.config_error}"
    if "config" in kubelet.flags and not kubelet.config_exists:
        return f"{kubelet.config_path} on {node} does not exist, so that settings are not known."
    # RKE2 keeps all settings there since 1.32. None read: the folder is not there, or its name is worked out.
    if "config-dir" in kubelet.flags and not kubelet.config_files:
        folder = kubelet.flags["config-dir"]
        return f"Settings of the kubelet on {node} may stand in {folder}, of which no file was read."
    return ""
