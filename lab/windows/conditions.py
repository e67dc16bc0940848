"""What can be wrong with a node's WinRM service, switched while it runs.

None of these is a state of the machine (that is `lab.world.machine.Machine`): they are what stands between a
client and the machine.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

SCHEMES = ("Negotiate", "Kerberos", "Basic", "Certificate")


@dataclass(frozen=True)
class Conditions:
    """One immutable set of conditions; `WindowsNode.conditions` takes a new one at any time.

    refused: nothing listens, a connection is reset at once.
    filtered: the port swallows connections, as a firewall that drops does.
    rejected: every password is wrong.
    schemes: which authentication schemes the service has switched on.
    quota: the user has as many shells as are allowed.
    drop_answer: the connection ends in the middle of the answer that carries output.
    truncated: output stops half way and the command reports that it is done.
    garbled: some characters of the output are replaced.
    delay: seconds of the lab's clock before a command starts to work.
    silent: requests are read and never answered.
    """

    refused: bool = False
    filtered: bool = False
    rejected: bool = False
    schemes: tuple[str, ...] = ("Negotiate", "Kerberos", "Basic", "Certificate")
    quota: bool = False
    drop_answer: bool = False
    truncated: bool = False
    garbled: bool = False
    delay: float = 0.0
    silent: bool = False

    def but(self, **changes: object) -> Conditions:
        """A copy with some conditions changed; an unknown name is a TypeError."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
