# The Windows firewall. A rule as listed: https://github.com/ansible-collections/community.windows/issues/40 ; that ports
# sit in filter objects joined by InstanceID, and the numbers behind the words: https://github.com/mondoohq/mql/pull/10357 ;
# stores: https://github.com/dsccommunity/NetworkingDsc/pull/518 ; profiles:
# https://learn.microsoft.com/powershell/module/netsecurity/get-netfirewallprofile

function Get-NetFirewallProfile {
    [CmdletBinding()]
    param([Parameter(Position = 0)][Alias('Profile')][string[]]$Name, [string]$PolicyStore, [switch]$All)
    Wait-LabHang Get-NetFirewallProfile
    $firewall = Get-LabState firewall
    foreach ($one in 'Domain', 'Private', 'Public') {
        if ($Name -and $one -notin $Name) { continue }
        $on = if ($firewall.profiles.Contains($one)) { [bool]$firewall.profiles[$one] } else { $true }
        # What nobody has set is NotConfigured in the persistent store and resolved in the active one.
        $inbound = if ($PolicyStore -eq 'ActiveStore' -or $firewall.default_inbound -ne 'Block') { $firewall.default_inbound } else { 'NotConfigured' }
        New-LabCim MSFT_NetFirewallProfile ([ordered]@{
            Profile = $one; Name = $one; Enabled = ConvertTo-LabEnum NetSecurity.GpoBoolean ([string]$on); DefaultInboundAction = ConvertTo-LabEnum NetSecurity.Action $inbound
            DefaultOutboundAction = ConvertTo-LabEnum NetSecurity.Action $(if ($PolicyStore -eq 'ActiveStore') { 'Allow' } else { 'NotConfigured' }); AllowInboundRules = ConvertTo-LabEnum NetSecurity.GpoBoolean NotConfigured
            AllowLocalFirewallRules = ConvertTo-LabEnum NetSecurity.GpoBoolean $(if ($PolicyStore -eq 'ActiveStore') { 'True' } else { 'NotConfigured' }); NotifyOnListen = ConvertTo-LabEnum NetSecurity.GpoBoolean False; LogFileName = '%systemroot%\system32\LogFiles\Firewall\pfirewall.log'; LogBlocked = ConvertTo-LabEnum NetSecurity.GpoBoolean False; InstanceID = "MSFT|FW|FirewallProfile|$one"
        }) 'ROOT/StandardCimv2'
    }
}

function Get-LabFirewallRules([string]$store) {
    foreach ($rule in (Get-LabState firewall).rules) {
        if ($store -ne 'ActiveStore' -and $rule.store -ne $(if ($store) { $store } else { 'PersistentStore' })) { continue }
        # The active store holds no rule that is off.
        if ($store -eq 'ActiveStore' -and -not $rule.enabled) { continue }
        $rule
    }
}

function New-LabFirewallRule($rule) {
    $profile2 = [Enum]::ToObject((ConvertTo-LabEnum NetSecurity.Profile Any).GetType(), [uint16]0)
    if ($rule.profile -ne 'Any') { $sum = 0; foreach ($p in [string]$rule.profile -split ',\s*') { $sum = $sum -bor [int](ConvertTo-LabEnum NetSecurity.Profile $p) }; $profile2 = [Enum]::ToObject($profile2.GetType(), [uint16]$sum) }
    $group = $rule.store -eq 'GroupPolicy'
    New-LabCim MSFT_NetFirewallRule ([ordered]@{
        Name = $rule.name; ID = $rule.name; DisplayName = $rule.display_name; Group = $null; DisplayGroup = $null; Description = $null; Enabled = ConvertTo-LabEnum NetSecurity.Enabled $(if ($rule.enabled) { 'True' } else { 'False' }); Profile = $profile2; Platform = @()
        Direction = ConvertTo-LabEnum NetSecurity.Direction $rule.direction; Action = ConvertTo-LabEnum NetSecurity.Action $rule.action; EdgeTraversalPolicy = 0; LooseSourceMapping = $false; LocalOnlyMapping = $false; Owner = $null; PrimaryStatus = 1
        Status = 'The rule was parsed successfully from the store. (65536)'; EnforcementStatus = @(0); PolicyStoreSource = $(if ($group) { 'localhost' } else { 'PersistentStore' }); PolicyStoreSourceType = ConvertTo-LabEnum NetSecurity.PolicyStoreType $(if ($group) { 'GroupPolicy' } else { 'Local' }); InstanceID = $rule.name
    }) 'ROOT/StandardCimv2'
}

function Get-NetFirewallRule {
    [CmdletBinding()]
    param([Parameter(Position = 0)][Alias('ID')][string[]]$Name, [string[]]$DisplayName, [string[]]$Enabled, [string[]]$Direction, [string[]]$Action, [string]$PolicyStore, [string[]]$PolicyStoreSourceType, [Parameter(ValueFromPipeline)]$AssociatedNetFirewallPortFilter, [switch]$All, [string[]]$DisplayGroup, [string[]]$Group)
    process {
        Wait-LabHang Get-NetFirewallRule
        $found = $false
        foreach ($rule in Get-LabFirewallRules $(if ($AssociatedNetFirewallPortFilter) { 'ActiveStore' } else { $PolicyStore })) {
            if ($AssociatedNetFirewallPortFilter -and $rule.name -ne $AssociatedNetFirewallPortFilter.InstanceID) { continue }
            if ($Name -and -not @($Name | Where-Object { $rule.name -like $_ }).Count) { continue }
            if ($DisplayName -and -not @($DisplayName | Where-Object { $rule.display_name -like $_ }).Count) { continue }
            if ($Enabled -and [string][bool]$rule.enabled -notin $Enabled) { continue }
            if ($Direction -and $rule.direction -notin $Direction) { continue }
            if ($Action -and $rule.action -notin $Action) { continue }
            if ($PolicyStoreSourceType -and $(if ($rule.store -eq 'GroupPolicy') { 'GroupPolicy' } else { 'Local' }) -notin $PolicyStoreSourceType) { continue }
            $found = $true
            New-LabFirewallRule $rule
        }
        if (-not $found -and $Name -and "$Name" -notmatch '[*?]') { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetFirewallRule InstanceID "$Name")) }
        if (-not $found -and $DisplayName -and "$DisplayName" -notmatch '[*?]') { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetFirewallRule DisplayName "$DisplayName")) }
    }
}

function Get-NetFirewallPortFilter {
    [CmdletBinding()]
    param([string[]]$Protocol, [string]$PolicyStore, [Parameter(ValueFromPipeline)]$AssociatedNetFirewallRule, [switch]$All)
    process {
        Wait-LabHang Get-NetFirewallPortFilter
        $store = if ($AssociatedNetFirewallRule) { if ([string]$AssociatedNetFirewallRule.PolicyStoreSourceType -eq 'GroupPolicy') { 'GroupPolicy' } else { 'PersistentStore' } } else { $PolicyStore }
        foreach ($rule in Get-LabFirewallRules $store) {
            if ($AssociatedNetFirewallRule -and $rule.name -ne $AssociatedNetFirewallRule.InstanceID) { continue }
            if ($Protocol -and $rule.protocol -notin $Protocol) { continue }
            # The formatted property unrolls a list of one.
            $ports = if (@($rule.local_port).Count -eq 1) { [string]$rule.local_port[0] } else { [string[]]$rule.local_port }
            New-LabCim MSFT_NetProtocolPortFilter ([ordered]@{ Protocol = $rule.protocol; LocalPort = $ports; RemotePort = 'Any'; IcmpType = 'Any'; DynamicTarget = 'Any'; DynamicTransport = 0; InstanceID = $rule.name; CreationClassName = "MSFT|FW|FirewallRule|$($rule.name)" }) 'ROOT/StandardCimv2'
        }
    }
}

function Assert-LabFirewallRight {
    if (-not (Get-LabState os).elevated) { throw (New-LabError 'Windows System Error 5' (Get-LabSentence @{ 'en-US' = 'Access is denied. '; 'de-DE' = 'Zugriff verweigert '; 'zh-CN' = '拒绝访问。' }) 'Microsoft.Management.Infrastructure.CimException' 'PermissionDenied') }
}

function New-NetFirewallRule {
    [CmdletBinding(SupportsShouldProcess)]
    param([Alias('ID')][string]$Name = "{$([guid]::NewGuid().ToString().ToUpper())}", [Parameter(Mandatory)][string]$DisplayName, [string]$Direction = 'Inbound', [string]$Action = 'Allow', [string]$Enabled = 'True', [string]$Protocol = 'Any', [string[]]$LocalPort = 'Any', [string[]]$Profile = 'Any', [string]$Program = 'Any', [string]$Group, [string]$Description, [string[]]$RemoteAddress, [string]$PolicyStore)
    Assert-LabFirewallRight
    $existing = (Get-LabState firewall).rules | Where-Object { $_.name -eq $Name }
    if ($existing) {
        $PSCmdlet.WriteError((New-LabError 'Windows System Error 183' (Get-LabSentence @{ 'en-US' = 'Cannot create a file when that file already exists. '; 'de-DE' = 'Eine Datei kann nicht erstellt werden, wenn sie bereits vorhanden ist. '; 'zh-CN' = '当文件已存在时，无法创建该文件。 ' }) 'System.Exception' 'ResourceExists' $Name)); return
    }
    $rule = [ordered]@{ name = $Name; display_name = $DisplayName; direction = $Direction; action = $Action; enabled = $Enabled -eq 'True'; protocol = $Protocol; local_port = @($LocalPort); profile = ($Profile -join ', '); program = $Program; store = 'PersistentStore' }
    Edit-LabState firewall { param($f) $f.rules = @($f.rules) + @($rule) }
    New-LabFirewallRule $rule
}

function Edit-LabFirewallRules($names, $displays, [scriptblock]$change) {
    Assert-LabFirewallRight
    $hit = @{ count = 0 }
    Edit-LabState firewall {
        param($f)
        foreach ($rule in $f.rules) { if (($names -and $rule.name -in $names) -or ($displays -and $rule.display_name -in $displays)) { $hit.count++; . $change $rule } }
        $f.rules = @($f.rules | Where-Object { -not $_.Contains('gone') })
    }
    if ($hit.count -eq 0) { throw (New-LabNotFoundBy MSFT_NetFirewallRule InstanceID "$names$displays") }
}

function Set-NetFirewallRule {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, ValueFromPipelineByPropertyName)][Alias('ID')][string[]]$Name, [string[]]$DisplayName, [string]$NewDisplayName, [string]$Enabled, [string]$Action, [string]$Direction, [string]$Protocol, [string[]]$LocalPort, [string[]]$Profile)
    process {
        Edit-LabFirewallRules $Name $DisplayName {
            param($r)
            if ($NewDisplayName) { $r.display_name = $NewDisplayName }
            if ($Enabled) { $r.enabled = $Enabled -eq 'True' }
            if ($Action) { $r.action = $Action }
            if ($Direction) { $r.direction = $Direction }
            if ($Protocol) { $r.protocol = $Protocol }
            if ($LocalPort) { $r.local_port = @($LocalPort) }
            if ($Profile) { $r.profile = $Profile -join ', ' }
        }
    }
}

function Remove-NetFirewallRule {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, ValueFromPipelineByPropertyName)][Alias('ID')][string[]]$Name, [string[]]$DisplayName)
    process { Edit-LabFirewallRules $Name $DisplayName { param($r) $r['gone'] = $true } }
}

function Enable-NetFirewallRule {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, ValueFromPipelineByPropertyName)][Alias('ID')][string[]]$Name, [string[]]$DisplayName)
    process { Edit-LabFirewallRules $Name $DisplayName { param($r) $r.enabled = $true } }
}

function Disable-NetFirewallRule {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0, ValueFromPipelineByPropertyName)][Alias('ID')][string[]]$Name, [string[]]$DisplayName)
    process { Edit-LabFirewallRules $Name $DisplayName { param($r) $r.enabled = $false } }
}
