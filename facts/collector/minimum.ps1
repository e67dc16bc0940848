# What can be asked with cmdlets alone, in Constrained Language Mode. Each answer is one `plain` line.
function Write-Plain($id, $value) {
    $at = Get-Date (Get-Date).ToUniversalTime() -Format "yyyy-MM-ddTHH:mm:ss.fffffffZ"
    "~kw plain $id " + (ConvertTo-Json -InputObject @{ at = $at; ms = 0; value = $value } -Depth 6 -Compress)
}
$count = 0
$services = @(Get-CimInstance -ClassName Win32_Service | Where-Object { 'hns', 'vmcompute', 'containerd', 'docker', 'kubelet', 'kube-proxy', 'kubeproxy', 'flanneld', 'W32Time', 'BFE', 'mpssvc', 'Dnscache' -contains $_.Name })
$list = @($services | ForEach-Object { @{ name = $_.Name; state = [string]$_.State; start_mode = [string]$_.StartMode; path = [string]$_.PathName; account = [string]$_.StartName; pid = [int]$_.ProcessId; exit_code = [long]$_.ExitCode; service_exit_code = [long]$_.ServiceSpecificExitCode } })
Write-Plain 'services' @{ services = $list }
$count++
"~kw done $count"
