"""Which processes are the host's: those of a logon session are, those of a container are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nodekit import Bench

from facts.node.cni import FlannelFiles
from facts.node.kubernetes import Kubelet, KubeProxy
from facts.node.windows import Processes
from lab.world.machine import Machine, Process

pytestmark = pytest.mark.pwsh
BenchFactory = Callable[[Machine], Bench]
OURS = ("kubelet", "kube-proxy", "flanneld")


def _in_windows_of_one_session(machine: Machine) -> None:
    """What start.ps1 leaves: each program in a console window of whoever ran it."""
    for name in ("kubelet", "kube-proxy", "flanneld"):
        machine.services.pop(name, None)
    others = [p for p in machine.processes if p.name.removesuffix(".exe") not in (*OURS, "nssm")]
    machine.processes = [
        *others,
        Process("winlogon.exe", 610, 500, session=2),
        Process("kubelet.exe", 9001, 9000, r"C:\k\kubelet.exe --hostname-override=here", session=2),
        Process("kube-proxy.exe", 9002, 9000, r"C:\k\kube-proxy.exe --hostname-override=here", session=2),
        Process("flanneld.exe", 9003, 9000, r"C:\flannel\flanneld.exe --iface=10.0.0.7", session=2),
    ]


def test_programs_that_were_started_in_a_remote_desktop(bench: BenchFactory, machine: Machine) -> None:
    _in_windows_of_one_session(machine)
    got = bench(machine).facts([Processes, Kubelet, KubeProxy, FlannelFiles])
    processes, kubelet, proxy, flannel = got[Processes], got[Kubelet], got[KubeProxy], got[FlannelFiles]
    assert isinstance(processes, Processes)
    assert [[p.pid for p in processes.named(name)] for name in OURS] == [[9001], [9002], [9003]]
    assert isinstance(kubelet, Kubelet) and isinstance(proxy, KubeProxy) and isinstance(flannel, FlannelFiles)
    assert (kubelet.found_in, kubelet.flags["hostname-override"]) == ("process", "here")
    assert (proxy.found_in, proxy.flags["hostname-override"]) == ("process", "here")
    assert "--iface=10.0.0.7" in flannel.arguments


@pytest.mark.parametrize("mark", ["CExecSvc.exe", "wininit.exe"])
def test_a_session_with_a_containers_own_processes_is_a_container(
    bench: BenchFactory, machine: Machine, mark: str
) -> None:
    _in_windows_of_one_session(machine)
    machine.processes += [
        Process("wininit.exe", 520, 400, session=0),  # the host's own
        Process(mark, 9100, 9090, session=3),
        *(Process(p.name, p.pid + 200, 9100, p.command_line, session=3) for p in machine.processes[-3:]),
    ]
    # WMI lists in no order that could be relied upon.
    machine.processes.reverse()
    got = bench(machine).facts([Processes, Kubelet])
    processes, kubelet = got[Processes], got[Kubelet]
    assert isinstance(processes, Processes) and isinstance(kubelet, Kubelet)
    assert processes.container_sessions == (3,)
    assert [[p.pid for p in processes.named(name)] for name in OURS] == [[9001], [9002], [9003]]
    assert kubelet.flags["hostname-override"] == "here"


def test_a_service_goes_before_a_window_and_a_question_for_the_version_is_no_kubelet(
    bench: BenchFactory, machine: Machine
) -> None:
    """The collector's questions run beside each other; one of them starts kubelet.exe for its version."""
    machine.processes = [
        Process("kubelet.exe", 9000, 1, r'"C:\k\kubelet.exe" --version', session=0),
        Process("kubelet.exe", 9001, 1, r"C:\k\kubelet.exe --hostname-override=window", session=2),
        *machine.processes,
    ]
    kubelet = bench(machine).fact(Kubelet)
    assert (kubelet.found_in, kubelet.flags["hostname-override"]) == ("process", "win-1")
