# The clock, Defender, features, name resolution, and the version that scripts see.

# The node's clock may be wrong; what scripts are told is the lab's time plus that.
function Get-Date {
    [CmdletBinding()]
    param([Parameter(Position = 0, ValueFromPipeline)][DateTime]$Date, [string]$Format, [string]$UFormat)
    process {
        $given = $PSBoundParameters.ContainsKey('Date')
        $at = if ($given) { $Date } else { [DateTime]::Now.AddSeconds([double]::Parse($env:KWINNOW_LAB_AHEAD, [cultureinfo]::InvariantCulture)) }
        if ($Format) { Microsoft.PowerShell.Utility\Get-Date -Date $at -Format $Format }
        elseif ($UFormat) { Microsoft.PowerShell.Utility\Get-Date -Date $at -UFormat $UFormat }
        else { Microsoft.PowerShell.Utility\Get-Date -Date $at }
    }
}

# https://learn.microsoft.com/powershell/module/microsoft.powershell.utility/get-culture?view=powershell-5.1
function Get-Culture { [CmdletBinding()] param() [cultureinfo]::new([string](Get-LabState os).ui_culture) }
function Get-UICulture { [CmdletBinding()] param() [cultureinfo]::new([string](Get-LabState os).ui_culture) }

# https://learn.microsoft.com/powershell/module/defender/get-mpcomputerstatus
function Get-MpComputerStatus {
    [CmdletBinding()] param()
    Wait-LabHang Get-MpComputerStatus
    $running = (Get-LabState services)['WinDefend']
    if (-not $running) { $PSCmdlet.ThrowTerminatingError((New-LabError 'CommandNotFoundException' "The term 'Get-MpComputerStatus' is not recognized as the name of a cmdlet, function, script file, or operable program." 'System.Management.Automation.CommandNotFoundException' 'ObjectNotFound' 'Get-MpComputerStatus')) }
    $on = $running.state -eq 'Running'
    New-LabCim MSFT_MpComputerStatus ([ordered]@{
        AMRunningMode = $(if ($on) { 'Normal' } else { 'Not running' }); AMServiceEnabled = $on; AntispywareEnabled = $on; AntivirusEnabled = $on
        BehaviorMonitorEnabled = $on; IoavProtectionEnabled = $on; NISEnabled = $on; OnAccessProtectionEnabled = $on; RealTimeProtectionEnabled = $on
        AntivirusSignatureLastUpdated = ConvertTo-LabTime -36000 }) 'root/Microsoft/Windows/Defender'
}

# Exclusions are masked without rights: https://learn.microsoft.com/powershell/module/defender/get-mppreference
function Get-MpPreference {
    [CmdletBinding()] param()
    Wait-LabHang Get-MpPreference
    if (-not (Get-LabState services)['WinDefend']) { $PSCmdlet.ThrowTerminatingError((New-LabError 'CommandNotFoundException' "The term 'Get-MpPreference' is not recognized as the name of a cmdlet, function, script file, or operable program." 'System.Management.Automation.CommandNotFoundException' 'ObjectNotFound' 'Get-MpPreference')) }
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows Defender\Exclusions'
    $paths = @((Get-LabRegistryKey "$key\Paths").Keys); $programs = @((Get-LabRegistryKey "$key\Processes").Keys)
    if (-not (Get-LabState os).elevated) { $paths = @('N/A: Must be an administrator to view exclusions'); $programs = $paths }
    New-LabCim MSFT_MpPreference ([ordered]@{
        DisableRealtimeMonitoring = $false
        ExclusionPath = $(if ($paths.Count) { [string[]]$paths } else { $null })
        ExclusionProcess = $(if ($programs.Count) { [string[]]$programs } else { $null }) }) 'root/Microsoft/Windows/Defender'
}

# https://learn.microsoft.com/powershell/module/servermanager/get-windowsfeature
function Get-WindowsFeature {
    [CmdletBinding()] param([Parameter(Position = 0)][string[]]$Name)
    Wait-LabHang Get-WindowsFeature
    $drivers = Get-LabState drivers; $services = Get-LabState services
    $known = [ordered]@{ 'Containers' = $null -ne $services['vmcompute']; 'Hyper-V' = $null -ne $services['vmms']; 'Hyper-V-PowerShell' = $null -ne $services['vmms']; 'RemoteAccess' = $null -ne $services['RemoteAccess'] }
    foreach ($feature in $known.Keys) {
        if ($Name -and -not @($Name | Where-Object { $feature -like $_ })) { continue }
        $state = if ($known[$feature]) { 'Installed' } else { 'Available' }
        [pscustomobject][ordered]@{ PSTypeName = 'Microsoft.Windows.ServerManager.Commands.Feature'; Name = $feature; DisplayName = $feature; Installed = $known[$feature]; InstallState = ConvertTo-LabEnum 'Microsoft.Windows.ServerManager.Commands.InstallState' $state }
    }
}

# https://learn.microsoft.com/powershell/module/dnsclient/resolve-dnsname ; the error:
# https://github.com/MicrosoftDocs/windows-powershell-docs (DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName)
function Resolve-DnsName {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)][string]$Name, [string]$Type = 'A_AAAA', [string[]]$Server, [switch]$DnsOnly, [switch]$NoHostsFile, [switch]$QuickTimeout)
    Wait-LabHang Resolve-DnsName
    $names = Get-LabState names
    $found = $names.Keys | Where-Object { $_ -eq $Name.TrimEnd('.') } | Select-Object -First 1
    if ($null -eq $found) {
        $sentence = Get-LabSentence @{ 'en-US' = "$Name : DNS name does not exist"; 'de-DE' = "$Name : Der DNS-Name ist nicht vorhanden."; 'zh-CN' = "$Name : DNS 名称不存在。" }
        $exception = [ComponentModel.Win32Exception]::new(9003, $sentence)
        $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new($exception, 'DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName', 'ResourceUnavailable', $Name))
        return
    }
    foreach ($address in @($names[$found])) {
        [pscustomobject][ordered]@{ PSTypeName = 'Microsoft.DnsClient.Commands.DnsRecord_A'; Name = $Name; Type = 'A'; CharacterSet = 'Unicode'; Section = 'Answer'; DataLength = 4; TTL = 30; Address = $address; IPAddress = $address; QueryType = 'A'; IP4Address = $address }
    }
}
