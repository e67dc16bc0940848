"""Each stand-in's answer, as scripts in the real engine see it: values, types, errors, and changes that stay."""

# ruff: noqa: E501 (PowerShell lines are kept whole)
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standin_reads import READS
from winkit import PASSWORD, USER, NodeFactory, a_machine

from lab.windows import Credentials, WindowsNode
from lab.world.machine import Machine

pytestmark = [pytest.mark.pwsh, pytest.mark.usefixtures("pwsh")]


def text_of(node: WindowsNode, script: str, stdin: bytes = b"") -> str:
    """What a script prints; its errors fail the test."""
    run = node.run(["powershell.exe", "-NoProfile", "-Command", script])
    run.write(stdin)
    run.close_input()
    streams = {"stdout": b"", "stderr": b""}
    while (output := run.take(1 << 20, 60)) is not None:
        for stream, data in output.chunks:
            streams[stream] += data
        if output.exit_code is not None:
            assert streams["stderr"] == b"", streams["stderr"].decode()
            return streams["stdout"].decode().strip()
    run.kill()
    raise AssertionError("no answer within 60 s")


def value_of(node: WindowsNode, script: str) -> Any:
    """What a script returns, through the stand-in of ConvertTo-Json."""
    return json.loads(text_of(node, f"ConvertTo-Json -InputObject (& {{ {script} }}) -Depth 12 -Compress"))


@pytest.fixture(scope="module")
def answers(pwsh: str) -> Iterator[dict[str, Any]]:
    """All of READS, asked in one process, each in a runspace made as a collector makes them."""
    with WindowsNode(a_machine(), Credentials(USER, PASSWORD)) as node:
        questions = [{"name": name, "script": script} for name, (script, _) in READS.items()]
        script = """
            $questions = ConvertFrom-Json ([Console]::In.ReadToEnd())
            $state = [Management.Automation.Runspaces.InitialSessionState]::CreateDefault()
            foreach ($f in @(Get-ChildItem Function:)) {
                $state.Commands.Add((New-Object Management.Automation.Runspaces.SessionStateFunctionEntry $f.Name, $f.Definition))
            }
            $answers = [ordered]@{}
            foreach ($q in $questions) {
                $space = [Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace($state); $space.Open()
                $shell = [PowerShell]::Create(); $shell.Runspace = $space
                [void]$shell.AddScript($q.script)
                $found = $shell.Invoke()
                $errors = @($shell.Streams.Error | ForEach-Object { [string]$_ })
                $value = if ($found.Count -eq 1) { $found[0] } else { @($found) }
                $answers[$q.name] = @{ value = $value; errors = $errors }
                $space.Dispose()
            }
            ConvertTo-Json -InputObject $answers -Depth 12 -Compress
        """
        yield json.loads(text_of(node, script, json.dumps(questions).encode()))


@pytest.mark.parametrize("name", READS)
def test_read(answers: dict[str, Any], name: str) -> None:
    expected = READS[name][1]
    found = answers[name]
    assert found["errors"] == []
    value = found["value"]
    if isinstance(expected, list) and not isinstance(value, list):
        value = [value]
    assert value == expected


def test_json_as_5_1_writes_it(start: NodeFactory) -> None:
    node = start()
    assert json.loads(
        text_of(node, "ConvertTo-Json -Compress -InputObject @(@(1), @{a = @{b = @{c = @{d = 1}}}})")
    ) == [
        [1],
        {"a": {"b": "System.Collections.Hashtable"}},
    ]
    script = """
        [pscustomobject]@{ quote = "it's <b> & \\"; none = $null; list = @(); one = 1.0 } | ConvertTo-Json -Compress
        [DateTime]::new(2020, 1, 1, 0, 0, 0, [DateTimeKind]::Utc) | ConvertTo-Json
        1, 2 | ConvertTo-Json -Compress
        'x' | ForEach-Object { $_ } | ConvertTo-Json
        [pscustomobject]@{ a = 1 } | ConvertTo-Json
        @(ConvertFrom-Json '[1, 2]').Count
        (ConvertFrom-Json '{"at": "2026-01-02T03:04:05Z"}').at.GetType().Name
        Get-Content C:\\run\\flannel\\subnet.env | ConvertTo-Json -Compress
    """
    lines = text_of(node, script).replace("\r\n", "\n").split("\n")
    assert lines[:4] == [
        '{"quote":"it\\u0027s \\u003cb\\u003e \\u0026 \\\\","none":null,"list":[],"one":1.0}',
        '"\\/Date(1577836800000)\\/"',
        "[1,2]",
        '"x"',
    ]
    assert lines[4:9] == ["{", '    "a":  1', "}", "1", "String"]
    assert json.loads(lines[9])["value"] == "FLANNEL_MTU=1450"


def test_changes_stay_and_are_told(start: NodeFactory) -> None:
    told: list[Machine] = []
    node = start(on_change=told.append)
    assert text_of(node, "Get-Service kubelet | Out-Null; 'read only'") == "read only"
    assert told == []
    script = """
        New-NetFirewallRule -Name new -DisplayName New -Direction Inbound -Action Allow -Protocol UDP -LocalPort 4789 | Out-Null
        Set-NetFirewallRule -Name vxlan -Enabled True
        Remove-NetFirewallRule -Name kubelet-10250
        Stop-Service containerd -Force
        Set-Service kubelet -StartupType Disabled
        sc.exe config hns start= demand | Out-Null
        [IO.File]::WriteAllText('C:\\k\\made.txt', 'by .NET')
        New-Item -ItemType Directory C:\\a\\b | Out-Null
        Set-Content C:\\a\\b\\c.txt 'hällo' -Encoding UTF8
        Remove-Item C:\\run\\flannel\\subnet.env
        Unblock-File C:\\k\\kubelet.exe
        New-Item HKLM:\\SOFTWARE\\Lab | Out-Null
        Set-ItemProperty HKLM:\\SOFTWARE\\Lab -Name V -Value 3
        Remove-HnsPolicyList -Id P1
    """
    assert text_of(node, script) == ""
    assert len(told) == 1
    after = told[0]
    rules = {rule.name: rule for rule in after.firewall.rules}
    assert set(rules) == {"vxlan", "gpo", "new"}
    assert rules["vxlan"].enabled
    assert (rules["new"].protocol, rules["new"].local_port) == ("UDP", ["4789"])
    services = after.services
    assert [services[n].state for n in ("containerd", "kubelet", "hns")] == ["Stopped", "Stopped", "Running"]
    assert (services["kubelet"].start_mode, services["hns"].start_mode) == ("Disabled", "Manual")
    assert after.processes == []
    assert after.files["C:\\k\\made.txt"].text == "by .NET"
    assert after.files["C:\\a\\b\\c.txt"].text.lstrip("\ufeff") == "hällo\r\n"
    assert "C:\\run\\flannel\\subnet.env" not in after.files
    assert not after.files["C:\\k\\kubelet.exe"].zone
    assert after.files["C:\\Program Files\\containerd\\containerd.exe"].size == 41_000_000
    assert after.registry["HKLM:\\SOFTWARE\\Lab"] == {"V": 3}
    assert after.hns.policy_lists == []
    assert value_of(
        node, "[IO.File]::ReadAllText('C:\\a\\b\\c.txt'), (Test-Path C:\\run\\flannel\\subnet.env)"
    ) == [
        "hällo\r\n",
        False,
    ]


def test_started_service_has_a_process(start: NodeFactory, machine: Machine) -> None:
    machine.services["kubelet"].state, machine.services["kubelet"].pid = "Stopped", 0
    machine.processes = []
    node = start(machine)
    text_of(node, "Start-Service kubelet")
    after = node.machine
    assert after.services["kubelet"].state == "Running"
    assert [p.pid for p in after.processes] == [after.services["kubelet"].pid]
    machine.services["kubelet"].start_mode = "Disabled"
    node.apply(machine)
    script = "try { Start-Service kubelet -ErrorAction Stop } catch { $_.FullyQualifiedErrorId }"
    assert text_of(node, script).startswith("CouldNotStartService,")


def test_new_state_is_seen_at_once(start: NodeFactory, machine: Machine) -> None:
    node = start()
    machine.hns.networks = []
    machine.files["C:\\run\\flannel\\subnet.env"].text = "FLANNEL_MTU=1400\n"
    node.apply(machine)
    assert value_of(
        node, "@(Get-HnsNetwork).Count, [IO.File]::ReadAllText('C:\\run\\flannel\\subnet.env')"
    ) == [
        0,
        "FLANNEL_MTU=1400\n",
    ]


def test_an_edit_keeps_what_processes_have_changed(start: NodeFactory) -> None:
    node = start()
    run = node.run(
        [
            "powershell.exe",
            "-Command",
            "Set-Service hns -StartupType Disabled; 'set'; [Console]::In.ReadLine()",
        ]
    )
    output = run.take(100, 60)
    assert output is not None
    node.edit(lambda machine: machine.pipes.append("docker_engine"))
    run.write(b"\n")
    run.close_input()
    assert run.wait(60)
    assert node.machine.services["hns"].start_mode == "Disabled"
    assert node.machine.pipes == ["containerd-containerd", "docker_engine"]


@pytest.mark.parametrize(
    ("culture", "word", "event"),
    [("de-DE", "nicht vorhanden", "unerwartet beendet"), ("zh-CN", "找不到路径", "意外地终止")],
)
def test_messages_are_in_the_nodes_language(
    start: NodeFactory, machine: Machine, culture: str, word: str, event: str
) -> None:
    machine.os.ui_culture = culture
    node = start()
    script = """
        try { Get-Item C:\\nope -ErrorAction Stop } catch { $_.Exception.Message; $_.FullyQualifiedErrorId }
        (Get-WinEvent -LogName System).Message
        Get-HnsNetwork | ForEach-Object Name
    """
    lines = text_of(node, script).split("\n")
    assert word in lines[0]
    assert lines[1].startswith("PathNotFound,")
    assert event in lines[2]
    assert "kubelet" in lines[2]
    assert lines[3] == "flannel.4096"


def test_constrained_language_mode(start: NodeFactory, machine: Machine) -> None:
    machine.os.language_mode = "ConstrainedLanguage"
    script = """
        [string]$ExecutionContext.SessionState.LanguageMode
        try { [Convert]::ToBase64String([byte[]](1)) } catch { $_.FullyQualifiedErrorId }
        (Get-CimInstance Win32_Service -Filter "Name='hns'").State
        try { New-Object IO.MemoryStream } catch { $_.FullyQualifiedErrorId }
    """
    assert text_of(start(), script).split("\n") == [
        "ConstrainedLanguage",
        "MethodInvocationNotSupportedInConstrainedLanguage",
        "Running",
        "CannotCreateTypeConstrainedLanguage,Microsoft.PowerShell.Commands.NewObjectCommand",
    ]


def test_not_elevated(start: NodeFactory, machine: Machine) -> None:
    machine.os.elevated = False
    script = """
        [bool](@(whoami.exe /groups) -match 'S-1-16-12288')
        $null -eq (Get-CimInstance Win32_Process -Filter "Name='kubelet.exe'").CommandLine
        try { Get-HnsNetwork } catch { '0x{0:X8}' -f $_.Exception.HResult }
        try { Stop-Service containerd -ErrorAction Stop } catch { ($_.FullyQualifiedErrorId -split ',')[0] }
        try { New-NetFirewallRule -DisplayName x } catch { ($_.FullyQualifiedErrorId -split ',')[0] }
    """
    assert text_of(start(), script).split("\n") == [
        "False",
        "True",
        "0x80070005",
        "CouldNotStopService",
        "Windows System Error 5",
    ]


def test_hns_that_is_off(start: NodeFactory, machine: Machine) -> None:
    machine.services["hns"].state = "Stopped"
    script = "try { Get-HnsNetwork } catch { '0x{0:X8}' -f $_.Exception.HResult }"
    assert text_of(start(), script) == "0x80070426"


def test_a_cmdlet_that_hangs(start: NodeFactory, machine: Machine) -> None:
    machine.hung_questions = ["Get-HnsEndpoint"]
    node = start()
    run = node.run(["powershell.exe", "-Command", "'before'; Get-HnsEndpoint"])
    output = run.take(100, 30)
    assert output is not None
    assert output.chunks == [("stdout", b"before\n")]
    assert run.take(100, 0.3) is None
    run.kill()
    assert run.wait(10)


def test_the_nodes_clock(start: NodeFactory, machine: Machine) -> None:
    machine.os.clock_offset = 3600.0
    script = "[int]((Get-Date) - [DateTime]::Now).TotalMinutes; (Get-Date -Format yyyy).Length"
    assert text_of(start(), script).split() == ["60", "4"]
