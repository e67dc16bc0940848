# Port filters first, rules only for those that match: asking every rule for its filter takes minutes.
# Rules for any port would match everything that programs bring along; of those the registry shows the few that are
# limited to no program, service, package or address (format: MS-GPFAS 2.2.2.19).
$wanted = 4789, 10250, 5985, 5986
$first, $last = 30000, 32767
function Test-Port([string]$spec) {
    if ($spec -match '^\d+$') { return ($wanted -contains [int]$spec) -or ([int]$spec -ge $first -and [int]$spec -le $last) }
    if ($spec -match '^(\d+)-(\d+)$') {
        $low, $high = [int]$Matches[1], [int]$Matches[2]
        if ($low -le $last -and $high -ge $first) { return $true }
        foreach ($port in $wanted) { if ($low -le $port -and $high -ge $port) { return $true } }
    }
    $false
}
$profiles = @{}
$inbound = @{}
foreach ($one in Get-NetFirewallProfile -PolicyStore ActiveStore) {
    $profiles[[string]$one.Name] = [string]$one.Enabled -eq 'True'
    $inbound[[string]$one.Name] = [string]$one.DefaultInboundAction
}
$rules = foreach ($protocol in 'UDP', 'TCP') {
    # Where no rule is left for a protocol, the question for it fails as one for a thing that does not exist.
    try { $filters = @(Get-NetFirewallPortFilter -Protocol $protocol -PolicyStore ActiveStore) } catch {
        if ([string]$_.FullyQualifiedErrorId -notlike 'CmdletizationQuery_NotFound*') { throw }
        $filters = @()
    }
    foreach ($filter in $filters) {
        $ports = @($filter.LocalPort | ForEach-Object { [string]$_ })
        if (-not @($ports | Where-Object { Test-Port $_ }).Count) { continue }
        foreach ($rule in $filter | Get-NetFirewallRule) {
            if ([string]$rule.Direction -ne 'Inbound' -or [string]$rule.Enabled -ne 'True') { continue }
            # Bits, 0 or all of them for any.
            $bits = [int]$rule.Profile
            $names = @('Any')
            if ($bits -gt 0 -and $bits -lt 7) { $names = @(if ($bits -band 1) { 'Domain' }; if ($bits -band 2) { 'Private' }; if ($bits -band 4) { 'Public' }) }
            @{
                name = [string]$rule.Name; display_name = [string]$rule.DisplayName; allow = ([string]$rule.Action -eq 'Allow'); protocol = $protocol; ports = $ports
                profiles = $names; store = [string]$rule.PolicyStoreSourceType
            }
        }
    }
}
$open = @()
foreach ($path in 'HKLM:\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules', 'HKLM:\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules') {
    $key = Read-Registry $path
    if (-not $key) { continue }
    foreach ($name in @($key.Keys)) {
        $text = [string]$key[$name]
        if ($text -match '\|Active=TRUE\|' -and $text -match '\|Dir=In\|' -and $text -notmatch '\|(LPort\d?_?\d*|App|Svc|AppPkgId|LUOwn|LUAuth|RA4|RA6|LA4|LA6|IFType|Security\d?_?\d*|RUAuth|RMauth|ICMP4|ICMP6|RPort)=' -and ($text -notmatch '\|Protocol=' -or $text -match '\|Protocol=(6|17)\|')) {
            $open += @{ name = [string]$name; text = $text; policy = ($path -like '*Policies\Microsoft*') }
        }
    }
}
@{ profiles = $profiles; default_inbound = $inbound; rules = @($rules | Where-Object { $_ }); open = $open }
