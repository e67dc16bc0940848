"""nssm, which keeps a program running as a service, where the program is not there.

A program that ends at once is started again after ever longer pauses, while the service is Paused; one that cannot be
started at all ends the service with its own exit code 3 (start_service and stop_service in service.cpp). Numbers and
sentences of its events: messages.mc. Both at https://git.nssm.cc/nssm/nssm (2.24), which has English, French and
Italian: on every other Windows the sentence is English and what FormatMessage adds is not.
"""

from __future__ import annotations

from lab.world.machine import Event, Machine, Service
from lab.world.text import sentence

SERVICE_SPECIFIC = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: the service's own exit code says why
NOT_LAUNCHED = 3

# cmd.exe about a program that it does not find, by language.
_NOT_RECOGNIZED = {
    "de": 'Der Befehl "{0}" ist entweder falsch geschrieben oder\r\nkonnte nicht gefunden werden.',
    "zh": "'{0}' 不是内部或外部命令，也不是可运行的程序\r\n或批处理文件。",
}
_ENGLISH = "'{0}' is not recognized as an internal or external command,\r\noperable program or batch file."


def runs(machine: Machine, service: str, program: str) -> bool:
    """Whether nssm starts `program` itself, and not a shell that starts it."""
    found = machine.services.get(service)
    return found is not None and str(found.nssm.get("Application", "")).lower() == program.lower()


def not_recognized(program: str, culture: str) -> str:
    """What the start script's cmd.exe says where `program` is not there; nothing of it bears klog's header."""
    return _NOT_RECOGNIZED.get(culture[:2].lower(), _ENGLISH).format(program)


def cannot_start(service: Service) -> None:
    service.state, service.pid = "Stopped", 0
    service.exit_code, service.service_exit_code = SERVICE_SPECIFIC, NOT_LAUNCHED


def events(machine: Machine, name: str, at: float) -> list[Event]:
    """What nssm writes to the Application log about a program that it could not start."""
    service = machine.services[name]
    if (service.state, service.exit_code, service.service_exit_code) != (
        "Stopped",
        SERVICE_SPECIFIC,
        NOT_LAUNCHED,
    ):
        return []
    program = str(service.nssm.get("Application", ""))
    why = sentence(0x2, machine.os.ui_culture)
    failed = f"Failed to start service {name}.  Program {program} couldn't be launched."
    failed += f"\r\nCreateProcess() failed:\r\n{why}"
    code = str(NOT_LAUNCHED)
    gave_up = f"Can't start {program} for service {name}.\r\nError code: {code}."
    return [
        Event("Application", "nssm", 1010, 2, at, [name, program, why], failed),
        Event("Application", "nssm", 1006, 2, at, [program, name, code], gave_up),
    ]
