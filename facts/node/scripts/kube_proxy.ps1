$process = Get-HostProcess 'kube-proxy.exe' | Select-Object -First 1
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kube-proxy' OR Name='kubeproxy'" | Select-Object -First 1
$nssm = $null
$path = ''
if ($service) { $nssm = Read-Nssm $service.Name; $path = Hide-Secrets ([string]$service.PathName) }
$line = ''
if ($process) { $line = Hide-Secrets ([string]$process.CommandLine) }
$machine = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$file = ''
$vip = ''
foreach ($one in 'C:\sourcevip\sourceVip.json', 'C:\k\sourceVip.json', 'C:\k\kube-proxy\sourceVip.json', 'C:\hpc\kube-proxy\sourceVip.json') {
    $read = Read-Text $one
    if ($null -ne $read) { $file = $one; $vip = Hide-Secrets $read; break }
}
@{ process = $line; running = [bool]$process; service = $path; nssm = $nssm; kube_network = [string]$machine.KUBE_NETWORK; source_vip_path = $file; source_vip = $vip }
