"""start.ps1 of the classic set-up: it starts flanneld once kubectl finds the machine's Node."""

from __future__ import annotations

from lab.world.machine import Machine
from lab.world.state import World
from lab.world.text import sentence

PATH = r"C:\k\start.ps1"
ROUNDS = 40  # of its wait, one a second, that the end of a log shows
_KUBECTL, _WAITING = "Unable to connect to the server: ", "Waiting for the node ["


def waits(world: World, machine: Machine) -> list[str]:
    """What the script prints while it waits; nothing where it does not run, or where kubectl has a kubeconfig.

    A kubectl that is told no kubeconfig asks localhost:8080, where nothing listens.
    """
    service = machine.services.get("flanneld")
    if not world.plan.classic or service is None or PATH not in str(service.nssm.get("AppParameters", "")):
        return []
    own = [str(line).partition("=")[0] for line in service.nssm.get("AppEnvironmentExtra", [])]
    if "KUBECONFIG" in (*own, *machine.environment):
        return []
    refused = f"dial tcp [::1]:8080: connectex: {sentence(10061, machine.os.ui_culture)}"
    host = machine.os.hostname.lower()
    return [_KUBECTL + refused, f"{_WAITING}{host}] to be registered with {world.plan.api_host}"] * ROUNDS


def prints(line: str) -> bool:
    """Whether a line of flanneld's log is the script's: those have no header of klog."""
    return line.startswith((_KUBECTL, _WAITING))
