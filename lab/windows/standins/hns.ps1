# The in-box module HostNetworkingService, v1 schema. Real objects: https://github.com/projectcalico/calico/issues/8465
# (network, policy list), https://github.com/projectcalico/calico/issues/4682 (endpoint, as JSON),
# https://github.com/flannel-io/flannel/issues/1944 (flannel's network),
# https://github.com/kubernetes-sigs/sig-windows-tools/issues/103 (network of Server 2019).

function Assert-LabHns([string]$name) {
    Wait-LabHang $name
    Add-LabTrace 'field hns'
    $state = Microsoft.PowerShell.Utility\ConvertFrom-Json -InputObject ([IO.File]::ReadAllText("$env:KWINNOW_LAB_NODE/state/hns.json")) -DateKind String
    if ($state.hangs) { [Threading.Thread]::Sleep(-1) }
    $services = Get-LabState services
    # The commands come with the Containers feature.
    if ($services['vmcompute'] -eq $null -and $services['hns'] -eq $null) {
        throw (New-LabError 'CommandNotFoundException' (Get-LabSentence @{
                'en-US' = "The term '$name' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
                'de-DE' = "Die Benennung `"$name`" wurde nicht als Name eines Cmdlet, einer Funktion, einer Skriptdatei oder eines ausführbaren Programms erkannt."
                'zh-CN' = "无法将`“$name`”项识别为 cmdlet、函数、脚本文件或可运行程序的名称。" }) 'System.Management.Automation.CommandNotFoundException' 'ObjectNotFound' $name)
        return
    }
    $code = 0
    if (-not (Get-LabState os).elevated) { $code = 5; $sentence = @{ 'en-US' = 'Access is denied. (0x80070005)'; 'de-DE' = 'Zugriff verweigert (0x80070005)'; 'zh-CN' = '拒绝访问。 (0x80070005)' } }
    elseif ($services['hns'] -and $services['hns'].state -ne 'Running') { $code = 1062; $sentence = @{ 'en-US' = 'The service has not been started. (0x80070426)'; 'de-DE' = 'Der Dienst wurde nicht gestartet. (0x80070426)'; 'zh-CN' = '服务尚未启动。 (0x80070426)' } }
    if ($code) {
        $exception = [Runtime.InteropServices.COMException]::new((Get-LabSentence $sentence), [BitConverter]::ToInt32([BitConverter]::GetBytes([uint32](2147942400 + $code)), 0))
        throw [Management.Automation.ErrorRecord]::new($exception, "System.Runtime.InteropServices.COMException,Microsoft.HostNetworkingService.$name", 'NotSpecified', $null)
        return
    }
    $state
}

function Get-HnsNetwork {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Id, [string]$Name, [int]$Version)
    foreach ($o in (Assert-LabHns Get-HnsNetwork).networks) { if ((-not $Id -or $o.ID -eq $Id) -and (-not $Name -or $o.Name -eq $Name)) { $o } }
}

function Get-HnsEndpoint {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Id, [string]$Name, [int]$Version)
    foreach ($o in (Assert-LabHns Get-HnsEndpoint).endpoints) { if ((-not $Id -or $o.ID -eq $Id) -and (-not $Name -or $o.Name -eq $Name)) { $o } }
}

function Get-HnsPolicyList {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Id, [int]$Version)
    foreach ($o in (Assert-LabHns Get-HnsPolicyList).policy_lists) { if (-not $Id -or $o.ID -eq $Id) { $o } }
}

# Namespaces are those that endpoints name: https://github.com/microsoft/SDN/pull/531
function Get-HnsNamespace {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string]$Id)
    $state = Assert-LabHns Get-HnsNamespace
    foreach ($group in $state.endpoints | Where-Object { $_.PSObject.Properties['Namespace'] -and $_.Namespace.ID } | Group-Object { $_.Namespace.ID }) {
        if ($Id -and $group.Name -ne $Id) { continue }
        [pscustomobject][ordered]@{ ID = $group.Name; CompartmentId = 0; IsDefault = $false; ResourceList = @($group.Group | ForEach-Object { [pscustomobject][ordered]@{ Type = 'Endpoint'; Data = [pscustomobject]@{ Id = $_.ID } } }) }
    }
}

function Remove-LabHnsObject([string]$kind, [string]$command, $objects) {
    [void](Assert-LabHns $command)
    $ids = @($objects | ForEach-Object { if ($_ -is [string]) { $_ } else { $_.ID } })
    Edit-LabState hns {
        param($h)
        $h[$kind] = @($h[$kind] | Where-Object { $_.ID -notin $ids })
        # A network takes its endpoints with it.
        if ($kind -eq 'networks') { $h.endpoints = @($h.endpoints | Where-Object { $_.VirtualNetwork -notin $ids }) }
    }
}

function Remove-HnsNetwork { [CmdletBinding(SupportsShouldProcess)] param([Parameter(Position = 0, ValueFromPipeline)]$InputObject, [string]$Id) process { Remove-LabHnsObject networks Remove-HnsNetwork $(if ($Id) { $Id } else { $InputObject }) } }
function Remove-HnsEndpoint { [CmdletBinding(SupportsShouldProcess)] param([Parameter(Position = 0, ValueFromPipeline)]$InputObject, [string]$Id) process { Remove-LabHnsObject endpoints Remove-HnsEndpoint $(if ($Id) { $Id } else { $InputObject }) } }
function Remove-HnsPolicyList { [CmdletBinding(SupportsShouldProcess)] param([Parameter(Position = 0, ValueFromPipeline)]$InputObject, [string]$Id) process { Remove-LabHnsObject policy_lists Remove-HnsPolicyList $(if ($Id) { $Id } else { $InputObject }) } }

# The same under the module's name, for scripts that must not meet another module's commands.
foreach ($name in 'Get-HnsNetwork', 'Get-HnsEndpoint', 'Get-HnsPolicyList', 'Get-HnsNamespace', 'Remove-HnsNetwork', 'Remove-HnsEndpoint', 'Remove-HnsPolicyList') {
    Microsoft.PowerShell.Management\Set-Item -LiteralPath "Function:\global:HostNetworkingService\$name" -Value ([scriptblock]::Create("$name @args"))
}
Remove-Variable -Name name

# Modules that Windows has are there without being loaded.
function Import-Module {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline)][string[]]$Name, [switch]$Force, [switch]$PassThru, [switch]$DisableNameChecking, [switch]$Global)
    process {
        foreach ($one in $Name) {
            if ($one -in 'HostNetworkingService', 'NetAdapter', 'NetTCPIP', 'NetSecurity', 'DnsClient', 'CimCmdlets', 'ServerManager', 'Defender', 'NetConnection') { continue }
            Microsoft.PowerShell.Core\Import-Module -Name $one -Force:$Force -PassThru:$PassThru -Global
        }
    }
}
