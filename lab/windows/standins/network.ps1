# Adapters, addresses, routes, DNS client, TCP/UDP.
# Get-NetAdapter: https://github.com/saltstack/salt/issues/56275 ; Get-NetIPAddress:
# https://github.com/StefanScherer/windows-docker-machine/issues/67 ; Get-NetRoute:
# https://github.com/kubernetes-sigs/sig-windows-tools/issues/214 ; Get-NetIPInterface: https://github.com/docker/for-win/issues/2760 ;
# Get-NetTCPConnection, Get-NetTCPSetting, Get-NetUDPSetting: https://learn.microsoft.com/powershell/module/nettcpip/ ;
# Get-DnsClient*: https://learn.microsoft.com/powershell/module/dnsclient/ ;
# Get-NetConnectionProfile: https://learn.microsoft.com/powershell/module/netconnection/get-netconnectionprofile

function New-LabNotFoundBy([string]$class, [string]$property, $value) {
    New-LabError "CmdletizationQuery_NotFound_$property" (Get-LabSentence @{
            'en-US' = "No $class objects found with property '$property' equal to '$value'.  Verify the value of the property and retry."
            'de-DE' = "Es wurden keine $class-Objekte gefunden, deren $property-Eigenschaft `"$value`" entspricht.  Überprüfen Sie den Wert der Eigenschaft, und wiederholen Sie den Vorgang."
            'zh-CN' = "未找到属性`“$property`”等于`“$value`”的 $class 对象。请验证该属性的值，然后重试。" }) 'Microsoft.PowerShell.Cmdletization.Cim.CimJobException' 'ObjectNotFound' $value
}

function Get-NetAdapter {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$Name, [Alias('ifIndex')][int[]]$InterfaceIndex, [string[]]$InterfaceDescription, [switch]$IncludeHidden, [switch]$Physical)
    Wait-LabHang Get-NetAdapter
    $found = $false
    foreach ($a in Get-LabState adapters) {
        if ($a.hidden -and -not $IncludeHidden) { continue }
        if ($Physical -and $a.virtual) { continue }
        if ($Name -and -not @($Name | Where-Object { $a.name -like $_ }).Count) { continue }
        if ($InterfaceIndex -and $a.index -notin $InterfaceIndex) { continue }
        if ($InterfaceDescription -and -not @($InterfaceDescription | Where-Object { $a.description -like $_ }).Count) { continue }
        $found = $true
        $up = $a.status -eq 'Up'
        New-LabCim MSFT_NetAdapter ([ordered]@{
            ifAlias = $a.name; InterfaceAlias = $a.name; ifIndex = [uint32]$a.index; ifDesc = $a.description; MacAddress = $a.mac; LinkLayerAddress = $a.mac; Status = $a.status; LinkSpeed = '10 Gbps'; MediaType = '802.3'
            PhysicalMediaType = $(if ($a.virtual) { 'Unspecified' } else { '802.3' }); AdminStatus = $(if ($a.status -eq 'Disabled') { 'Down' } else { 'Up' }); MediaConnectionState = $(if ($up) { 'Connected' } else { 'Disconnected' })
            DriverInformation = 'Driver Date 2006-06-21 Version 10.0.17763.1 NDIS 6.82'; ifOperStatus = $(if ($up) { 'Up' } else { 'Down' }); Name = $a.name; InterfaceDescription = $a.description; InterfaceIndex = [uint32]$a.index
            MtuSize = [uint32]$a.mtu; ActiveMaximumTransmissionUnit = [uint64]$a.mtu; Hidden = [bool]$a.hidden; HardwareInterface = -not $a.virtual; Virtual = [bool]$a.virtual; ConnectorPresent = -not $a.virtual; VlanID = $null; Speed = [uint64]10000000000; InterfaceType = [uint32]6
        }) 'ROOT/StandardCimv2'
    }
    if (-not $found -and $Name -and "$Name" -notmatch '[*?]') { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetAdapter Name "$Name")) }
}

function Get-NetIPAddress {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$IPAddress, [Alias('ifIndex')][int[]]$InterfaceIndex, [string[]]$InterfaceAlias, [ValidateSet('IPv4', 'IPv6')][string]$AddressFamily, [switch]$IncludeAllCompartments)
    Wait-LabHang Get-NetIPAddress
    if ($AddressFamily -eq 'IPv6') { return }
    $all = @(foreach ($a in Get-LabState adapters) { if ($a.status -ne 'Disabled') { foreach ($pair in $a.addresses) { , @($a, $pair[0], $pair[1], $a.prefix_origin) } } }) + @(, @($null, '127.0.0.1', 8, 'WellKnown'))
    $found = $false
    foreach ($row in $all) {
        $a = $row[0]
        $alias = if ($a) { $a.name } else { 'Loopback Pseudo-Interface 1' }
        $index = if ($a) { $a.index } else { 1 }
        if ($IPAddress -and $row[1] -notin $IPAddress) { continue }
        if ($InterfaceIndex -and $index -notin $InterfaceIndex) { continue }
        if ($InterfaceAlias -and -not @($InterfaceAlias | Where-Object { $alias -like $_ }).Count) { continue }
        $found = $true
        $origin = $row[3]
        if ($row[1] -like '169.254.*') { $origin = 'WellKnown' }
        New-LabCim MSFT_NetIPAddress ([ordered]@{
            IPAddress = $row[1]; InterfaceIndex = [uint32]$index; InterfaceAlias = $alias; ifIndex = [uint32]$index; AddressFamily = ConvertTo-LabEnum NetIPAddress.AddressFamily IPv4; Type = ConvertTo-LabEnum NetIPAddress.Type Unicast; PrefixLength = [byte]$row[2]
            PrefixOrigin = ConvertTo-LabEnum NetIPAddress.PrefixOrigin $origin; SuffixOrigin = ConvertTo-LabEnum NetIPAddress.SuffixOrigin $(if ($row[1] -like '169.254.*') { 'Link' } else { $origin }); AddressState = ConvertTo-LabEnum NetIPAddress.AddressState $(if (-not $a -or $a.status -eq 'Up') { 'Preferred' } else { 'Tentative' })
            SkipAsSource = $false; PolicyStore = ConvertTo-LabEnum NetIPAddress.Store ActiveStore; IPv4Address = $row[1]; IPv6Address = $null; Store = ConvertTo-LabEnum NetIPAddress.Store ActiveStore
        }) 'ROOT/StandardCimv2'
    }
    if (-not $found -and $IPAddress) { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetIPAddress IPAddress "$IPAddress")) }
}

function Get-NetRoute {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$DestinationPrefix, [ValidateSet('IPv4', 'IPv6')][string]$AddressFamily, [Alias('ifIndex')][int[]]$InterfaceIndex, [string[]]$NextHop, [switch]$IncludeAllCompartments)
    Wait-LabHang Get-NetRoute
    if ($AddressFamily -eq 'IPv6') { return }
    $names = @{}
    foreach ($a in Get-LabState adapters) { $names[[int]$a.index] = $a.name }
    $found = $false
    foreach ($r in Get-LabState routes) {
        if ($DestinationPrefix -and $r.prefix -notin $DestinationPrefix) { continue }
        if ($InterfaceIndex -and $r.index -notin $InterfaceIndex) { continue }
        if ($NextHop -and $r.next_hop -notin $NextHop) { continue }
        $found = $true
        New-LabCim MSFT_NetRoute ([ordered]@{
            DestinationPrefix = $r.prefix; NextHop = $r.next_hop; ifIndex = [uint32]$r.index; InterfaceIndex = [uint32]$r.index; InterfaceAlias = $names[[int]$r.index]; RouteMetric = [uint16]$r.metric; InterfaceMetric = [uint32]15
            AddressFamily = ConvertTo-LabEnum NetIPAddress.AddressFamily IPv4; Publish = [byte]0; Protocol = [uint16]3; Store = ConvertTo-LabEnum NetIPAddress.Store ActiveStore; State = [byte]0
        }) 'ROOT/StandardCimv2'
    }
    if (-not $found -and $DestinationPrefix) { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetRoute DestinationPrefix "$DestinationPrefix")) }
}

function Get-NetIPInterface {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$InterfaceAlias, [Alias('ifIndex')][int[]]$InterfaceIndex, [ValidateSet('IPv4', 'IPv6')][string]$AddressFamily, [switch]$IncludeAllCompartments)
    Wait-LabHang Get-NetIPInterface
    if ($AddressFamily -eq 'IPv6') { return }
    foreach ($a in Get-LabState adapters) {
        if ($InterfaceIndex -and $a.index -notin $InterfaceIndex) { continue }
        if ($InterfaceAlias -and -not @($InterfaceAlias | Where-Object { $a.name -like $_ }).Count) { continue }
        New-LabCim MSFT_NetIPInterface ([ordered]@{
            ifIndex = [uint32]$a.index; InterfaceIndex = [uint32]$a.index; ifAlias = $a.name; InterfaceAlias = $a.name; AddressFamily = ConvertTo-LabEnum NetIPAddress.AddressFamily IPv4; Forwarding = ConvertTo-LabEnum NetIPInterface.Forwarding $(if ($a.forwarding) { 'Enabled' } else { 'Disabled' })
            Dhcp = ConvertTo-LabEnum NetIPInterface.Dhcp $(if ($a.prefix_origin -eq 'Dhcp') { 'Enabled' } else { 'Disabled' }); NlMtu = [uint32]$a.mtu; NlMtuBytes = [uint32]$a.mtu; InterfaceMetric = [uint32]15; ConnectionState = ConvertTo-LabEnum NetIPInterface.ConnectionState $(if ($a.status -eq 'Up') { 'Connected' } else { 'Disconnected' }); CompartmentId = [uint32]1
        }) 'ROOT/StandardCimv2'
    }
}

function Get-NetConnectionProfile {
    [CmdletBinding()]
    param([string[]]$InterfaceAlias, [int[]]$InterfaceIndex)
    Wait-LabHang Get-NetConnectionProfile
    foreach ($a in Get-LabState adapters) {
        if ($a.status -ne 'Up' -or $a.hidden) { continue }
        if ($InterfaceAlias -and -not @($InterfaceAlias | Where-Object { $a.name -like $_ }).Count) { continue }
        if ($InterfaceIndex -and $a.index -notin $InterfaceIndex) { continue }
        New-LabCim MSFT_NetConnectionProfile ([ordered]@{
            Name = $(if ($a.category -eq 'DomainAuthenticated') { (Get-LabState os).domain } else { 'Network' }); InterfaceAlias = $a.name; InterfaceIndex = [uint32]$a.index
            NetworkCategory = ConvertTo-LabEnum NetConnectionProfile.NetworkCategory $a.category; IPv4Connectivity = ConvertTo-LabEnum NetConnectionProfile.IPv4Connectivity Internet; IPv6Connectivity = ConvertTo-LabEnum NetConnectionProfile.IPv4Connectivity NoTraffic
        }) 'ROOT/StandardCimv2'
    }
}

function Get-DnsClientServerAddress {
    [CmdletBinding()]
    param([string[]]$InterfaceAlias, [int[]]$InterfaceIndex, [ValidateSet('IPv4', 'IPv6')][string]$AddressFamily)
    Wait-LabHang Get-DnsClientServerAddress
    foreach ($a in Get-LabState adapters) {
        if ($a.hidden) { continue }
        if ($InterfaceAlias -and -not @($InterfaceAlias | Where-Object { $a.name -like $_ }).Count) { continue }
        if ($InterfaceIndex -and $a.index -notin $InterfaceIndex) { continue }
        foreach ($family in 'IPv4', 'IPv6') {
            if ($AddressFamily -and $family -ne $AddressFamily) { continue }
            $servers = if ($family -eq 'IPv4') { [string[]]@($a.dns) } else { [string[]]@() }
            # The class has a bare number here, not an enumeration.
            New-LabCim MSFT_DNSClientServerAddress ([ordered]@{ InterfaceAlias = $a.name; InterfaceIndex = [uint32]$a.index; AddressFamily = [uint16]$(if ($family -eq 'IPv4') { 2 } else { 23 }); ServerAddresses = $servers; Address = $servers }) 'ROOT/StandardCimv2'
        }
    }
}

function Get-DnsClientGlobalSetting {
    [CmdletBinding()] param()
    Wait-LabHang Get-DnsClientGlobalSetting
    New-LabCim MSFT_DNSClientGlobalSetting ([ordered]@{ UseSuffixSearchList = $true; SuffixSearchList = [string[]]@(Get-LabState dns_suffixes); UseDevolution = $true; DevolutionLevel = [uint32]0 }) 'ROOT/StandardCimv2'
}

function Get-NetTCPConnection {
    [CmdletBinding()]
    param([string[]]$State, [int[]]$LocalPort, [string[]]$LocalAddress, [int[]]$OwningProcess)
    Wait-LabHang Get-NetTCPConnection
    if ($State -and 'Listen' -notin $State) { return }
    $found = $false
    foreach ($l in Get-LabState listening) {
        if ($LocalPort -and $l[1] -notin $LocalPort) { continue }
        if ($LocalAddress -and $l[0] -notin $LocalAddress) { continue }
        if ($OwningProcess -and $l[2] -notin $OwningProcess) { continue }
        $found = $true
        New-LabCim MSFT_NetTCPConnection ([ordered]@{
            LocalAddress = $l[0]; LocalPort = [uint16]$l[1]; RemoteAddress = $(if ($l[0] -match ':') { '::' } else { '0.0.0.0' }); RemotePort = [uint16]0; State = ConvertTo-LabEnum NetTCPConnection.State Listen
            AppliedSetting = $null; OwningProcess = [uint32]$l[2]; CreationTime = ConvertTo-LabTime -80000; OffloadState = [byte]0
        }) 'ROOT/StandardCimv2'
    }
    if (-not $found -and $LocalPort) { $PSCmdlet.WriteError((New-LabNotFoundBy MSFT_NetTCPConnection LocalPort "$LocalPort")) }
}

function Get-NetUDPEndpoint {
    [CmdletBinding()]
    param([int[]]$LocalPort, [string[]]$LocalAddress, [int[]]$OwningProcess)
    Wait-LabHang Get-NetUDPEndpoint
    # The state's own list of open ports is TCP; the name service and time service of Windows are always there.
    foreach ($u in @(@('0.0.0.0', 123, 1100), @('0.0.0.0', 5353, 1200))) {
        if ($LocalPort -and $u[1] -notin $LocalPort) { continue }
        New-LabCim MSFT_NetUDPEndpoint ([ordered]@{ LocalAddress = $u[0]; LocalPort = [uint16]$u[1]; OwningProcess = [uint32]$u[2]; CreationTime = ConvertTo-LabTime -80000 }) 'ROOT/StandardCimv2'
    }
}

function Get-LabDynamicPorts([string]$protocol) {
    $ports = Get-LabState dynamic_ports
    if ($ports.Contains($protocol)) { , @($ports[$protocol]) } else { , @(49152, 16384) }
}

function Get-NetTCPSetting {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string[]]$SettingName)
    Wait-LabHang Get-NetTCPSetting
    $ports = Get-LabDynamicPorts tcp
    foreach ($name in 'Automatic', 'InternetCustom', 'DatacenterCustom', 'Compat', 'Datacenter', 'Internet') {
        if ($SettingName -and -not @($SettingName | Where-Object { $name -like $_ }).Count) { continue }
        # The automatic template has no values of its own.
        $own = $name -ne 'Automatic'
        New-LabCim MSFT_NetTCPSetting ([ordered]@{ SettingName = $name; MinRtoMs = [uint32]300; CongestionProvider = [byte]4; DynamicPortRangeStartPort = $(if ($own) { [uint16]$ports[0] } else { $null }); DynamicPortRangeNumberOfPorts = $(if ($own) { [uint16]$ports[1] } else { $null }) }) 'ROOT/StandardCimv2'
    }
}

function Get-NetUDPSetting {
    [CmdletBinding()] param()
    Wait-LabHang Get-NetUDPSetting
    $ports = Get-LabDynamicPorts udp
    New-LabCim MSFT_NetUDPSetting ([ordered]@{ DynamicPortRangeStartPort = [uint16]$ports[0]; DynamicPortRangeNumberOfPorts = [uint16]$ports[1] }) 'ROOT/StandardCimv2'
}
