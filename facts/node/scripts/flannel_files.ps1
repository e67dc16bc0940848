$process = Get-HostProcess 'flanneld.exe' | Select-Object -First 1
$nssm = Read-Nssm 'flanneld'
$machine = Read-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
$line = ''
if ($process) { $line = [string]$process.CommandLine }
if (-not $line -and $nssm) { $line = "$($nssm.application) $($nssm.parameters)" }
$paths = @('C:\etc\kube-flannel\net-conf.json', 'C:\k\net-conf.json', 'C:\var\lib\rancher\rke2\agent\flanneld-net-conf.json')
$env_file = 'C:\run\flannel\subnet.env'
$paths += @(Get-Argument $line 'net-config-path' | Where-Object { $_ })
$told = Get-Argument $line 'subnet-file'
if ($told) { $env_file = Format-Path $told }
$seen = @{}
$confs = foreach ($path in $paths) {
    $path = Format-Path $path
    if ($seen.ContainsKey($path.ToLowerInvariant())) { continue }
    $seen[$path.ToLowerInvariant()] = $true
    $bytes = Read-Bytes $path
    if ($null -ne $bytes) { @{ path = $path; bom = (Read-Bom $bytes); text = (Hide-Secrets (Format-Text $bytes)) } }
}
$subnet = Read-Text $env_file
if ($null -eq $subnet) { $env_file = '' }
$variables = @()
if ($nssm) { $variables = $nssm.environment }
$seen_pod = $null
if ($nssm) { $seen_pod = [bool](@($variables | Where-Object { $_ -like 'POD_NAME=*' }).Count) -or [bool]$machine.POD_NAME }
@{
    net_confs = @($confs | Where-Object { $_ }); subnet_env_path = $env_file; subnet_env = (Hide-Secrets ([string]$subnet)); arguments = (Hide-Secrets $line)
    environment = $variables; node_name = [string]$machine.NODE_NAME; has_pod_name = $seen_pod
}
