# The newest log of each component: files of installers, what nssm redirects, and containers' logs on this node.
$limit = 262144
$found = @{}
function Add-Log([string]$component, $file) {
    if (-not $file -or $found.ContainsKey([string]$file.FullName)) { return }
    # A folder's list has old times of files that are still written to.
    $file.Refresh()
    $found[[string]$file.FullName] = @($component, $file)
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
foreach ($pair in @('kubelet', 'kubelet'), @('kube-proxy', 'kube-proxy'), @('kubeproxy', 'kube-proxy'), @('flanneld', 'flanneld'), @('containerd', 'containerd')) {
    $nssm = Read-Nssm $pair[0]
    if (-not $nssm) { continue }
    foreach ($path in $nssm.stderr, $nssm.stdout) {
        if ($path -and (Test-Path -LiteralPath $path -PathType Leaf)) { Add-Log $pair[1] (Get-Item -LiteralPath $path) }
    }
}
foreach ($path in (Get-Argument (Get-Containerd).line 'log-file'), 'C:\var\lib\rancher\rke2\agent\containerd\containerd.log') {
    if ($path -and (Test-Path -LiteralPath $path -PathType Leaf)) { Add-Log 'containerd' (Get-Item -LiteralPath $path) }
}
# Only those names are listed: another pod's may be too long for a path, and Windows PowerShell then lists none.
if (Test-Path -LiteralPath 'C:\var\log\pods' -PathType Container) {
    foreach ($pair in @('*kube-flannel*', 'flanneld'), @('*_kube-proxy*', 'kube-proxy')) {
        foreach ($pod in Get-ChildItem -LiteralPath 'C:\var\log\pods' -Directory -Filter $pair[0]) {
            foreach ($container in Get-ChildItem -LiteralPath $pod.FullName -Directory) { Add-Log $pair[1] (Find-Newest $container.FullName '\.log$') }
        }
    }
}
$newest = @($found.Values | Sort-Object -Property @{ Expression = { $_[1].LastWriteTimeUtc }; Descending = $true }, @{ Expression = { [string]$_[1].FullName } } | Select-Object -First 8)
$logs = foreach ($pair in $newest) {
    $file = $pair[1]
    @{ component = $pair[0]; path = [string]$file.FullName; modified = (Format-Utc $file.LastWriteTimeUtc); text = (Hide-Secrets ([string](Read-Text $file.FullName $limit))) }
}
@{ logs = @($logs | Where-Object { $_ }) }
