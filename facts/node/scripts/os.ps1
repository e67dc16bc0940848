# Version and update level from the registry; names, memory and start from CIM. Registry values are not localised.
$version = Read-Registry 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$tcpip = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
$pages = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage'
$zone = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\TimeZoneInformation'
$machine = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$system = Get-CimInstance -ClassName Win32_OperatingSystem
$computer = Get-CimInstance -ClassName Win32_ComputerSystem
$variables = @{}
foreach ($name in 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'NODE_NAME', 'KUBE_NETWORK', 'KUBECONFIG') {
    if ($machine -and $machine.ContainsKey($name)) { $variables[$name] = Hide-Variable $name ([string]$machine[$name]) }
}
$hostname = [string]$tcpip['Hostname']
if (-not $hostname) { $hostname = [string]$computer.DNSHostName }
@{
    product_name = [string]$version.ProductName
    build = [int]$version.CurrentBuild
    ubr = [int]$version.UBR
    installation_type = [string]$version.InstallationType
    display_version = [string]$version.DisplayVersion
    hostname = $hostname
    computer_name = [string]$computer.Name
    domain = [string]$computer.Domain
    manufacturer = [string]$computer.Manufacturer
    model = [string]$computer.Model
    last_boot = (Format-Utc $system.LastBootUpTime)
    memory_kb = [long]$system.TotalVisibleMemorySize
    free_memory_kb = [long]$system.FreePhysicalMemory
    culture = [string](Get-Culture).Name
    ui_languages = @($system.MUILanguages | Where-Object { $_ } | ForEach-Object { [string]$_ })
    ui_culture = [string][Globalization.CultureInfo]::InstalledUICulture.Name
    oem_code_page = [int]$pages.OEMCP
    time_zone = [string]$zone.TimeZoneKeyName
    environment = $variables
}
