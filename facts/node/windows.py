"""Windows itself: version, boot, clock, services, drivers, processes."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from facts.access import Access
from facts.fact import Fact, Failed, NotApplicable, asked_of_node, derived


@asked_of_node("os.ps1", minimum=True)
class Os(Fact, frozen=True):
    """Version, boot time, names and language of the node (registry CurrentVersion, Win32_OperatingSystem)."""

    product_name: str
    build: int
    ubr: int
    installation_type: str = ""
    display_version: str = ""
    hostname: str = ""
    computer_name: str = ""
    domain: str = ""
    manufacturer: str = ""
    model: str = ""
    last_boot: datetime | None = None
    memory_kb: int = 0
    free_memory_kb: int = 0
    culture: str = ""
    ui_culture: str = ""
    oem_code_page: int = 0
    time_zone: str = ""
    environment: dict[str, str] = {}  # machine environment: proxies, NODE_NAME, KUBE_NETWORK, KUBECONFIG

    @property
    def version(self) -> str:
        """10.0.BUILD.UBR, the only form that names an update level."""
        return f"10.0.{self.build}.{self.ubr}"

    @classmethod
    def read(cls, answer: RawOs) -> Os:
        fields = {name: getattr(answer, name) for name in cls.__struct_fields__}
        if len(answer.ui_languages) == 1:
            fields["ui_culture"] = answer.ui_languages[0]
        # The value is a buffer of fixed size: what follows the first NUL is rubbish.
        fields["time_zone"] = answer.time_zone.partition("\0")[0]
        return cls(**fields)


class RawOs(Os, frozen=True):
    """The answer of os.ps1: `ui_languages` are those that are installed."""

    ui_languages: tuple[str, ...] = ()


class Nssm(msgspec.Struct, frozen=True):
    """What nssm keeps in the service's Parameters key. `environment` is NAME=VALUE, secrets removed."""

    application: str = ""
    parameters: str = ""
    directory: str = ""
    environment: tuple[str, ...] = ()
    stdout: str = ""
    stderr: str = ""


class Service(msgspec.Struct, frozen=True):
    """Win32_Service: `state` and `start_mode` are English words on every Windows."""

    name: str
    state: str = ""  # Running, Stopped, Paused, Start Pending
    start_mode: str = ""  # Auto, Manual, Disabled
    path: str = ""
    account: str = ""
    pid: int = 0
    exit_code: int = 0
    service_exit_code: int = 0
    depends_on: tuple[str, ...] = ()
    nssm: Nssm | None = None


@asked_of_node("services.ps1", minimum=True)
class Services(Fact, frozen=True):
    """The services that a Kubernetes node depends on; one that does not exist is not listed."""

    services: tuple[Service, ...]
    drivers: dict[str, str] = {}  # Win32_SystemDriver: name → State (vfpext, vmsmp, …)

    def named(self, *names: str) -> Service | None:
        """The first of `names` that exists (kube-proxy is called kubeproxy by some installers)."""
        return next((s for n in names for s in self.services if s.name.lower() == n.lower()), None)

    def running(self, *names: str) -> bool:
        service = self.named(*names)
        return service is not None and service.state == "Running"


class Process(msgspec.Struct, frozen=True):
    """Win32_Process. `command_line` is empty without elevation."""

    name: str
    pid: int
    parent: int = 0
    command_line: str = ""
    created: datetime | None = None
    working_set: int = 0
    threads: int = 0
    handles: int = 0
    session: int = 0


@asked_of_node("processes.ps1")
class Processes(Fact, frozen=True):
    """Processes of Kubernetes, the runtime and the CNI, and the process that holds HNS."""

    processes: tuple[Process, ...]
    container_sessions: tuple[int, ...] = ()  # of containers with process isolation
    hns: Process | None = None
    hns_shared: bool = False  # other services live in the same process: its thread count says nothing

    def named(self, name: str) -> tuple[Process, ...]:
        """Host processes called `name` (without .exe), those inside ordinary containers left out.

        Not session 0 alone: what start.ps1 starts in a remote desktop has the session of that logon.
        """
        wanted = f"{name}.exe".lower()
        inside = self.container_sessions
        return tuple(p for p in self.processes if p.name.lower() == wanted and p.session not in inside)


@derived
class Clock(Fact, frozen=True):
    """How far the node's clock is from the console's."""

    skew: timedelta  # positive: the node is ahead
    uncertainty: timedelta  # the skew is known no better than this

    @classmethod
    def derive(cls, access: Access) -> Clock | Failed | NotApplicable:
        if access.hello is None:
            if access.attempts:
                return access.attempts[-1].failed()
            return Failed("unreachable", "No way into the node.")
        hello = access.hello
        return cls(hello.now - hello.received, timedelta(seconds=hello.round_trip))


class Event(msgspec.Struct, frozen=True):
    """A record of the Windows event log. `message` is localised: shown, never matched.

    `service`: the key name in the bytes of a record of the Service Control Manager; its `properties` have the name
    that is shown, which Windows translates. `42004900540053002F0034000000` is BITS/4:
    https://www.evtxparser.com/en/blog/event-id-7036-service-state
    """

    log: str
    provider: str
    id: int
    level: int
    at: datetime
    properties: tuple[str, ...] = ()
    message: str = ""
    service: str = ""

    def of_service(self, name: str) -> bool:
        """Whether the Service Control Manager recorded it about the service `name`."""
        return self.provider == "Service Control Manager" and self.service.lower() == name.lower()


@asked_of_node("event_log.ps1", seconds=20)
class EventLog(Fact, frozen=True):
    """What Windows recorded in the last three days about services that died, HNS, HCS and unexpected restarts."""

    events: tuple[Event, ...]


@asked_of_node("time_source.ps1")
class TimeSource(Fact, frozen=True):
    """How W32Time is configured, by group policy or else by itself (registry; its own text output is localised)."""

    type: str = ""  # NTP, NT5DS, NoSync, AllSync
    ntp_server: str = ""
