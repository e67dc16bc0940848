# The in-box module by its full name: Microsoft's sample module hns.psm1 has commands of the same names and another
# schema. The objects leave as JSON text of the columns that are read; remote endpoints come by the hundred.
function Read-Hns([string]$name, [string[]]$columns) {
    $command = "HostNetworkingService\$name"
    if (-not (Get-Command -Name $command -ErrorAction SilentlyContinue)) { $command = $name }
    $list = @(& $command | Where-Object { $_ } | Select-Object -Property $columns)
    ConvertTo-Json -InputObject $list -Depth 15 -Compress
}
$networks = Read-Hns 'Get-HnsNetwork' @('ID', 'Name', 'Type', 'ManagementIP', 'NetworkAdapterName', 'Subnets', 'Ipams', 'Policies', 'State', 'Flags')
$endpoints = Read-Hns 'Get-HnsEndpoint' @('ID', 'Name', 'VirtualNetwork', 'VirtualNetworkName', 'HostComputeNetwork', 'IPAddress', 'IpConfigurations', 'MacAddress', 'IsRemoteEndpoint', 'Flags', 'State', 'DNSSuffix', 'DNSServerList', 'Dns', 'SharedContainers', 'Policies')
$lists = Read-Hns 'Get-HnsPolicyList' @('ID', 'State', 'References', 'Policies', 'HostComputeEndpoints', 'FrontendVIPs', 'PortMappings', 'SourceVIP', 'Flags')
@{ networks = $networks; endpoints = $endpoints; policy_lists = $lists }
