# Directories that installers use, those that containerd's configuration names, and those of the kubelet's flags.
$folders = @('C:\etc\cni\net.d', 'C:\Program Files\containerd\cni\conf', 'C:\k\cni\config', 'C:\var\lib\rancher\rke2\agent\etc\cni\net.d', 'C:\opt\cni\bin', 'C:\Program Files\containerd\cni\bin', 'C:\k\cni', 'C:\k\cni\bin', 'C:\var\lib\rancher\rke2\bin')
$toml = [string](Read-Text (Get-Containerd).config)
foreach ($match in [regex]::Matches($toml, '(?m)^\s*(?:bin_dirs?|conf_dir)\s*=\s*(.+?)\s*$')) {
    foreach ($quoted in [regex]::Matches($match.Groups[1].Value, '"([^"]+)"|''([^'']+)''')) { $folders += ($quoted.Groups[1].Value -replace '\\\\', '\') + $quoted.Groups[2].Value }
}
$process = Get-HostProcess 'kubelet.exe' | Select-Object -First 1
if ($process) { $folders += @('cni-conf-dir', 'cni-bin-dir' | ForEach-Object { Get-Argument $process.CommandLine $_ } | Where-Object { $_ }) }
$seen = @{}
$confs = @()
$programs = @()
$directories = @()
foreach ($folder in $folders) {
    $folder = (Format-Path $folder).TrimEnd('\')
    if ($seen.ContainsKey($folder) -or -not (Test-Path -LiteralPath $folder -PathType Container)) { continue }
    $seen[$folder] = $true
    $directories += $folder
    foreach ($file in Get-ChildItem -LiteralPath $folder -File | Sort-Object -Property Name) {
        if ($file.Name -match '\.(conf|conflist|json)$') {
            $bytes = Read-Bytes $file.FullName
            $confs += @{ directory = $folder; name = [string]$file.Name; bom = (Read-Bom $bytes); text = (Hide-Secrets (Format-Text $bytes)) }
        } elseif ($file.Name -match '\.exe$') {
            $marked = @(Get-Item -LiteralPath $file.FullName -Stream 'Zone.Identifier' -ErrorAction SilentlyContinue).Count -gt 0
            $programs += @{ directory = $folder; name = [string]$file.Name; size = [long]$file.Length; version = [string]$file.VersionInfo.FileVersion; blocked = $marked }
        }
    }
}
@{ confs = $confs; programs = $programs; directories = $directories }
