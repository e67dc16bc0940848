"""Windows nodes of the lab: real WinRM in front, a PowerShell engine with stand-ins of the Windows cmdlets behind."""

from lab.windows.auth import Credentials
from lab.windows.clock import Clock, WallClock
from lab.windows.conditions import Conditions
from lab.windows.listener import Tls
from lab.windows.node import WindowsNode

__all__ = ["Clock", "Conditions", "Credentials", "Tls", "WallClock", "WindowsNode"]
