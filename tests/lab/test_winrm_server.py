"""The lab's WinRM, spoken to by two clients that are not ours: pypsrp and pywinrm."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
import winrm
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from winkit import PASSWORD, USER, NodeFactory
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError

from lab.windows import Clock, Conditions, Credentials, Tls, WindowsNode
from lab.windows.conditions import SCHEMES
from lab.windows.runs import Run, Said
from lab.world.machine import Machine

LONG = b"".join(b"%07d\n" % number for number in range(40_000))


def replay(text: str, machine: Machine, clock: Clock, change: object) -> Run:
    """Stands for the engine: `long`, or the text itself."""
    return Said(LONG if text == "long" else text.encode())


def client(node: WindowsNode, password: str = PASSWORD, **more: Any) -> WSMan:
    settings = {"port": node.port, "ssl": False, "auth": "negotiate", "username": USER, "password": password}
    settings |= {"connection_timeout": 2, "read_timeout": 5, "operation_timeout": 2, "no_proxy": True}
    return WSMan("127.0.0.1", **(settings | more))


def said(wsman: WSMan, program: str, *arguments: str) -> tuple[bytes, bytes, int | None]:
    with WinRS(wsman, idle_time_out=60, codepage=65001) as shell:
        process = Process(shell, program, list(arguments))
        process.invoke()
        return process.stdout, process.stderr, process.rc


@pytest.fixture
def node(start: NodeFactory) -> WindowsNode:
    return start(use_engine=False, replay=replay)


def test_sealed_ntlm_over_http(node: WindowsNode) -> None:
    assert said(client(node), "hostname") == (b"WIN-1\r\n", b"", 0)
    assert node.shells.count == 0
    assert node.shells.deleted == 1


def test_unknown_program_is_refused_in_the_nodes_language(machine: Machine, start: NodeFactory) -> None:
    machine.os.ui_culture = "de-DE"
    out, error, code = said(client(start()), "frobnicate", "now")
    assert (out, code) == (b"", 1)
    assert "falsch geschrieben" in error.decode()


@pytest.mark.parametrize("domain", ["", "WIN-1\\", ".\\"])
def test_local_account_by_any_of_its_names(node: WindowsNode, domain: str) -> None:
    assert said(client(node, username=domain + USER), "hostname")[2] == 0


def test_ntlm_without_sealing_is_refused_over_http(node: WindowsNode) -> None:
    with pytest.raises(WSManFaultError) as caught:
        said(client(node, encryption="never"), "hostname")
    assert caught.value.code == 5


def test_wrong_password(node: WindowsNode) -> None:
    with pytest.raises(AuthenticationError):
        said(client(node, password="no"), "hostname")


def test_basic_over_https_and_never_without(start: NodeFactory, tls: Tls, tls_files: dict[str, Path]) -> None:
    node = start(tls=tls, use_engine=False, replay=replay)
    secure = client(node, port=node.tls_port, ssl=True, auth="basic", cert_validation=str(tls_files["ca"]))
    assert said(secure, "hostname")[0] == b"WIN-1\r\n"
    with pytest.raises(AuthenticationError):
        said(client(node, auth="basic", encryption="never"), "hostname")


def test_certificate(start: NodeFactory, tls: Tls, tls_files: dict[str, Path]) -> None:
    node = start(tls=tls, certificate_subject="winrm-user", use_engine=False, replay=replay)
    more = {
        "port": node.tls_port,
        "ssl": True,
        "auth": "certificate",
        "cert_validation": str(tls_files["ca"]),
        "certificate_pem": str(tls_files["client_crt"]),
        "certificate_key_pem": str(tls_files["client_key"]),
    }
    assert said(client(node, **more), "hostname")[0] == b"WIN-1\r\n"
    other = start(tls=tls, certificate_subject="somebody-else", use_engine=False, replay=replay)
    with pytest.raises(AuthenticationError):
        said(client(other, **(more | {"port": other.tls_port})), "hostname")


def test_ntlm_over_https(start: NodeFactory, tls: Tls, tls_files: dict[str, Path]) -> None:
    node = start(tls=tls, use_engine=False, replay=replay)
    wsman = client(node, port=node.tls_port, ssl=True, cert_validation=str(tls_files["ca"]))
    assert said(wsman, "hostname")[2] == 0


def pywinrm(node: WindowsNode, transport: str = "ntlm", **more: Any) -> winrm.Protocol:
    settings: dict[str, Any] = {"username": USER, "password": PASSWORD, "proxy": None}
    settings |= {"operation_timeout_sec": 1, "read_timeout_sec": 5}
    return winrm.Protocol(f"http://127.0.0.1:{node.port}/wsman", transport=transport, **(settings | more))


def test_pywinrm_protocol(node: WindowsNode) -> None:
    protocol = pywinrm(node)
    shell = protocol.open_shell(codepage=65001, idle_timeout="PT60S")
    command = protocol.run_command(shell, "powershell.exe", ["-Command", "long"])
    assert protocol.get_command_output(shell, command) == (LONG, b"", 0)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    assert node.shells.count == 0
    with pytest.raises(InvalidCredentialsError):
        pywinrm(node, password="no").open_shell()


def test_one_connection_authenticates_once(node: WindowsNode) -> None:
    """Anonymous 401, challenge 401, blank 200, then Create, Command, Receive, Delete."""
    said(client(node), "hostname")
    assert node.requests <= 8


def test_user_lists_of_two_nodes_are_apart(start: NodeFactory, node: WindowsNode) -> None:
    other = WindowsNode(node.machine, Credentials(USER, "another"), use_engine=False)
    with other:
        assert said(client(other, password="another"), "hostname")[2] == 0
        with pytest.raises(AuthenticationError):
            said(client(other), "hostname")
        assert said(client(node), "hostname")[2] == 0


# -- streaming and time


class Talk(Run):
    """Answers a line for a line, so that a test sees when each arrives."""

    def write(self, data: bytes) -> None:
        self.emit("stdout", b"heard " + data)

    def close_input(self) -> None:
        self.emit("stderr", b"bye")
        self.end(7)


def test_output_comes_while_the_command_runs(start: NodeFactory) -> None:
    node = start(use_engine=False, replay=lambda *_: Talk())
    with WinRS(client(node)) as shell:
        process = Process(shell, "powershell.exe", ["-Command", "x"])
        process.begin_invoke()
        process.send(b"one", end=False)
        process.poll_invoke()
        assert (process.stdout, process.state) == (b"heard one", CommandState.RUNNING)
        process.send(b"two", end=True)
        process.end_invoke()
        assert (process.stdout, process.stderr, process.rc) == (b"heard oneheard two", b"bye", 7)


def test_operation_timeout_is_a_fault_and_harmless(start: NodeFactory) -> None:
    node = start(use_engine=False, replay=lambda *_: Talk())
    protocol = pywinrm(node)
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "powershell.exe")
    with pytest.raises(WinRMOperationTimeoutError):
        protocol.get_command_output_raw(shell, command)
    protocol.send_command_input(shell, command, b"x", end=True)
    assert protocol.get_command_output(shell, command)[0] == b"heard x"


def test_signal_ends_a_command(start: NodeFactory) -> None:
    talk = Talk()
    node = start(use_engine=False, replay=lambda *_: talk)
    with WinRS(client(node)) as shell:
        process = Process(shell, "powershell.exe", [])
        process.begin_invoke()
        process.signal(SignalCode.CTRL_C)
        assert talk.wait(5)
        with pytest.raises(WSManFaultError) as caught:
            shell.receive("stdout stderr", process.id)
        assert caught.value.code == 0x8033805B


def test_deleting_a_shell_ends_what_runs_in_it(start: NodeFactory) -> None:
    talk = Talk()
    node = start(use_engine=False, replay=lambda *_: talk)
    with WinRS(client(node)) as shell:
        Process(shell, "powershell.exe", []).begin_invoke()
    assert talk.wait(5)


def test_a_shell_that_is_gone(node: WindowsNode) -> None:
    shell = WinRS(client(node))
    shell.open()
    node.shells.close()
    with pytest.raises(WSManFaultError) as caught:
        Process(shell, "hostname").begin_invoke()
    assert caught.value.code == 0x8033805B


def test_idle_shell_expires(node: WindowsNode) -> None:
    shell = WinRS(client(node), idle_time_out=0)
    shell.open()
    assert node.shells.count == 0


# -- conditions


def test_refused_and_back(node: WindowsNode) -> None:
    node.conditions = Conditions(refused=True)
    with pytest.raises(requests.ConnectionError):
        said(client(node), "hostname")
    node.conditions = Conditions()
    assert said(client(node), "hostname")[2] == 0


def test_filtered(node: WindowsNode) -> None:
    node.conditions = Conditions(filtered=True)
    with pytest.raises(requests.ConnectTimeout):
        said(client(node, connection_timeout=0.3), "hostname")
    node.conditions = Conditions()
    assert said(client(node), "hostname")[2] == 0


def test_right_password_rejected(node: WindowsNode) -> None:
    node.conditions = Conditions(rejected=True)
    with pytest.raises(AuthenticationError):
        said(client(node), "hostname")


def test_scheme_switched_off(node: WindowsNode) -> None:
    node.conditions = Conditions(schemes=tuple(s for s in SCHEMES if s == "Kerberos"))
    answer = requests.post(f"http://127.0.0.1:{node.port}/wsman", timeout=5)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Kerberos")


def test_shell_quota(node: WindowsNode, start: NodeFactory) -> None:
    node.conditions = Conditions(quota=True)
    with pytest.raises(WSManFaultError, match="concurrent shells") as caught:
        said(client(node), "hostname")
    assert caught.value.code == 2150859173
    small = start(use_engine=False, max_shells=1)
    with WinRS(client(small)), pytest.raises(WSManFaultError, match="maximum number of 1 concurrent"):
        said(client(small), "hostname")
    assert said(client(small), "hostname")[2] == 0


def test_dropped_in_mid_answer(node: WindowsNode) -> None:
    node.conditions = Conditions(drop_answer=True)
    process = Process(WinRS(client(node)), "powershell.exe", ["-Command", "long"])
    process.shell.open()
    process.begin_invoke()
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        process.poll_invoke()


def test_truncated_and_garbled(node: WindowsNode) -> None:
    node.conditions = Conditions(truncated=True)
    assert said(client(node), "powershell.exe", "-Command", "long")[0] == LONG[:3000]
    node.conditions = Conditions(garbled=True)
    out = said(client(node), "powershell.exe", "-Command", "long")[0]
    assert len(out) == len(LONG)
    assert out != LONG


def test_silent(node: WindowsNode) -> None:
    node.conditions = Conditions(silent=True)
    with pytest.raises(requests.ReadTimeout):
        said(client(node, read_timeout=0.3), "hostname")
    node.conditions = Conditions()
    assert said(client(node), "hostname")[2] == 0


class HandClock:
    """A clock that stands until the test lets it go."""

    epoch = 1_700_000_000.0

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.go = threading.Event()

    def now(self) -> float:
        return self.epoch

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.asked.append(seconds)
        self.go.wait(30)
        return stop.is_set()


def test_answers_after_the_labs_clock_says_so(start: NodeFactory) -> None:
    clock = HandClock()
    node = start(use_engine=False, replay=replay, clock=clock)
    node.conditions = Conditions(delay=40)
    protocol = pywinrm(node)
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "powershell.exe", ["-Command", "late"])
    with pytest.raises(WinRMOperationTimeoutError):
        protocol.get_command_output_raw(shell, command)
    clock.go.set()
    assert protocol.get_command_output(shell, command)[0] == b"late"
    assert clock.asked == [40]


def test_unknown_condition_is_an_error() -> None:
    with pytest.raises(TypeError):
        Conditions().but(refuse=True)


def test_garbage_is_answered_by_a_fault(start: NodeFactory, tls: Tls, tls_files: dict[str, Path]) -> None:
    node = start(tls=tls, use_engine=False)
    answer = requests.post(
        f"https://127.0.0.1:{node.tls_port}/wsman",
        data=b"<not xml",
        auth=(USER, PASSWORD.encode("utf-8").decode("latin-1")),
        verify=str(tls_files["ca"]),
        timeout=5,
    )
    assert answer.status_code == 500
    assert b"WSManFault" in answer.content


def test_nothing_is_left_behind(start: NodeFactory) -> None:
    node = start(use_engine=False, replay=replay)
    folder = node._folder
    said(client(node), "hostname")
    node.stop()
    gc.collect()
    assert not folder.exists()
    assert [t for t in threading.enumerate() if t.name == "lab-winrm" and not t.daemon] == []
    with pytest.raises((requests.ConnectionError, WinRMTransportError)):
        said(client(node), "hostname")
