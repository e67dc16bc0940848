"""What follows where no pod sandbox can be made: HostProcess pods need one too, so that CNI and kube-proxy go."""

from __future__ import annotations

from checks.causes import SAME_NODE, cause_of

NO_SANDBOX = (cause_of("image.pause.event-pattern", SAME_NODE),)
