# Where the kubelet's arguments are written, most certain first; they are told apart and parsed elsewhere.
$process = Get-HostProcess 'kubelet.exe' | Select-Object -First 1
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'" | Select-Object -First 1
$nssm = Read-Nssm 'kubelet'
$line = ''
$path = ''
if ($process) { $line = [string]$process.CommandLine; $path = [string]$process.ExecutablePath }
if ($service) { $path = [string]$service.PathName }
$started = Read-StartScript $nssm
$text = Hide-Secrets $started.text
$variables = Read-Text 'C:\var\lib\kubelet\kubeadm-flags.env'
# Without --config there is none; kubeadm's is taken where the flags cannot be seen. The process knows best.
$config = ''
$folder = ''
$sources = @($path, $nssm.parameters, $variables, $text)
if ($line) { $sources = @($line) } elseif (Test-Path -LiteralPath 'C:\var\lib\kubelet\config.yaml' -PathType Leaf) { $config = 'C:\var\lib\kubelet\config.yaml' }
foreach ($source in $sources) {
    $told = Get-Argument $source 'config'
    if ($told) { $config = Format-Path $told; break }
}
foreach ($source in $sources) { if (-not $folder) { $folder = Format-Path (Get-Argument $source 'config-dir') } }
$content = $null
if ($config) { $content = Read-Text $config }
# Files that add to the configuration; RKE2 has nothing else (https://github.com/rancher/rke2/issues/4043).
$more = @()
if ($folder -and (Test-Path -LiteralPath $folder -PathType Container)) {
    $more = @(Get-ChildItem -LiteralPath $folder -File -Recurse | Where-Object { $_.Name -like '*.conf' } | ForEach-Object { @{ path = [string]$_.FullName; text = (Hide-Secrets (Read-Text $_.FullName)) } })
}
# Whether the file of resolvConf is there, wherever one is named: which of them counts is told elsewhere.
$named = @(foreach ($source in $sources) { Get-Argument $source 'resolv-conf' })
foreach ($document in @($content) + @($more | ForEach-Object { $_.text })) {
    foreach ($match in [regex]::Matches([string]$document, '(?m)^\s*"?resolvConf"?\s*:[ \t]*(.*?)(?:[ \t]+#.*|[ \t,]*)\r?$')) {
        $value = $match.Groups[1].Value
        if ($value -like '"*') { $value = $value -replace '\\\\', '\' }
        $named += $value.Trim('"', "'")
    }
}
$files = @{}
foreach ($one in $named) { if ($one -match '^([A-Za-z]:)?[\\/][^$%]*$') { $files[$one] = (Test-Path -LiteralPath (Format-Path $one) -PathType Leaf) } }
$program = ''
if ($process -and $process.ExecutablePath) { $program = [string]$process.ExecutablePath }
elseif ($service -and (Get-ProgramPath $service.PathName) -like '*kubelet.exe') { $program = Get-ProgramPath $service.PathName }
elseif ($nssm -and $nssm.application -like '*kubelet.exe') { $program = $nssm.application }
if (-not $program -or -not (Test-Path -LiteralPath $program -PathType Leaf)) { $program = [string](Find-Program 'kubelet.exe' @('C:\k\kubelet.exe', 'C:\Program Files\Kubernetes\kubelet.exe', 'C:\usr\local\bin\kubelet.exe', 'C:\bin\kubelet.exe')) }
$version = ''
if ($program) { $version = Read-Native $program '--version' }
$servicePath = ''
if ($service) { $servicePath = Hide-Secrets ([string]$service.PathName) }
@{
    program = $program; version = $version; process = (Hide-Secrets $line); service = $servicePath; nssm = $nssm; script = $started.path; script_text = $text
    flags_env = (Hide-Secrets ([string]$variables)); config_path = $config; config_exists = ($null -ne $content); config = (Hide-Secrets ([string]$content)); config_dir = $folder; config_more = $more; resolv_files = $files
}
