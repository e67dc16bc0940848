# The newest log of each component: files of installers, what nssm redirects, and containers' logs on this node.
$limit = 262144
$found = @{}
function Add-Log([string]$component, $file) {
    if ($file -and -not $found.ContainsKey([string]$file.FullName)) { $found[[string]$file.FullName] = @($component, $file) }
}
function Find-Newest([string]$folder, [string]$pattern) {
    if (-not (Test-Path -LiteralPath $folder -PathType Container)) { return }
    Get-ChildItem -LiteralPath $folder -File | Where-Object { $_.Name -match $pattern } | Sort-Object -Property LastWriteTimeUtc -Descending | Select-Object -First 1
}
foreach ($one in 'kubelet', 'kube-proxy', 'flanneld') {
    foreach ($folder in "C:\var\log\$one", 'C:\k\logs', "C:\k\logs\$one", 'C:\k', 'C:\var\lib\rancher\rke2\agent\logs') {
        $mine = $folder -like "*\$one"
        $name = [regex]::Escape($one)
        if ($mine) { $patterns = '\.err\.log$', '(?<!\.out|\.err)\.log$', '\.out\.log$' } else { $patterns = "^$name(\.exe)?\.err\.log$", "^$name(\.exe)?\.log$", "^$name(\.exe)?\..*INFO", "^$name(\.exe)?\..*ERROR" }
        foreach ($pattern in $patterns) { Add-Log $one (Find-Newest $folder $pattern) }
    }
}
foreach ($pair in @('kubelet', 'kubelet'), @('kube-proxy', 'kube-proxy'), @('kubeproxy', 'kube-proxy'), @('flanneld', 'flanneld')) {
    $nssm = Read-Nssm $pair[0]
    if (-not $nssm) { continue }
    foreach ($path in $nssm.stderr, $nssm.stdout) {
        if ($path -and (Test-Path -LiteralPath $path -PathType Leaf)) { Add-Log $pair[1] (Get-Item -LiteralPath $path) }
    }
}
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'" | Select-Object -First 1
if ($service -and [string]$service.PathName -match '--log-file[= ]+("([^"]+)"|(\S+))') {
    $path = "$($Matches[2])$($Matches[3])"
    if (Test-Path -LiteralPath $path -PathType Leaf) { Add-Log 'containerd' (Get-Item -LiteralPath $path) }
}
if (Test-Path -LiteralPath 'C:\var\log\pods' -PathType Container) {
    foreach ($pod in Get-ChildItem -LiteralPath 'C:\var\log\pods' -Directory) {
        $component = ''
        if ($pod.Name -match 'kube-flannel') { $component = 'flanneld' } elseif ($pod.Name -match '_kube-proxy') { $component = 'kube-proxy' }
        if (-not $component) { continue }
        foreach ($container in Get-ChildItem -LiteralPath $pod.FullName -Directory) { Add-Log $component (Find-Newest $container.FullName '\.log$') }
    }
}
$newest = @($found.Values | Sort-Object -Property @{ Expression = { $_[1].LastWriteTimeUtc }; Descending = $true }, @{ Expression = { [string]$_[1].FullName } } | Select-Object -First 8)
$logs = foreach ($pair in $newest) {
    $file = $pair[1]
    @{ component = $pair[0]; path = [string]$file.FullName; modified = (Format-Utc $file.LastWriteTimeUtc); text = (Hide-Secrets ([string](Read-Text $file.FullName $limit))) }
}
@{ logs = @($logs | Where-Object { $_ }) }
