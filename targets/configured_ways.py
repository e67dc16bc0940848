"""The ways into nodes as the configuration has them, with one lock-out rule and one command log for all."""

from __future__ import annotations

from dataclasses import dataclass, field

from targets.config import Config
from targets.deadline import Deadline
from targets.lockout import Lockout
from targets.passwords import Passwords
from targets.target import CommandLog, NodeRef
from targets.winrm import WinRM


@dataclass
class ConfiguredWays:
    """NodeWays from config.toml. One for a session; `open` may be called from any thread."""

    config: Config
    passwords: Passwords = field(default_factory=Passwords)
    log: CommandLog = field(default_factory=CommandLog)
    lockout: Lockout = field(default_factory=Lockout)

    def open(self, node: NodeRef) -> WinRM:
        """A fresh way. TargetError where nothing is configured for the node, or an address is missing."""
        settings, entry = self.config.settings(node)
        user = settings.peer.user

        def password(deadline: Deadline) -> str:
            return self.passwords.password(user, entry.password_command, deadline).value

        return WinRM(settings, self.log, password, self.lockout, lambda: self.passwords.forget(user))

    def clear(self, user: str) -> None:
        """A person says that `user`, once rejected, may be tried again, with a password that is looked up
        anew.
        """
        self.passwords.forget(user)
        self.lockout.clear(user)
