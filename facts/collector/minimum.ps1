# What can be asked with cmdlets alone, in Constrained Language Mode. Each answer is one `plain` line in the shape
# of the full script's answer, with fewer fields.
function Write-Plain($id, $value) {
    $at = (Get-Date).ToUniversalTime().ToString('o')
    "~kw plain $id " + (ConvertTo-Json -InputObject @{ at = $at; ms = 0; value = $value } -Depth 6 -Compress)
}
$count = 0
try {
    $version = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $computer = Get-CimInstance -ClassName Win32_ComputerSystem
    $pages = Get-ItemProperty -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage'
    $boot = $null
    if ($system.LastBootUpTime) { $boot = $system.LastBootUpTime.ToUniversalTime().ToString('o') }
    Write-Plain 'os' @{ product_name = [string]$version.ProductName; build = [int]$version.CurrentBuild; ubr = [int]$version.UBR; installation_type = [string]$version.InstallationType; display_version = [string]$version.DisplayVersion; hostname = [string]$computer.DNSHostName; computer_name = [string]$computer.Name; domain = [string]$computer.Domain; manufacturer = [string]$computer.Manufacturer; model = [string]$computer.Model; last_boot = $boot; memory_kb = [long]$system.TotalVisibleMemorySize; free_memory_kb = [long]$system.FreePhysicalMemory; oem_code_page = [int]$pages.OEMCP; culture = [string](Get-Culture).Name; ui_languages = @($system.MUILanguages) }
    $count++
} catch { [void]$_ }
try {
    $known = 'hns', 'vmcompute', 'containerd', 'docker', 'cri-dockerd', 'cri-docker', 'kubelet', 'kube-proxy', 'kubeproxy', 'flanneld', 'CalicoNode', 'CalicoFelix', 'rke2', 'csiproxy', 'W32Time', 'BFE', 'mpssvc', 'Dnscache', 'nvagent', 'SharedAccess', 'vmms', 'RemoteAccess', 'WinRM', 'sshd', 'rancher-wins'
    $services = @(Get-CimInstance -ClassName Win32_Service | Where-Object { $known -contains $_.Name })
    $list = @($services | ForEach-Object { @{ name = $_.Name; state = [string]$_.State; start_mode = [string]$_.StartMode; path = [string]$_.PathName; account = [string]$_.StartName; pid = [int]$_.ProcessId; exit_code = [long]$_.ExitCode; service_exit_code = [long]$_.ServiceSpecificExitCode } })
    Write-Plain 'services' @{ services = $list }
    $count++
} catch { [void]$_ }
"~kw done $count"
