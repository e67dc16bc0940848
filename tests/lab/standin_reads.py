"""What scripts ask of a node (`winkit.a_machine`) and what must come back. Enumerations are numbers, as 5.1 writes them."""

# ruff: noqa: E501 (PowerShell lines are kept whole)
from __future__ import annotations

from typing import Any

ERROR_ID = "; 'no error' } catch { $_.FullyQualifiedErrorId + ' ' + $_.Exception.GetType().Name }"
KEY = "HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"

READS: dict[str, tuple[str, Any]] = {
    "version": ("[string]$PSVersionTable.PSVersion, $PSVersionTable.PSEdition", ["5.1.17763.5830", "Desktop"]),
    "one service": (
        "Get-CimInstance -ClassName Win32_Service -Filter \"Name='hns' OR Name='nope'\" | "
        "Select-Object Name,State,StartMode,StartName,ProcessId,Started,DisplayName",
        {"Name": "hns", "State": "Running", "StartMode": "Auto", "StartName": "LocalSystem", "ProcessId": 1200,
         "Started": True, "DisplayName": "Host Network Service"},
    ),
    "filter: LIKE, AND, number": (
        "@(Get-CimInstance Win32_Process -Filter \"Name LIKE 'kube%' AND ProcessId > 10\" | % CommandLine)",
        ["C:\\k\\kubelet.exe --v=2"],
    ),
    "filter: NOT, parentheses": (
        "@(Get-CimInstance Win32_Service -Filter \"(Name='hns' OR Name='kubelet') AND NOT State='Stopped'\" | % Name)",
        ["hns", "kubelet"],
    ),
    "only asked properties": (
        "$s = Get-CimInstance Win32_Service -Filter \"Name='hns'\" -Property Name; @($s.Name, $s.State)", ["hns", None],
    ),
    "a CIM object drags its class": (
        "@(Get-CimInstance Win32_PageFileUsage)[0].PSObject.Properties.Name | Select-Object -Last 4",
        ["PSComputerName", "CimClass", "CimInstanceProperties", "CimSystemProperties"],
    ),
    "CIM types": (
        "$o = Get-CimInstance Win32_OperatingSystem; $o.LastBootUpTime.GetType().Name, "
        "$o.TotalVisibleMemorySize.GetType().Name, $o.BuildNumber",
        ["DateTime", "UInt64", "17763"],
    ),
    "unknown class": (
        "try { Get-CimInstance Win32_Nope -ErrorAction Stop" + ERROR_ID,
        "HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand Exception",
    ),
    "drivers and disks": (
        "(Get-CimInstance Win32_SystemDriver -Filter \"Name='vfpext'\").State, "
        "(Get-CimInstance Win32_LogicalDisk -Filter 'DriveType=3').FreeSpace",
        ["Running", 50_000_000_000],
    ),
    "registry value types": (
        f"$k = Get-ItemProperty -LiteralPath '{KEY}'; $k.CurrentBuild, $k.UBR, $k.UBR.GetType().Name, $k.PSChildName",
        ["17763", 5830, "Int32", "CurrentVersion"],
    ),
    "multi-string": (
        "$v = (Get-ItemProperty HKLM:\\SYSTEM\\CurrentControlSet\\Services\\kubelet\\Parameters).AppEnvironmentExtra; "
        "$v.GetType().Name, $v.Count",
        ["String[]", 1],
    ),
    "registry paths": (
        "(Test-Path HKLM:\\SYSTEM\\CurrentControlSet), (Test-Path HKLM:\\NOPE), "
        f"(Get-ItemPropertyValue '{KEY}' UBR), @(Get-ChildItem HKLM:\\SOFTWARE\\Microsoft | % PSChildName)[0]",
        [True, False, 5830, "Windows NT"],
    ),
    "service in the registry": (
        "(Get-ItemProperty HKLM:\\SYSTEM\\CurrentControlSet\\Services\\kubelet).Start, "
        "@((Get-ItemProperty HKLM:\\SYSTEM\\CurrentControlSet\\Services\\kubelet).DependOnService)",
        [2, ["containerd"]],
    ),
    "missing value": (
        f"try {{ Get-ItemProperty '{KEY}' -Name Nope -ErrorAction Stop" + ERROR_ID,
        "System.Management.Automation.PSArgumentException,Microsoft.PowerShell.Commands.GetItemPropertyCommand,"
        "Get-ItemProperty PSArgumentException",
    ),
    "machine environment": (
        "(Get-ItemProperty 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment').NODE_NAME", "win-1",
    ),
    "a file through .NET": (
        "$f = [IO.File]::Open((Get-Item -LiteralPath 'c:\\RUN\\flannel\\subnet.env').FullName, 'Open', 'Read', "
        "'ReadWrite, Delete'); $r = New-Object IO.StreamReader $f; $r.ReadToEnd(); $r.Dispose()",
        "FLANNEL_MTU=1450\n",
    ),
    "a file by its Windows name": ("[IO.File]::ReadAllText('C:\\run\\flannel\\subnet.env')", "FLANNEL_MTU=1450\n"),
    "folder listing": (
        "Get-ChildItem -LiteralPath C:\\etc\\cni\\net.d -Filter *.conf -File | Select-Object Name,FullName,DirectoryName",
        {"Name": "10-flannel.conf", "FullName": "C:\\etc\\cni\\net.d\\10-flannel.conf",
         "DirectoryName": "C:\\etc\\cni\\net.d"},
    ),
    "wildcards": ("@(Get-ChildItem C:\\k\\*.exe | % Name)", ["kubelet.exe", "nssm.exe"]),
    "executable": (
        "$f = Get-Item 'C:\\Program Files\\containerd\\containerd.exe'; $f.Length, $f.VersionInfo.FileVersion",
        [41_000_000, "1.7.1"],
    ),
    "zone of a download": (
        "(Get-Item C:\\k\\kubelet.exe -Stream Zone.Identifier).Stream, "
        "@(Get-Item C:\\k\\nssm.exe -Stream Zone.Identifier -ErrorAction SilentlyContinue).Count",
        ["Zone.Identifier", 0],
    ),
    "content decoded by 5.1's rules": (
        "(Get-Content C:\\etc\\cni\\net.d\\10-flannel.conf -Raw).Length, [string](Get-Content C:\\k\\sourceVip.json)",
        [24, '{"ip4": {"ip": "10.244.1.2/24"}}'],
    ),
    "content carries notes": (
        "(Get-Content C:\\run\\flannel\\subnet.env) | Select-Object PSChildName,ReadCount",
        {"PSChildName": "subnet.env", "ReadCount": 1},
    ),
    "missing file": (
        "try { Get-Item C:\\nope -ErrorAction Stop" + ERROR_ID,
        "PathNotFound,Microsoft.PowerShell.Commands.GetItemCommand,Get-Item ItemNotFoundException",
    ),
    "file tests": (
        "(Test-Path C:\\k -PathType Container), (Test-Path C:\\k -PathType Leaf), (Test-Path -LiteralPath C:\\nope)",
        [True, False, False],
    ),
    "pipes": ("@(Get-ChildItem -LiteralPath '\\\\.\\pipe\\' | % Name)", ["containerd-containerd"]),
    "adapters": (
        "Get-NetAdapter | Select-Object Name,ifIndex,Status,MtuSize,MacAddress",
        {"Name": "vEthernet (Ethernet)", "ifIndex": 12, "Status": "Up", "MtuSize": 1500,
         "MacAddress": "00-15-5D-00-00-01"},
    ),
    "hidden adapters": ("@(Get-NetAdapter -IncludeHidden).Count", 2),
    "addresses": (
        "Get-NetIPAddress -AddressFamily IPv4 -IncludeAllCompartments | Select-Object IPAddress,PrefixLength,PrefixOrigin,AddressState",
        [{"IPAddress": "10.0.0.5", "PrefixLength": 24, "PrefixOrigin": 3, "AddressState": 4},
         {"IPAddress": "127.0.0.1", "PrefixLength": 8, "PrefixOrigin": 2, "AddressState": 4}],
    ),
    "enumerations have words": ("[string](Get-NetIPAddress -AddressFamily IPv4)[0].PrefixOrigin", "Dhcp"),
    "routes and interfaces": (
        "(Get-NetRoute -DestinationPrefix 0.0.0.0/0).NextHop, [string](Get-NetIPInterface -AddressFamily IPv4)[0].Forwarding, "
        "[string](Get-NetConnectionProfile).NetworkCategory",
        ["10.0.0.1", "Disabled", "Public"],
    ),
    "DNS client": (
        "@((Get-DnsClientServerAddress -AddressFamily IPv4).ServerAddresses), @((Get-DnsClientGlobalSetting).SuffixSearchList)",
        [["10.0.0.1"], ["corp.example"]],
    ),
    "ports": (
        "@(Get-NetTCPConnection -State Listen | % LocalPort), (Get-NetTCPSetting -SettingName Internet).DynamicPortRangeStartPort, "
        "(Get-NetUDPSetting).DynamicPortRangeNumberOfPorts",
        [[10250], 49152, 16384],
    ),
    "no such adapter": (
        "try { Get-NetAdapter -Name nope -ErrorAction Stop" + ERROR_ID,
        "CmdletizationQuery_NotFound_Name,Get-NetAdapter CimJobException",
    ),
    "firewall rules": (
        "@(Get-NetFirewallRule | Select-Object Name,Enabled,Direction,Action,Profile)",
        [{"Name": "kubelet-10250", "Enabled": 1, "Direction": 1, "Action": 2, "Profile": 0},
         {"Name": "vxlan", "Enabled": 2, "Direction": 1, "Action": 2, "Profile": 0}],
    ),
    "active rules": ("@(Get-NetFirewallRule -PolicyStore ActiveStore | % Name)", ["kubelet-10250", "gpo"]),
    "rule to ports and back": (
        "(Get-NetFirewallRule -Name kubelet-10250 | Get-NetFirewallPortFilter).LocalPort, "
        "@((Get-NetFirewallPortFilter -Protocol UDP).LocalPort), "
        "(Get-NetFirewallPortFilter -Protocol TCP | Get-NetFirewallRule).Name",
        ["10250", ["4789", "8472"], "kubelet-10250"],
    ),
    "profiles": (
        "@(Get-NetFirewallProfile -PolicyStore ActiveStore | Select-Object Name,Enabled,DefaultInboundAction)[0]",
        {"Name": "Domain", "Enabled": 1, "DefaultInboundAction": 4},
    ),
    "services": (
        "Get-Service hns | Select-Object Name,Status,StartType", {"Name": "hns", "Status": 4, "StartType": 2},
    ),
    "missing service": (
        "try { Get-Service nope -ErrorAction Stop" + ERROR_ID,
        "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand,Get-Service ServiceCommandException",
    ),
    "HNS networks, by either name": (
        "@((HostNetworkingService\\Get-HnsNetwork).Name, (Get-HnsNetwork).Subnets[0].Policies[0].VSID)",
        ["flannel.4096", 4096],
    ),
    "HNS, the rest": (
        "(Get-HnsEndpoint).ID, @((Get-HnsPolicyList).References), (Get-HnsNamespace).ID", ["E1", ["/endpoints/E1"], "NS1"],
    ),
    "events": (
        "Get-WinEvent -FilterHashtable @{LogName='System';ProviderName='Service Control Manager';Id=7031,7034;"
        "StartTime=(Get-Date).AddDays(-3)} -MaxEvents 50 | Select-Object Id,Level,ProviderName,@{n='first';e={$_.Properties[0].Value}}",
        {"Id": 7034, "Level": 2, "ProviderName": "Service Control Manager", "first": "kubelet"},
    ),
    "no events": (
        "try { Get-WinEvent -FilterHashtable @{LogName='Application'} -ErrorAction Stop" + ERROR_ID,
        "NoMatchingEventsFound,Microsoft.PowerShell.Commands.GetWinEventCommand,Get-WinEvent Exception",
    ),
    "logs": ("(Get-WinEvent -ListLog System).RecordCount", 1),
    "names": ("(Resolve-DnsName registry.k8s.io).IPAddress", "192.0.2.7"),
    "no such name": (
        "try { Resolve-DnsName nope -ErrorAction Stop" + ERROR_ID,
        "DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName,Resolve-DnsName Win32Exception",
    ),
    "feature": ("[string](Get-WindowsFeature -Name Containers).InstallState", "Installed"),
    "program by path and name": (
        "(& 'C:\\Program Files\\containerd\\containerd.exe' --version), $LASTEXITCODE, (containerd.exe --version).Length",
        ["containerd github.com/containerd/containerd v1.7.1", 0, 50],
    ),
    "program on PATH": (
        "(Get-Command containerd -CommandType Application).Source, "
        "@(Get-Command crictl -CommandType Application -ErrorAction SilentlyContinue).Count",
        ["C:\\Program Files\\containerd\\containerd.exe", 0],
    ),
    "excluded ports": (
        "@(netsh.exe int ipv4 show excludedportrange protocol=tcp | Where-Object { $_ -match '^\\s*(\\d+)\\s+(\\d+)' } | "
        "ForEach-Object { [int]$Matches[1] })",
        [5985, 47001],
    ),
    "elevation": ("[bool](@(whoami.exe /groups) -match 'S-1-16-12288')", True),
    "connections": (
        "$c = New-Object System.Net.Sockets.TcpClient; $c.ConnectAsync('10.0.0.1', 6443).Wait(2000); $c.Connected; "
        "try { (New-Object Net.Sockets.TcpClient).ConnectAsync('10.0.0.1', 1).Wait(2000) } "
        "catch { [string]$_.Exception.GetBaseException().SocketErrorCode }; "
        "(New-Object Net.Sockets.TcpClient).ConnectAsync('10.0.0.9', 443).Wait(20)",
        [True, True, "ConnectionRefused", False],
    ),
    "other objects are real": (
        "$l = New-Object Collections.ArrayList; [void]$l.Add(1); $m = New-Object IO.MemoryStream (, [byte[]](1, 2)); "
        "$l.GetType().Name, $l.Count, $m.Length",
        ["ArrayList", 1, 2],
    ),
}  # fmt: skip
