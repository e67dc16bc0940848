$servers = @{}
foreach ($a in Get-DnsClientServerAddress -AddressFamily IPv4) {
    $list = @($a.ServerAddresses | Where-Object { $_ } | ForEach-Object { [string]$_ })
    if ($list.Count) { $servers[[string]$a.InterfaceAlias] = $list }
}
$global = Get-DnsClientGlobalSetting
$tcpip = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
$policy = Read-Registry 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\DNSClient'
$append = $null
if ($policy -and $policy.ContainsKey('AppendToMultiLabelName')) { $append = [int]$policy.AppendToMultiLabelName -ne 0 }
@{
    servers = $servers
    suffixes = @($global.SuffixSearchList | Where-Object { $_ } | ForEach-Object { [string]$_ })
    search_list = [string]$tcpip.SearchList
    append_to_multi_label = $append
}
