$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'" | Select-Object -First 1
$line = ''
if ($service) { $line = [string]$service.PathName }
$program = Get-ProgramPath $line
if (-not $program -or -not (Test-Path -LiteralPath $program -PathType Leaf)) { $program = [string](Find-Program 'containerd.exe' @('C:\Program Files\containerd\containerd.exe', 'C:\Program Files\containerd\bin\containerd.exe', 'C:\var\lib\rancher\rke2\bin\containerd.exe')) }
$config = 'C:\Program Files\containerd\config.toml'
if ($line -match '(?:--config|-c)[= ]+("([^"]+)"|(\S+))') { $config = "$($Matches[2])$($Matches[3])" }
$text = Read-Text $config
$version = ''
if ($program) { $version = Read-Native $program '--version' }
$pipes = @(Get-ChildItem -LiteralPath '\\.\pipe\' -ErrorAction SilentlyContinue | ForEach-Object { [string]$_.Name } | Where-Object { $_ -match 'containerd|docker|csi-proxy|hcs' })
$panic = [string](Read-Text 'C:\ProgramData\containerd\root\panic.log' 8192)
@{
    present = [bool]($service -or $program); program = $program; version = $version; config_path = $config; config_exists = ($null -ne $text); config = (Hide-Secrets ([string]$text))
    pipes = $pipes; panic_log = (Hide-Secrets $panic)
}
